import { readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../errors.js';
import { attempt } from './system-errors.js';

/** The text of a file; `null` when there is none, or when it was of a process that ended while it was read. @throws SyscallError */
export function readIfThere(path: string): string | null {
  return attempt(`read ${path}`, () => unlessMissing(() => readFileSync(path, 'utf8')));
}

/** The names in a folder; none when there is no such folder. @throws SyscallError */
export function listIfThere(folder: string): string[] {
  return attempt(`list ${folder}`, () => unlessMissing(() => readdirSync(folder))) ?? [];
}

function unlessMissing<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}
