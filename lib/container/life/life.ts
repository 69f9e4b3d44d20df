import { isFrozen } from '../../cgroup/freezer.js';
import { doAll, isNacelleError, NacelleError } from '../../errors.js';
import type { Connection } from '../../native/connection.js';
import { Numbered } from '../../native/numbered.js';
import { abortSignal } from '../../options/common-fields.js';
import * as json from '../../options/option-fields.js';
import { parseField } from '../../options/parse-options.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding, RunResult } from '../../process/options/process-types.js';
import { readNote, writeNote } from '../detached/note.js';
import { OwnEvents } from '../events/own-events.js';
import { FirstProcess } from '../exec/first-process.js';
import { ContainerFiles } from '../files/container-files.js';
import type { ContainerInfo, State } from '../options/list-types.js';
import { copyOut, type Inside } from '../result/copy-out.js';
import { type ContainerRecord, type LiveRecord, networkNames } from '../start/container-record.js';
import type { Held, Parts } from '../start/launch.js';
import { Connections } from './connections.js';
import { detachAtEnd } from './plugins.js';

/** The containers of this environment (main thread or Worker), in the order in which they were made. */
export const live = new Numbered<Life>();

const waitOptions = json.strictObject({}, { cancelSignal: abortSignal });

/** A container's state and its end, which is waited for once for all who ask. What else a container can do is beside this file. */
export class Life<E extends Encoding = Encoding> {
  readonly id: string;
  readonly record: LiveRecord;
  readonly held: Held<E>;
  /** To the shim of a detached container; `null` also where that shim has died. */
  readonly connection: Connection | null;
  firstProcess: FirstProcess;
  /** Where, and as whom, files are read and written: of the newest run. */
  inside: Inside | null;
  files: ContainerFiles | null;
  /** `null`: its shim tells what happens to it, or it was cancelled before there was a process. */
  readonly own: OwnEvents | null;
  #state: State;
  /** How often the program was started again, as far as was seen here. */
  restarts = 0;
  /** Programs that are about to join. */
  readonly joining = new Set<Promise<unknown>>();
  readonly connections = new Connections();
  /** The changes of what is noted of it that this process has begun. */
  changing: Promise<void> = Promise.resolve();
  isPausing = false;
  removed: Promise<void> | null = null;
  #outcome: Promise<RunResult<E>> | null = null;
  #isClosed = false;
  /** Once its networks' plugins have detached it. */
  #detaching: Promise<void> = Promise.resolve();
  /** How many wait for the end of a detached container. */
  #waiting = 0;
  /** Whether {@link unref} was called, and not {@link ref} since. */
  #isLetGo = false;

  constructor({ record, held, connection = null }: Parts<E> & { connection?: Connection | null }, state: State) {
    this.#state = state;
    this.connection = connection;
    this.id = record.current.id;
    this.record = record;
    this.held = held;
    this.firstProcess = new FirstProcess(held.task, held.slot);
    this.inside = held.inside;
    this.files = this.#filesIn(held.inside);
    this.own = this.isDetached || held.task.pid === 0 ? null : new OwnEvents(record, held.task);
    const number = live.add(this);
    // what the handle holds is of no use without its shim
    connection?.over.then(() => this.close());
    const end = (): void => {
      live.delete(number);
      this.firstProcess.end();
      this.#detaching = detachAtEnd(record.current);
      if (!this.isDetached) return;
      this.state = 'stopped';
      this.#learnLast();
    };
    // before whoever waits for the end, which is judged by the last limits
    (held.isTidiedLater ? held.task.emptied : held.task.ended).then(end, end);
  }

  #filesIn(inside: Inside | null): ContainerFiles | null {
    if (inside === null || !this.held.keepsInside) return null;
    return new ContainerFiles(this.id, { ...inside, capabilities: this.record.current.program.capabilities });
  }

  /** A run of the program is over, and another follows. */
  endRun(): void {
    this.firstProcess.end();
    this.firstProcess = new FirstProcess(this.held.task, this.held.slot);
  }

  /** Takes the mounts of a new run. What is copied from or to those of the run before ends. */
  async takeInside(inside: Inside | null): Promise<void> {
    if (inside === null) return;
    if (this.removed !== null || this.#isClosed) return inside.close();
    const [before, files] = [this.inside, this.files];
    this.inside = inside;
    this.files = this.#filesIn(inside);
    await doAll([() => files?.close(), () => before?.close()]);
  }

  /** Whether its program has ended for good: unlike {@link state} this asks no group, so that whoever ends the container needs none. */
  get hasEnded(): boolean {
    return this.#state === 'stopped';
  }

  /** Others may pause a detached container too, or let it go on: its groups tell. */
  get state(): State {
    const seen = this.#state;
    if (!this.isDetached || (seen !== 'running' && seen !== 'paused')) return seen;
    return isFrozen(this.record.current.group.paths) ? 'paused' : 'running';
  }

  set state(state: State) {
    this.#state = state;
  }

  /** Takes what others have changed of a detached container: its limits, the groups that keep them, its networks and its ports. */
  learn(): void {
    const noted = this.isDetached ? readNote(this.id) : null;
    if (noted === null) return;
    const { limits, group, networks, links, ports, guarded } = noted;
    const { options } = this.record.current;
    const bandwidth = noted.options?.bandwidth ?? null;
    const egress = noted.options?.egress ?? null;
    this.record.current = {
      ...this.record.current,
      ...{ limits, group, networks, links, ports, guarded },
      options: options === null ? null : { ...options, bandwidth, egress },
    };
  }

  #learnLast(): void {
    try {
      this.learn();
    } catch (error) {
      // the end is told also where the note is damaged, or can't be read: it is judged by the limits that were known
      if (!isNacelleError(error)) throw error;
    }
  }

  /** Has the container be what the record says from now on, for whoever looks: of a detached one it is written down. @throws SyscallError */
  note(record: ContainerRecord): void {
    this.record.current = record;
    if (this.isDetached) writeNote(record);
  }

  /** Whether it outlives this process. */
  get isDetached(): boolean {
    return this.record.current.detached !== null;
  }

  get info(): ContainerInfo {
    const { id, name, command, labels, createdAt } = this.record.current;
    const networks = networkNames(this.record.current);
    return { id, name, pid: this.held.task.pid, state: this.state, command, labels, networks, createdAt: new Date(createdAt) };
  }

  /** @throws NacelleError `ERR_STATE` */
  expect(state: State, what: string): void {
    if (this.state !== state) throw new NacelleError(`${what} the container ${this.id}: it is ${this.state}`, { code: 'ERR_STATE' });
  }

  /** Of a container whose program runs already, and which goes with it. */
  runsOnce(): void {
    this.state = 'running';
    this.own?.tell({ type: 'start' });
    this.own?.tellAtEnd({ type: 'destroy' });
  }

  async start(): Promise<void> {
    this.expect('created', 'start');
    this.state = 'running';
    if (this.isDetached) return this.held.program.release();
    const ended = this.end().catch(() => undefined);
    try {
      const released = this.held.program.release();
      this.own?.tellStart(released);
      await released;
    } catch (error) {
      await ended;
      throw error;
    }
  }

  unref(): void {
    this.#isLetGo = true;
    this.keepAlive(false);
  }

  ref(): void {
    this.#isLetGo = false;
    this.keepAlive(true);
  }

  keepAlive(keeps: boolean): void {
    for (const part of [this.held.task, this.held.program.streams]) {
      if (keeps) part.ref();
      else part.unref();
    }
  }

  async waited(options: { cancelSignal?: AbortSignal | undefined }): Promise<RunResult<E>> {
    const { cancelSignal = null } = parseField(waitOptions, options, 'options');
    const ended = unlessAborted(
      cancelSignal,
      () => this.end(),
      () => undefined,
    );
    if (!this.isDetached) return ended;
    // a detached container keeps Node alive only while somebody waits for it
    this.#waiting++;
    this.keepAlive(true);
    return ended.finally(() => {
      if (--this.#waiting === 0) this.keepAlive(false);
    });
  }

  end(): Promise<RunResult<E>> {
    if (!this.#outcome) {
      if (!this.#isLetGo) this.keepAlive(true);
      this.#outcome = this.#finish();
      // whoever calls `wait` later gets this failure, so it must not count as unhandled
      this.#outcome.catch(() => undefined);
    }
    return this.#outcome;
  }

  async #finish(): Promise<RunResult<E>> {
    const { copyOut: paths, copyOutMax: max } = this.record.current;
    const { program, keepsInside, changes, release, isTidiedLater } = this.held;
    const copied = (): ReturnType<typeof copyOut> => {
      const { inside } = this;
      if (inside === null) throw new NacelleError('the container has no mounts to copy out of', { code: 'ERR_INTERNAL' });
      return copyOut(keepsInside ? { ...inside, close: () => undefined } : inside, paths, { max, ...program.cancelling });
    };
    try {
      return await program.wait({ ...(this.inside === null || paths.length === 0 ? {} : { readFiles: copied }), isTidiedLater });
    } finally {
      this.state = 'stopped';
      // `changes` can be read until the container is removed, and lie on the image's layers: these are then kept as long
      if (!changes) release();
      // the next one may want the same address
      await this.#detaching;
      if (!keepsInside) this.inside?.close();
    }
  }

  /** Closes the handle of a detached container, which goes on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { program, changes } = this.held;
    await doAll([() => program.streams.close(), () => changes?.close(), () => this.inside?.close(), () => this.connection?.close()]);
  }
}
