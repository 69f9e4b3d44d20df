import { isatty } from 'node:tty';
import type { BundleProcess } from '../oci-config/config-schema.js';
import type { Caller } from './caller/caller.js';
import { usageError } from './config/runtime-error.js';
import { ownSize, requireOwnTerminal } from './foreground-terminal.js';
import type { ConsoleRequest } from './plan/console-of-plan.js';

/**
 * Where the terminal of a process is sent; `null` for a process without one. In the foreground it may be shown at the caller's own.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` in runc's words
 */
export function consoleOf(
  socket: string | null,
  { terminal = false, consoleSize }: BundleProcess,
  { caller, detach }: { readonly caller: Pick<Caller, 'absolute' | 'hasOwnStreams'>; readonly detach: boolean },
): ConsoleRequest | null {
  if (!terminal && socket !== null) throw usageError('cannot use console socket if runc will not detach or allocate tty');
  if (!terminal) return null;
  if (socket === null && detach)
    throw usageError('cannot allocate tty if runc will detach without setting console socket: use --console-socket');
  const given = { columns: consoleSize?.width ?? 0, rows: consoleSize?.height ?? 0 };
  if (socket !== null) return { socket: caller.absolute(socket), keepsNewlines: false, ...given };
  requireOwnTerminal(caller.hasOwnStreams);
  // a terminal of the caller's is raw, and what reads a pipe is no terminal
  return { socket: null, keepsNewlines: !isatty(1), ...(consoleSize === undefined ? ownSize() : given) };
}
