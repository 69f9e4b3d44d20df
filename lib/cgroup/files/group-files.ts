import { type FSWatcher, readdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { codeOf, errnoOf, toError } from '../../errors.js';
import { loadNative } from '../../native/load-addon.js';
import { nativeError } from '../../native/system-errors.js';
import { parseKeyed } from './interface-file-formats.js';

/** A file of the kernel's, `null` where it is not there (an older kernel) or its group is gone. */
export function readGroupFile(path: string): string | null {
  return unlessAbsent(path, () => readFileSync(path, 'utf8'));
}

/** What `read` gives, or `null` as {@link readGroupFile}. */
export function unlessAbsent(path: string, read: () => string): string | null {
  try {
    return read();
  } catch (error) {
    // ENOTSUP, as Node calls EOPNOTSUPP: the kernel was booted without it (psi=0).
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENODEV' || codeOf(error) === 'ENOTSUP') return null;
    throw failure(`read ${path}`, 'read', path, error);
  }
}

/** Several files at once, in one call of the addon: `null` for those that {@link readGroupFile} would not find. */
export function readGroupFiles(paths: readonly string[]): (string | null)[] {
  return loadNative()
    .addon.readFiles(paths)
    .map((text, i) => {
      if (typeof text === 'string') return text;
      if (absent.has(-text)) return null;
      const path = paths[i] ?? '';
      throw nativeError(`read ${path}`, 'read', -text, path);
    });
}

const { ENOENT, ENODEV, EOPNOTSUPP } = constants.errno;
const absent = new Set([ENOENT, ENODEV, EOPNOTSUPP]);

let pageSizes: readonly string[] | undefined;

/** Sizes of huge pages, as the kernel writes them in names of files: '2MB', '1GB'. Empty where there are none. */
export function hugePageSizes(): readonly string[] {
  pageSizes ??= groupsIn('/sys/kernel/mm/hugepages').flatMap((name) => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    if (kilobytes === 0) return [];
    return kilobytes >= 1024 ** 2 ? `${kilobytes / 1024 ** 2}GB` : kilobytes >= 1024 ? `${kilobytes / 1024}MB` : `${kilobytes}KB`;
  });
  return pageSizes;
}

/** @throws SyscallError that says what was being done */
export function writeGroupFile(what: string, path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw failure(what, 'write', path, error);
  }
}

/** Does something with a group that may be removed meanwhile: when it is, nothing is done. */
export function ignoreGone(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENODEV') throw error;
  }
}

/** Names of the folders right below one, which are groups; none when it is gone. */
export function groupsIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENODEV') return [];
    throw failure(`list the groups in ${path}`, 'getdents', path, error);
  }
}

/** Processes of a group and of those below it, by their numbers; none where it is gone. */
export function processesBelow(folder: string): number[] {
  const own = (readGroupFile(join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
  return [...own, ...groupsIn(folder).flatMap((name) => processesBelow(join(folder, name)))];
}

/**
 * Calls `changed` when the kernel tells that a file, or what is in a folder, has changed (inotify(7)). `undefined` where it is gone.
 *
 * @throws SyscallError, ENOSPC when this user's watches are used up
 */
export function watchPath(
  path: string,
  options: { persistent: boolean },
  changed: (name: string | null) => void,
  failed: (error: Error) => void,
): FSWatcher | undefined {
  try {
    return watch(path, options, (_, name) => changed(name)).on('error', failed);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENODEV') return undefined;
    throw failure(`watch ${path}`, 'inotify_add_watch', path, error);
  }
}

/**
 * Waits until a key of cgroup.events has a value. The kernel tells of each change (inotify(7)), so nothing is polled. When the group is
 * gone, there is nothing to wait for. Rejects with the reason of `signal` when that is aborted.
 */
export function untilEvent(path: string, key: 'frozen' | 'populated', value: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let watcher: FSWatcher | undefined;
    const abort = (): void => end(() => reject(signal?.reason));
    const end = (settle: () => void): void => {
      signal?.removeEventListener('abort', abort);
      watcher?.close();
      settle();
    };
    signal?.addEventListener('abort', abort);
    const look = (): void => {
      try {
        const text = readGroupFile(path);
        if (text === null || parseKeyed(text).get(key) === value) end(resolve);
      } catch (error) {
        end(() => reject(error));
      }
    };
    try {
      watcher = watchPath(path, { persistent: true }, look, (error) => end(() => reject(error)));
    } catch (error) {
      return reject(error);
    }
    // The value may have changed before we watched.
    look();
  });
}

/** What node:fs throws, as the error of a system call that says what was being done. */
export function failure(what: string, syscall: string, path: string, error: unknown): Error {
  const errno = errnoOf(error);
  return errno === undefined ? toError(error) : nativeError(what, syscall, errno, path);
}
