import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { geteuid } from 'node:process';
import { hasCode, NacelleError } from '../../errors.js';
import { attempt, systemError } from '../../native/system-errors.js';

/**
 * The text of a file of a container's state; `null` where there is none. What it says is done with this user's rights, so it is a file that nobody else may write to,
 * and no link to one that others have.
 *
 * @throws NacelleError `ERR_STATE` for anything else; SyscallError
 */
export function stateText(path: string): string | null {
  const fd = openedState(path);
  if (fd === null) return null;
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw damaged(path, 'is no regular file');
    if (status.uid !== geteuid?.() || (status.mode & 0o022) !== 0) throw damaged(path, 'may be written to by others');
    return attempt(`read ${path}`, () => readFileSync(fd, 'utf8'));
  } finally {
    closeSync(fd);
  }
}

/** A named pipe would keep whoever opens it waiting. */
function openedState(path: string): number | null {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    if (hasCode(error, 'ELOOP')) throw damaged(path, 'is a link');
    throw systemError(`open ${path}`, error);
  }
}

/**
 * Opens one of the named pipes of a container's process, which waits for nobody.
 *
 * @param flags O_RDONLY or O_WRONLY
 * @throws NacelleError `ERR_STATE` for what is none: what is written to the process is for no file of the host's; the error of open(2)
 */
export function openPipe(path: string, flags: number): number {
  const { O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK);
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw damaged(path, 'is no named pipe');
}

function damaged(path: string, problem: string): NacelleError {
  return new NacelleError(`${path} ${problem}`, { code: 'ERR_STATE' });
}
