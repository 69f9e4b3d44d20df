import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { NacelleError, toError } from '../errors.js';
import type { Task } from './task.js';

/**
 * What a process of ours writes to a pipe, as a stream. The stream ends only when the process has ended well; a failure of the process is
 * the stream's error. Destroying the stream kills the process.
 */
export class ChildOutput extends Readable {
  readonly #pipe: Socket;
  readonly #task: Task;
  readonly #what: string;

  constructor(pipe: Socket, task: Task, what: string) {
    super();
    this.#pipe = pipe;
    this.#task = task;
    this.#what = what;
    pipe.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) pipe.pause();
    });
    pipe.on('error', (error) => this.destroy(error));
    pipe.on('end', () => void this.#finish());
    pipe.pause();
  }

  override _read(): void {
    this.#pipe.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#pipe.destroy();
    const done = (): void => callback(error);
    // nobody wants this output any more, or the failure is known already: how the process ended is of no interest
    this.#task.close().then(done, done);
  }

  async #finish(): Promise<void> {
    try {
      const { exit } = await this.#task.ended;
      if (exit.kind !== 'exited' || exit.value !== 0) {
        const how = exit.kind === 'exited' ? `ended with ${exit.value}` : `was killed by signal ${exit.value}`;
        throw new NacelleError(`${this.#what}: the process that reads them ${how}`, { code: 'ERR_CHILD' });
      }
      this.push(null);
    } catch (error) {
      this.destroy(toError(error));
    }
  }
}
