import { NacelleError } from '../../errors.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { StartPlan, Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';

/** A pidfd of a container's first process, whose namespaces other programs join. The shim is asked for it at the first use. */
export class FirstProcess {
  readonly #task: Task;
  readonly #slot: Slot;
  #asked: Promise<number> | null = null;

  /** @param slot a slot of the task that the shim may fill */
  constructor(task: Task, slot: Slot) {
    this.#task = task;
    this.#slot = slot;
    // a pidfd of a process that has ended is of no use
    task.ended.catch(() => undefined).finally(() => this.#close());
  }

  /** Starts a plan in the shim of the container. */
  get start(): StartPlan {
    return this.#task.beside;
  }

  /** The descriptor, which stays this object's. @throws NacelleError `ERR_ENDED`; SyscallError (ESRCH) */
  async fd(): Promise<number> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  async #ask(): Promise<number> {
    const { descriptors } = await this.#task.call([{ op: 'open_process', host: true, out: this.#slot }], { returns: [this.#slot] });
    const fd = descriptors.get(this.#slot);
    if (fd === undefined) throw new NacelleError('the shim gave no process back', { code: 'ERR_INTERNAL' });
    return fd;
  }

  #close(): void {
    this.#asked?.then(closeDescriptor, () => undefined);
  }
}
