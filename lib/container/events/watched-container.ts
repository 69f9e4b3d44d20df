import { existsSync, type FSWatcher } from 'node:fs';
import { watchPath } from '../../cgroup/files/group-files.js';
import { monotonicNs, now } from '../../native/clock.js';
import type { Connection } from '../../native/connection.js';
import { decodeThere, type Notice } from '../../native/messages.js';
import { NoticeKind, TaskState } from '../../native/protocol.js';
import { connectToShim } from '../detached/attach.js';
import { containerFolder } from '../detached/container-folders.js';
import { taskOfTheDead } from '../detached/dead-shim.js';
import { readNote, unlessDamaged } from '../detached/note.js';
import type { ContainerEvent, ContainerHappening } from '../options/event-types.js';
import type { ContainerRecord } from '../start/container-record.js';
import { endOf, eventOf } from './happenings.js';
import { happeningsIn } from './notice-events.js';

export interface Hearer {
  push(event: ContainerEvent): void;
  fail(error: unknown): void;
}

/**
 * One detached container that is watched, from when its folder is there until all of it was told.
 *
 * A container's folder comes first, then its shim's socket, its note, and only then its first process; and the shim remembers what it told
 * lately. So whoever sees the folder waits for the note, connects, and asks for all since the watch began: nothing that happened before the
 * connection is missed, and nothing is told twice.
 */
export class WatchedContainer {
  readonly #id: string;
  readonly #hearer: Hearer;
  /** ns of the monotonic clock; `null` for one that came after the watch began: all of it is told. */
  readonly #since: bigint | null;
  #noteWatch: FSWatcher | undefined;
  #record: ContainerRecord | null = null;
  #connection: Connection | null = null;
  /** What was lost with a connection. */
  #lost = 0;
  /** Its shim has said that it is there: one that could not be made is not told. */
  #isThere = false;
  /** The end of its newest run was told. */
  #hasEnded = false;
  #isRemoved = false;
  #hasFolder = true;
  #isClosed = false;
  /** Something has come by the connection. */
  #hasHeard = false;

  constructor(id: string, since: bigint | null, hearer: Hearer) {
    this.#id = id;
    this.#since = since;
    this.#hearer = hearer;
    this.#look();
  }

  /** Its shim says nothing more. */
  get isOver(): boolean {
    return this.#connection === null;
  }

  /** Its folder is no more. What its shim has said before is heard first. */
  vanished(): void {
    this.#hasFolder = false;
    this.#noteWatch?.close();
    if (this.#connection === null && (this.#isThere || this.#since !== null)) this.#tellRemoved();
  }

  close(): void {
    this.#isClosed = true;
    this.#noteWatch?.close();
    this.#connection?.close();
  }

  #look(): void {
    const folder = containerFolder(this.#id);
    this.#noteWatch ??= watchPath(folder, { persistent: false }, () => this.#lookAgain(), this.#hearer.fail);
    this.#record = unlessDamaged(() => readNote(this.#id));
    if (this.#record === null) return;
    this.#noteWatch?.close();
    this.#connect(this.#since ?? 0n);
  }

  #lookAgain(): void {
    if (this.#isClosed || !this.#hasFolder || this.#record !== null) return;
    try {
      this.#look();
    } catch (error) {
      this.#hearer.fail(error);
    }
  }

  /** A shim that is gone, or does not answer, says nothing. */
  #connect(since: bigint): boolean {
    const connection = connectToShim(this.#id);
    this.#connection = connection;
    this.#hasHeard = false;
    if (connection === null) return false;
    connection.watch(since, (notice) => this.#heard(notice));
    connection.over.then(() => this.#disconnected()).catch(this.#hearer.fail);
    return true;
  }

  #heard(notice: Notice): void {
    if (this.#record === null) return;
    this.#hasHeard = true;
    this.#isThere = true;
    this.#lost += notice.lost;
    if (notice.kind === NoticeKind.there) {
      const state = decodeThere(notice.body);
      this.#hasEnded = state === TaskState.ended || state === TaskState.between;
    }
    if (notice.kind === NoticeKind.started) this.#hasEnded = false;
    if (notice.kind === NoticeKind.removed) this.#isRemoved = true;
    if (notice.kind === NoticeKind.ended) {
      // the end of its last run was told, and now there is no other run
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      // its end is judged by the last limits
      this.#record = unlessDamaged(() => readNote(this.#id)) ?? this.#record;
    }
    for (const happening of happeningsIn(notice, this.#record)) this.#tell(happening, notice.atMs);
  }

  #disconnected(): void {
    this.#connection = null;
    if (this.#isClosed || this.#record === null) return;
    // who ends a connection and never said anything in it is no shim of ours
    if (!this.#isRemoved && this.#hasHeard && this.#reconnect()) return;
    if (existsSync(containerFolder(this.#id))) {
      // the shim died; its silence before that may be that of one that stood still
      const mayRun = this.#isThere || this.#since !== null;
      if (mayRun && taskOfTheDead(this.#id) === null) this.#tellDied();
    } else if (this.#isThere && !this.#isRemoved) {
      // it has ended in order, and could not wait until all of its notices were read; or it died, and another process was fast to tidy up
      this.#lost++;
      this.#tellDied();
      this.#tellRemoved();
    }
  }

  #tellDied(): void {
    if (this.#hasEnded || this.#record === null) return;
    this.#hasEnded = true;
    for (const happening of endOf(this.#record, null)) this.#tell(happening, now());
  }

  /** The shim has had to end the connection and not itself, which it does for want of memory. */
  #reconnect(): boolean {
    if (!this.#connect(monotonicNs())) return false;
    this.#lost++;
    return true;
  }

  #tellRemoved(): void {
    if (this.#isClosed || this.#isRemoved) return;
    this.#isRemoved = true;
    this.#tell({ type: 'destroy' }, now());
  }

  #tell(happening: ContainerHappening, at: number): void {
    if (this.#record === null) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#hearer.push(eventOf(this.#record, happening, { at, lost }));
  }
}
