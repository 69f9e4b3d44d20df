import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { UnsupportedError } from '../errors.js';
import { OWN_NAME, SYSTEM_FOLDERS } from '../plan/constants.js';

/** Where images are kept: NACELLE_ROOT, read at each use, else /var/lib/nacelle for root, else $XDG_DATA_HOME/nacelle. */
export function storeRoot(): string {
  const { NACELLE_ROOT, XDG_DATA_HOME } = process.env;
  if (NACELLE_ROOT) return resolve(NACELLE_ROOT);
  if (process.geteuid?.() === 0) return SYSTEM_FOLDERS.store;
  return join(XDG_DATA_HOME || join(home(), '.local/share'), OWN_NAME);
}

function home(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new UnsupportedError('the store of images', 'this user has no home', 'Set NACELLE_ROOT to a folder of yours.', { cause });
  }
}
