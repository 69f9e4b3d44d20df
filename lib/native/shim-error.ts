import { hasCode, NacelleError } from '../errors.js';

/**
 * The connection to a shim has ended. That of this process has died mostly, and every container of this process has ended; the next call starts
 * a new one. The shim of a detached container may live on with its container.
 */
export class ShimError extends NacelleError {
  override readonly name = 'ShimError';

  /** @param detached the id of the container that the shim is for; `null` for the shim of this process */
  constructor(detached: string | null = null) {
    const message =
      detached === null
        ? 'the connection to the shim was lost: the containers of this process ended with it'
        : `the connection to the shim of the detached container ${detached} was lost: Container.attach() finds the container if it lives on`;
    super(message, { code: 'ERR_SHIM_DIED' });
  }
}

/** Whether the connection to the shim has ended: its tasks end too, and nobody hears what became of them. */
export function isShimLost(error: unknown): boolean {
  return hasCode(error, 'ERR_SHIM_DIED', 'ERR_SHIM_MESSAGE');
}
