import { hasCode, NacelleError } from '../errors.js';

/** The shim died, and with it every container of this process. The next call starts a new one. */
export class ShimError extends NacelleError {
  override readonly name = 'ShimError';
  constructor() {
    super('the shim died: its containers ended with it', { code: 'ERR_SHIM_DIED' });
  }
}

/** Whether the connection to the shim has ended: its tasks end too, and nobody hears what became of them. */
export function isShimLost(error: unknown): boolean {
  return hasCode(error, 'ERR_SHIM_DIED', 'ERR_SHIM_MESSAGE');
}
