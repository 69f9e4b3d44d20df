import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { NacelleError, toError } from '../errors.js';
import type { Plan, Slots } from '../plan/plan.js';
import { closeDescriptor, streamedPipe } from './load-addon.js';
import { ownShim, type Shim } from './shim.js';
import type { Task } from './task.js';

/** A process that writes what it finds, and ends. */
export interface Worker {
  /** What it does, in the caller's words. */
  readonly what: string;
  /** Who starts it. Default: this process's own shim. */
  readonly on?: Shim;
  /** The most bytes that it may write; a stream that has more of them fails with `ERR_TOO_LARGE`. Default: no limit. */
  readonly maxBytes?: number | null;
  /** @param output the descriptor that the process writes to */
  plan(output: number): { readonly plan: Plan; readonly slots: Slots };
}

/**
 * What a process writes, as a stream. The stream ends only when the process has ended well; a failure of the process is the stream's error.
 * Destroying the stream kills the process.
 *
 * @throws when the process can't begin its work
 */
export async function readWorker({ what, on = ownShim(), maxBytes = null, plan: planFor }: Worker): Promise<Readable> {
  const { stream: pipe, other: input } = streamedPipe('read');
  try {
    const { plan, slots } = planFor(input);
    return new WorkerOutput(pipe, await on.startPlan(plan, slots.descriptors), { what, maxBytes });
  } catch (error) {
    pipe.destroy();
    throw error;
  } finally {
    closeDescriptor(input);
  }
}

/** Resolves when the process behind the stream has ended. */
export async function goneWorker(stream: Readable): Promise<void> {
  stream.destroy();
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
}

class WorkerOutput extends Readable {
  readonly #pipe: Socket;
  readonly #task: Task;
  readonly #what: string;
  #left: number;

  constructor(pipe: Socket, task: Task, { what, maxBytes }: { what: string; maxBytes: number | null }) {
    super();
    this.#pipe = pipe;
    this.#task = task;
    this.#what = what;
    this.#left = maxBytes ?? Number.POSITIVE_INFINITY;
    pipe.on('data', (chunk: Buffer) => this.#take(chunk));
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

  #take(chunk: Buffer): void {
    this.#left -= chunk.length;
    if (this.#left < 0) this.destroy(new NacelleError(`${this.#what}: there is more than maxBytes allows`, { code: 'ERR_TOO_LARGE' }));
    else if (!this.push(chunk)) this.#pipe.pause();
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
