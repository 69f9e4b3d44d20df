import { NacelleError } from '../../errors.js';
import type { Life } from './life.js';

/** @throws NacelleError `ERR_STATE` for a container that has no process now */
export function requireAlive({ id, state }: Life, what: string): void {
  if (state !== 'stopped' && state !== 'restarting') return;
  const why = state === 'stopped' ? 'it has ended' : 'it is restarting';
  throw new NacelleError(`${what} of the container ${id}: ${why}`, { code: 'ERR_STATE' });
}
