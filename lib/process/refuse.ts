import { execute } from './execute.js';
import { parseExecOptions } from './schema.js';
import type { Encoding, Execution } from './types.js';

/** An Execution that never began: what is wrong with the options is told as every other failure, by the promise. */
export function refuse<E extends Encoding>(error: unknown): Execution<E> {
  return execute<E>(parseExecOptions({ stdout: 'ignore', stderr: 'ignore' }), [], () => Promise.reject(error));
}
