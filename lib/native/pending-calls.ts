import { NacelleError } from '../errors.js';
import type { Plan } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import type { Carrier } from './carrier.js';
import { Deferred } from './deferred.js';
import { closeDescriptor } from './load-addon.js';
import type { decodeCalled } from './messages.js';
import { stepError } from './system-errors.js';
import type { TaskOutput } from './task.js';
import { cutError, isCut, output } from './task-output.js';

/** What a task was asked while it lives, and has not answered. A pending call keeps the event loop alive. */
export class PendingCalls {
  readonly #connection: Carrier;
  readonly #calls = new Map<number, { reply: Deferred<TaskOutput>; steps: () => readonly Step[] }>();
  #sequence = 0;

  constructor(connection: Carrier) {
    this.#connection = connection;
  }

  /**
   * @param steps for the words of a failure
   * @throws what `send` throws; the failure of a step; as {@link end} says
   */
  async ask(steps: () => readonly Step[], send: (sequence: number) => void): Promise<TaskOutput> {
    const sequence = ++this.#sequence;
    const reply = new Deferred<TaskOutput>();
    this.#calls.set(sequence, { reply, steps });
    this.#connection.ref();
    try {
      send(sequence);
    } catch (error) {
      this.#calls.delete(sequence);
      this.#connection.unref();
      throw error;
    }
    return reply.promise;
  }

  /** @param plan the task's, for the words of a failure */
  onCalled(message: ReturnType<typeof decodeCalled>, fds: readonly number[], plan: () => Plan): void {
    const call = this.#calls.get(message.sequence);
    if (!call) {
      for (const fd of fds) closeDescriptor(fd);
      return;
    }
    this.#calls.delete(message.sequence);
    this.#connection.unref();
    if ('failure' in message) call.reply.reject(stepError(message.failure, { plan: plan(), call: call.steps() }));
    else if (isCut(message.results, fds)) call.reply.reject(cutError());
    else call.reply.resolve(output(message.results, fds));
  }

  /** No answer will come any more. */
  end(why: () => Error): void {
    for (const { reply } of this.#calls.values()) {
      reply.reject(why());
      this.#connection.unref();
    }
    this.#calls.clear();
  }
}

export function endedError(): NacelleError {
  return new NacelleError('it has ended', { code: 'ERR_ENDED' });
}
