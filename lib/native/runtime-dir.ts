import { accessSync, constants, existsSync, lstatSync, mkdirSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { env, geteuid } from 'node:process';
import { errnoOf, hasCode, UnsupportedError } from '../errors.js';
import { OWN_NAME, SYSTEM_FOLDERS } from '../plan/constants.js';
import { nativeError } from './system-errors.js';

/**
 * The folder for what must be found again after a crash, and goes at a reboot: NACELLE_RUNROOT, else /run/nacelle for root, else
 * $XDG_RUNTIME_DIR/nacelle. Services, jobs of CI and users of containers have no such variable: for them it is below /run/user/UID where
 * systemd made that, else below /tmp/nacelle-UID. So it is for root of a user namespace, who may not write to the machine's /run. The shim keeps to the folder in which it was started.
 */
export function runtimeDir(): string {
  if (env.NACELLE_RUNROOT) return resolve(env.NACELLE_RUNROOT);
  if (geteuid?.() === 0 && isOwnMachine()) return SYSTEM_FOLDERS.runtime;
  return join(env.XDG_RUNTIME_DIR || sessionFolder() || sharedFolder(), OWN_NAME);
}

/** Whether root may make what is below /run: looked at once, for it is asked with every run. */
let mayUseSystem: boolean | undefined;

function isOwnMachine(): boolean {
  mayUseSystem ??= mayWrite(SYSTEM_FOLDERS.runtime) ?? mayWrite(dirname(SYSTEM_FOLDERS.runtime)) ?? true;
  return mayUseSystem;
}

/** `null` for a folder that is not there. */
function mayWrite(path: string): boolean | null {
  if (!existsSync(path)) return null;
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** The folder where a shim serves that others can find: that of a detached container, or of a user's networks. The shim makes it. */
export function shimFolder(id: string): string {
  return join(runtimeDir(), 'containers', id);
}

/** Makes the folder that {@link runtimeDir} is to be in. @throws UnsupportedError when others could write there; SyscallError */
export function makeRuntimeBase(): void {
  const base = dirname(runtimeDir());
  const isShared = base === sharedFolder();
  try {
    mkdirSync(base, { recursive: !isShared, mode: 0o700 });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (!isShared || !hasCode(error, 'EEXIST')) throw nativeError(`make the folder ${base}`, 'mkdir', errno, base);
  }
  // the folder is checked after it was made: from then on nobody else can put another in its place, for /tmp is sticky
  if (!isShared || isPrivate(base)) return;
  throw new UnsupportedError(
    'nacelle',
    `${base}, below which it notes what runs, is not a folder of this user's alone (mode 0700)`,
    'Remove it, or set NACELLE_RUNROOT to a folder of yours.',
  );
}

/** The folder that systemd's pam module made; `null` for a user without a session. */
function sessionFolder(): string | null {
  const path = `/run/user/${geteuid?.()}`;
  return isPrivate(path) ? path : null;
}

/** A folder in /tmp, where others may have made one of that name before. */
function sharedFolder(): string {
  return `/tmp/${OWN_NAME}-${geteuid?.()}`;
}

function isPrivate(path: string): boolean {
  const status = lookAt(path);
  return status?.isDirectory() === true && status.uid === geteuid?.() && (status.mode & 0o077) === 0;
}

function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return null;
    throw error;
  }
}

/** The folder with one file for each live shim, which has a lock on it. The shim makes the folder, and removes it when it is empty. */
export function ownersDir(): string {
  return join(runtimeDir(), 'owners');
}
