import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, NacelleError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import { CONTAINER_NAME } from '../options/container-name.js';
import { namesFolder } from './container-folders.js';

/** Makes the folder of names. The last shim that ends removes it when it is empty. */
export function makeNamesFolder(): void {
  attempt('make the folder of names', () => mkdirSync(namesFolder(), { recursive: true, mode: 0o700 }));
}

/** The file of a name. */
export function nameFile(name: string): string {
  return join(namesFolder(), name);
}

/** The id of the container with a name; `null` for none. */
export function idOf(name: string): string | null {
  if (!CONTAINER_NAME.test(name)) return null;
  return attempt(`look up the container ${name}`, () => {
    try {
      return readFileSync(nameFile(name), 'utf8') || null;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return null;
      throw error;
    }
  });
}

export function nameTaken(name: string, cause?: unknown): NacelleError {
  return new NacelleError(`make the container ${name}: there is one of that name`, { code: 'ERR_NAME_TAKEN', cause });
}
