import { resolve } from 'node:path';
import type { BundleProcess } from '../oci-config/config-schema.js';
import type { Caller } from './config/caller.js';
import { usageError } from './config/runtime-error.js';
import type { ConsoleRequest } from './plan/bundle-input.js';

/** Where the terminal of a process is sent; `null` for a process without one. @throws NacelleError `ERR_INVALID_OPTION` in runc's words */
export function consoleOf(
  socket: string | null,
  { terminal = false, consoleSize }: BundleProcess,
  { cwd }: Pick<Caller, 'cwd'>,
): ConsoleRequest | null {
  if (terminal && socket === null) throw usageError('cannot allocate tty if runc will detach without setting console socket');
  if (!terminal && socket !== null) throw usageError('cannot use console socket if runc will not detach or allocate tty');
  return socket === null ? null : { socket: resolve(cwd, socket), columns: consoleSize?.width ?? 0, rows: consoleSize?.height ?? 0 };
}
