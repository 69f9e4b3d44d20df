import { chmodSync, readdirSync, statSync } from 'node:fs';
import { geteuid } from 'node:process';
import { NacelleError } from '../errors.js';
import { attempt } from './system-errors.js';

/**
 * Checks that a folder, if it exists, is this user's alone, 0700: nacelle believes what is written there. A folder that others can only
 * read is closed to them, unless `closes` is false: the folder may be one that was not made for this, such as /run.
 *
 * @throws NacelleError `ERR_NOT_OWN`: it is another user's, or others could write what is in it; SyscallError
 */
export function requireOwn(path: string, { closes = true }: { readonly closes?: boolean } = {}): void {
  attempt(`look at the folder ${path}`, () => {
    const status = statSync(path, { throwIfNoEntry: false });
    if (!status) return;
    const { uid, mode } = status;
    if (uid !== geteuid?.()) throw notOwn(path, `it belongs to the user ${uid}`);
    if ((mode & 0o022) !== 0 && (!closes || readdirSync(path).length > 0)) throw notOwn(path, 'others may write to it');
    if (closes && (mode & 0o777) !== 0o700) chmodSync(path, 0o700);
  });
}

function notOwn(path: string, problem: string): NacelleError {
  const cure = `Name another folder, or see what is in it and make it yours alone: chown ${geteuid?.()} and chmod 700`;
  return new NacelleError(`the folder ${path} can't be trusted: ${problem}. ${cure}`, { code: 'ERR_NOT_OWN' });
}
