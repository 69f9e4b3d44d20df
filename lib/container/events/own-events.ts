import { now } from '../../native/clock.js';
import type { RunEnd, Task } from '../../native/task.js';
import type { ContainerEvent, ContainerHappening } from '../options/event-types.js';
import type { LiveRecord } from '../start/container-record.js';
import { endOf, eventOf, execDie } from './happenings.js';
import type { ExecWords } from './words.js';

/** Who listens to what happens to the containers of this environment (main thread or Worker). */
const listeners = new Set<(event: ContainerEvent) => void>();

/** Calls the listener for what happens to containers that end with this process. @returns what ends that */
export function hearOwn(listener: (event: ContainerEvent) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Tells what happens to one container that ends with this process. */
export class OwnEvents {
  readonly #record: LiveRecord;
  #starting: Promise<unknown> = Promise.resolve();
  /** The end of its newest run was told. */
  #hasEnded = false;
  /** The end has been told. */
  readonly #died: Promise<void>;
  /** What the end has left is undone. */
  readonly #undone: Promise<unknown>;

  constructor(record: LiveRecord, task: Pick<Task, 'emptied' | 'ended' | 'watch'>) {
    this.#record = record;
    this.tell({ type: 'create' });
    task.watch({
      // whoever starts it tells that
      began: () => undefined,
      died: (end) => void this.#starting.then(() => this.#tellEnd(end)),
      ran: () => void this.#starting.then(() => this.#tellNextStart()),
      health: (status) => this.tell({ type: 'health_status', status }),
    });
    this.#undone = task.ended.catch(() => null);
    this.#died = task.emptied
      .catch(() => null)
      .then(async (end) => {
        // a program may have ended before its start was told
        await this.#starting;
        this.#tellEnd(end);
      });
  }

  tell(happening: ContainerHappening): void {
    if (listeners.size === 0) return;
    const event = eventOf(this.#record.current, happening, { at: now() });
    for (const listener of listeners) listener(event);
  }

  #tellNextStart(): void {
    this.#hasEnded = false;
    this.tell({ type: 'start' });
  }

  #tellEnd(end: RunEnd | null): void {
    const isTold = this.#hasEnded;
    this.#hasEnded = true;
    if (isTold || listeners.size === 0) return;
    for (const happening of endOf(this.#record.current, end)) this.tell(happening);
  }

  /** Told after the end, once nothing is left to be undone. */
  tellAtEnd(happening: ContainerHappening): void {
    Promise.all([this.#died, this.#undone]).then(() => this.tell(happening));
  }

  /** Tells the start once the program runs. */
  tellStart(running: Promise<unknown>): void {
    this.#starting = running.then(
      () => this.tell({ type: 'start' }),
      () => undefined,
    );
  }

  /** Tells what becomes of a program beside the container's own. One that was cancelled before there was a process never ran. */
  tellExec(exec: ExecWords, task: Pick<Task, 'pid' | 'ended'>): void {
    if (task.pid === 0) return;
    this.tell({ type: 'exec_create', ...exec });
    this.tell({ type: 'exec_start', ...exec });
    task.ended.catch(() => null).then((end) => this.tell(execDie(exec.execId, end)));
  }
}
