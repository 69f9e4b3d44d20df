import { Writable } from 'node:stream';
import { hasCode, NacelleError, toError } from '../../errors.js';
import { streamOf } from '../../native/load-addon.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';

/**
 * The standard input of a detached program. The shim keeps the pipe open, whoever comes and goes. A process gets a descriptor of the pipe at
 * its first write; `end` closes the shim's, so that the program reads the end of its input.
 */
export class DetachedStdin extends Writable {
  readonly #task: Task;
  readonly #slot: Slot;
  #pipe: Writable | null = null;

  constructor(task: Task, slot: Slot) {
    super();
    this.#task = task;
    this.#slot = slot;
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#opened().then(
      (pipe) => pipe.write(chunk, done),
      (error: unknown) => done(toError(error)),
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    const close = async (): Promise<void> => {
      const pipe = this.#pipe;
      if (pipe !== null) await new Promise<void>((resolve) => pipe.end(resolve));
      await this.#task.call([{ op: 'close', host: true, slot: this.#slot }]);
    };
    // a program that has ended reads no more
    close().then(
      () => done(),
      (error: unknown) => done(hasCode(error, 'ERR_ENDED', 'ERR_SHIM_DIED') ? null : toError(error)),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pipe?.destroy();
    done(error);
  }

  async #opened(): Promise<Writable> {
    if (this.#pipe !== null) return this.#pipe;
    const { descriptors } = await this.#task.call([], { returns: [this.#slot] });
    const fd = descriptors.get(this.#slot);
    if (fd === undefined) throw new NacelleError('write to the program: its standard input was closed', { code: 'ERR_CLOSED' });
    const pipe = streamOf(fd, { readable: false, writable: true });
    pipe.on('error', (error) => this.destroy(error));
    this.#pipe = pipe;
    return pipe;
  }
}
