import { OpenGroupFiles } from '../../cgroup/files/open-group-files.js';
import { NacelleError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { Deferred } from '../../native/deferred.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { StartPlan, Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';

/** ms */
const END_PATIENCE = 2_000;

/** A pidfd of a container's first process, whose namespaces other programs join. The shim is asked for it at the first use. */
export class FirstProcess {
  readonly #task: Task;
  readonly #slot: Slot;
  #asked: Promise<number> | null = null;
  #users = 0;
  #hasEnded = false;
  readonly #ended = new Deferred<void>();
  /** The counters of the container's groups, which whoever joins reads twice. */
  readonly counters = new OpenGroupFiles();

  /** @param slot a slot of the task that the shim may fill */
  constructor(task: Task, slot: Slot) {
    this.#task = task;
    this.#slot = slot;
  }

  /** To be called when the process has ended. */
  end(): void {
    this.#hasEnded = true;
    this.counters.close();
    this.#ended.resolve();
    this.#closeUnused();
  }

  /** Starts a plan in the shim of the container. */
  get start(): StartPlan {
    return this.#task.beside;
  }

  /**
   * Gives the descriptor for as long as `work` takes: its number may be another file's after that.
   *
   * @throws what `work` throws; NacelleError `ERR_ENDED`; SyscallError (ESRCH)
   */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T> {
    if (this.#hasEnded) throw new NacelleError('the process has ended', { code: 'ERR_ENDED' });
    this.#users++;
    try {
      this.#asked ??= this.#ask();
      return await work(await this.#asked);
    } finally {
      this.#users--;
      this.#closeUnused();
    }
  }

  /**
   * Whether the process ends now. Whoever has joined it is killed a moment before its end is told, so this waits for that end, but not for
   * ever: somebody may have killed the one that joined alone.
   */
  async isEnding(): Promise<boolean> {
    if (this.#hasEnded) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_PATIENCE);
    });
    await Promise.race([this.#ended.promise, patience]);
    clearTimeout(timer);
    return this.#hasEnded;
  }

  async #ask(): Promise<number> {
    const { descriptors } = await this.#task.call([{ op: 'open_process', host: true, out: this.#slot }], { returns: [this.#slot] });
    const fd = descriptors.get(this.#slot);
    if (fd === undefined) throw new NacelleError('the shim gave no process back', { code: 'ERR_INTERNAL' });
    return fd;
  }

  /** A pidfd of a process that has ended is of no use. */
  #closeUnused(): void {
    if (!this.#hasEnded || this.#users > 0) return;
    this.#asked?.then(closeDescriptor, () => undefined);
    this.#asked = null;
  }
}
