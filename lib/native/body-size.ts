import { NacelleError } from '../errors.js';
import { MAX_BODY } from './protocol.js';

/** Refuses a body past MAX_BODY, at which the shim would take the connection for broken. */
export function checkSize(body: Uint8Array): void {
  if (body.length <= MAX_BODY) return;
  const problem = `this container's plan has ${body.length} bytes, more than ${MAX_BODY}`;
  throw new NacelleError(`${problem}: copy big files in by their path, not as content`, { code: 'ERR_INVALID_OPTION' });
}
