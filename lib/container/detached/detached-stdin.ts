import { Writable } from 'node:stream';
import { hasCode, NacelleError, toError } from '../../errors.js';
import { streamOf } from '../../native/load-addon.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';

/**
 * The standard input of a detached program. The shim keeps the pipe open, whoever comes and goes. A process gets a descriptor of the pipe
 * when it writes, and keeps none: `end`, of whichever process, closes the shim's, so that the program reads the end of its input.
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
      (pipe) =>
        pipe.write(chunk, (error) => {
          // nothing else is waiting to be written
          if (this.writableLength <= chunk.length) this.#letGo();
          done(error);
        }),
      (error: unknown) => done(toError(error)),
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    const close = async (): Promise<void> => {
      this.#letGo();
      await this.#task.call([{ op: 'close', host: true, slot: this.#slot }]);
    };
    // a program that has ended reads no more
    close().then(
      () => done(),
      (error: unknown) => done(hasCode(error, 'ERR_ENDED', 'ERR_SHIM_DIED') ? null : toError(error)),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#letGo();
    done(error);
  }

  #letGo(): void {
    this.#pipe?.destroy();
    this.#pipe = null;
  }

  async #opened(): Promise<Writable> {
    if (this.#pipe !== null) return this.#pipe;
    const { descriptors } = await this.#task.call([], { returns: [this.#slot] });
    const fd = descriptors.get(this.#slot);
    if (fd === undefined) throw closed();
    const pipe = streamOf(fd, { readable: false, writable: true });
    if (this.destroyed) {
      // nobody would close the pipe any more, and the program would wait for the end of its input for ever
      pipe.destroy();
      throw closed();
    }
    pipe.on('error', (error) => this.destroy(error));
    this.#pipe = pipe;
    return pipe;
  }
}

function closed(): NacelleError {
  return new NacelleError('write to the program: its standard input was closed', { code: 'ERR_CLOSED' });
}
