import { accessSync, constants } from 'node:fs';
import { hasCode } from '../errors.js';
import { attempt } from './system-errors.js';

/** Whether this process may write to a file; `false` where there is none. @throws SyscallError when the kernel could not tell */
export function mayWriteFile(path: string): boolean {
  return isAllowed(path, constants.W_OK);
}

/** Whether this process may make something in a folder; `false` where there is none. @throws SyscallError when the kernel could not tell */
export function mayMakeIn(folder: string): boolean {
  return isAllowed(folder, constants.W_OK | constants.X_OK);
}

function isAllowed(path: string, mode: number): boolean {
  return attempt(`look at the rights of ${path}`, () => {
    try {
      accessSync(path, mode);
      return true;
    } catch (error) {
      // EPERM: whoever may else write does not to what is immutable (chattr(1))
      if (hasCode(error, 'EACCES', 'EROFS', 'EPERM', 'ENOENT')) return false;
      throw error;
    }
  });
}
