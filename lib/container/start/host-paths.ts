import { type Stats, statSync } from 'node:fs';
import { errnoOf, invalidOption } from '../../errors.js';
import { nativeError } from '../../native/system-errors.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ExtraDevice } from '../plan/plan-input.js';

// What the caller's paths lead to on the host.

/** @throws SyscallError naming the option */
export function lookUp(path: string, option: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw nativeError(`look up ${path} for ${option}`, 'stat', errno, path);
  }
}

/** @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for what is no device */
export function findDevice({ path, target, access }: ParsedOptions['devices'][number]): ExtraDevice {
  const status = lookUp(path, 'devices');
  if (!status.isBlockDevice() && !status.isCharacterDevice()) throw invalidOption('devices', `${path} is not a device`);
  // makedev(3) of glibc
  const device = BigInt(status.rdev);
  const major = Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
  const minor = Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
  return { path: target, type: status.isBlockDevice() ? 'b' : 'c', major, minor, mode: status.mode & 0o777, access };
}

/** The targets of binds of files: where a target is missing, a file is made to mount on. The sources must be there. */
export function fileTargets(options: ParsedOptions): Set<string> {
  const targets = new Set<string>();
  for (const { type, source, target } of options.mounts) {
    if (type === 'bind' && source !== null && !lookUp(source, `mounts (${target})`).isDirectory()) targets.add(target);
  }
  return targets;
}

/** The sources of `copyIn` that are folders. All of them must be there. */
export function copiedFolders({ copyIn }: ParsedOptions): Set<string> {
  return new Set(copyIn.flatMap(({ source }) => (source !== null && isFolder(source) ? [source] : [])));
}

/** Whether a source is a folder. Refuses one that is neither that nor a file: to read it may wait for ever, or have an effect. */
function isFolder(source: string): boolean {
  const status = lookUp(source, 'copyIn');
  if (!status.isFile() && !status.isDirectory()) throw invalidOption('copyIn', `${source} is neither a file nor a folder`);
  return status.isDirectory();
}
