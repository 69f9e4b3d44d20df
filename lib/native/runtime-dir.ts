import { existsSync, lstatSync, mkdirSync, type Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { env, geteuid } from 'node:process';
import { errnoOf, hasCode, UnsupportedError } from '../errors.js';
import { OWN_NAME, SYSTEM_FOLDERS } from '../plan/constants.js';
import { mayMakeIn } from './may-write.js';
import { nativeError } from './system-errors.js';

/**
 * The folder for what must be found again after a crash, and goes at a reboot: NACELLE_RUNROOT, else /run/nacelle for root, else
 * $XDG_RUNTIME_DIR/nacelle. Services, jobs of CI and users of containers have no such variable: for them it is below /run/user/UID where
 * systemd made that, else below /tmp/nacelle-UID. So it is for root of a user namespace, who may not write to the machine's /run. The shim keeps to the folder in which it was started.
 */
export function runtimeDir(): string {
  if (env.NACELLE_RUNROOT) return resolve(env.NACELLE_RUNROOT);
  if (mayUseSystemFolder(SYSTEM_FOLDERS.runtime)) return SYSTEM_FOLDERS.runtime;
  return join(env.XDG_RUNTIME_DIR || sessionFolder() || sharedFolder(), OWN_NAME);
}

/** Answers of {@link mayUseSystemFolder}, which is asked with every run. */
const answers = new Map<string, boolean>();

/**
 * Whether this is root who may make what is in one of the system's folders below /run, which need not be there yet: root of a user namespace mostly may not.
 * The front of `nacelle-oci` asks the same (addon/shim/front/front.cc).
 *
 * @throws SyscallError
 */
export function mayUseSystemFolder(path: string): boolean {
  if (geteuid?.() !== 0) return false;
  const known = answers.get(path);
  if (known !== undefined) return known;
  let there = path;
  while (!existsSync(there) && there !== dirname(there)) there = dirname(there);
  const answer = mayMakeIn(there);
  answers.set(path, answer);
  return answer;
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
