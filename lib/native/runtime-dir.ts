import { join } from 'node:path';
import { env, geteuid } from 'node:process';
import { UnsupportedError } from '../errors.js';
import { OWN_NAME, SYSTEM_FOLDERS } from '../plan/constants.js';

/** /run/nacelle for root, else $XDG_RUNTIME_DIR/nacelle: what must be found again after a crash, and goes at a reboot. */
export function runtimeDir(): string {
  if (geteuid?.() === 0) return SYSTEM_FOLDERS.runtime;
  const base = env.XDG_RUNTIME_DIR;
  if (!base) throw new UnsupportedError('nacelle', 'XDG_RUNTIME_DIR is not set', 'Log in through systemd or set it to a folder of yours.');
  return join(base, OWN_NAME);
}

/** One file for each live shim, with its lock on it. The shim makes the folder, and removes it when it is empty. */
export function ownersDir(): string {
  return join(runtimeDir(), 'owners');
}
