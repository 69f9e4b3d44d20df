import { posix } from 'node:path';
import { invalidOption } from '../../errors.js';
import { EMPTY } from './host-hidden.js';
import type { HostProbe } from './host-probe.js';

/** A path to hide, resolved but for its last name. `empty`: the folder stays, without what is in it. */
export interface Target {
  readonly path: string;
  readonly empty: boolean;
}

function expand(pattern: string, probe: HostProbe): string[] {
  return pattern
    .split('/')
    .filter((name) => name !== '')
    .reduce<string[]>(
      (folders, name) => {
        if (!name.includes('*')) return folders.map((folder) => posix.join(folder, name));
        const matcher = new RegExp(
          `^${name
            .split('*')
            .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*')}$`,
          's',
        );
        return folders.flatMap((folder) =>
          probe
            .list(folder)
            .filter((entry) => matcher.test(entry))
            .map((entry) => posix.join(folder, entry)),
        );
      },
      ['/'],
    );
}

/** The targets of a pattern. A link is hidden, and so is what it points to; of a folder that stays, what it points to is emptied. */
export function resolveTargets(pattern: string, probe: HostProbe): Target[] {
  return expand(pattern, probe).flatMap((path): Target[] => {
    if (path === '/') throw invalidOption('hide', "'/' can't be hidden: it is the image");
    if (probe.entry(path) === null) return [];
    const real = probe.real(path);
    const folder = probe.real(posix.dirname(path));
    if (real === '/') throw invalidOption('hide', `${path} is a link to '/', which can't be hidden`);
    if (EMPTY.has(path) && real !== null) return [{ path: real, empty: true }];
    if (folder === null) return [];
    const named = posix.join(folder, posix.basename(path));
    return [...new Set(real === null ? [named] : [named, real])].map((hidden) => ({ path: hidden, empty: false }));
  });
}

/** The targets of a path that is always hidden. Where it is missing, its first missing name is hidden. */
export function resolveAlways(path: string, probe: HostProbe): Target[] {
  const found = resolveTargets(path, probe);
  if (found.length > 0) return found;
  let missing = path;
  let folder = probe.real(posix.dirname(missing));
  while (folder === null) {
    missing = posix.dirname(missing);
    folder = probe.real(posix.dirname(missing));
  }
  return [{ path: posix.join(folder, posix.basename(missing)), empty: false }];
}
