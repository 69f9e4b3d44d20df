import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { hasCode, NacelleError, SyscallError, TOO_MANY_FILES } from '../errors.js';

/**
 * What to throw when a file could not be loaded: where no descriptor is left, an error that says so. Node says of such a file that it can't be opened, or
 * that it isn't there. What is asked then must be loaded before, with the import of the package, and that is to stay small: so the error is made here, and
 * not by `nativeError`, with which the tables of steps and hints would come.
 */
export function unloaded(error: unknown, what: string): unknown {
  if (error instanceof NacelleError) return error;
  const code = hasCode(error, 'MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED') ? lackOf() : codeIn(error);
  if (code === null) return error;
  const errno = constants.errno[code];
  const words = code === 'EMFILE' ? 'too many open files' : 'too many open files in system';
  const message = `load ${what}: ${code} (${words}). ${TOO_MANY_FILES}`;
  return new SyscallError(message, { errno, errnoName: code, syscall: 'open', hint: TOO_MANY_FILES, cause: error });
}

type Lack = 'EMFILE' | 'ENFILE';

function codeIn(error: unknown): Lack | null {
  return hasCode(error, 'EMFILE') ? 'EMFILE' : hasCode(error, 'ENFILE') ? 'ENFILE' : null;
}

/** Why no descriptor can be had just now; `null`: there is one. */
function lackOf(): Lack | null {
  try {
    closeSync(openSync('/', 'r'));
    return null;
  } catch (error) {
    return codeIn(error);
  }
}
