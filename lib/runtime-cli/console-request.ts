import type { BundleProcess } from '../oci-config/config-schema.js';
import type { Caller } from './caller/caller.js';
import { usageError } from './config/runtime-error.js';
import type { ConsoleRequest } from './plan/bundle-input.js';

/** Where the terminal of a process is sent; `null` for a process without one. @throws NacelleError `ERR_INVALID_OPTION` in runc's words */
export function consoleOf(
  socket: string | null,
  { terminal = false, consoleSize }: BundleProcess,
  { absolute }: Pick<Caller, 'absolute'>,
): ConsoleRequest | null {
  if (terminal && socket === null) throw usageError('cannot allocate tty if runc will detach without setting console socket');
  if (!terminal && socket !== null) throw usageError('cannot use console socket if runc will not detach or allocate tty');
  return socket === null ? null : { socket: absolute(socket), columns: consoleSize?.width ?? 0, rows: consoleSize?.height ?? 0 };
}
