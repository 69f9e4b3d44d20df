import { join } from 'node:path/posix';
import { usageError } from '../config/runtime-error.js';
import type { GroupFolder } from './bundle-groups.js';

/** `--cgroup` of `exec`: groups below the container's own, by controller; '' is the one of all hierarchies. */
export type SubGroups = ReadonlyMap<string, string>;

/** Reads what `--cgroup` says, [CONTROLLER[,CONTROLLER]:]PATH, as runc does. Pure. @throws NacelleError `ERR_INVALID_OPTION` */
export function subGroupsOf(given: readonly string[]): SubGroups {
  const found = new Map<string, string>();
  for (const text of given) {
    const colon = text.indexOf(':');
    const names = colon < 0 ? [''] : text.slice(0, colon).split(',');
    for (const name of names) {
      if (colon >= 0 && name === '') throw usageError(`invalid --cgroup argument: ${text} (empty controller)`);
      if (found.has(name)) throw usageError(`invalid --cgroup argument: ${text} (duplicate controller)`);
      found.set(name, text.slice(colon + 1));
    }
  }
  if (found.has('') && found.size > 1)
    throw usageError(`invalid --cgroup argument: ${found.get('')} (a group of all controllers can not go with others)`);
  return found;
}

/**
 * The groups that a program of `exec` joins: those of the container, or groups below these, which have to be there. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a path that leads out of the container's group, and for a controller that it does not have
 */
export function joinedGroups<G extends Pick<GroupFolder, 'path' | 'version' | 'controllers'>>(groups: readonly G[], below: SubGroups): G[] {
  for (const [name, path] of below) {
    if (path.split('/').includes('..'))
      throw usageError(`invalid --cgroup argument: bad sub cgroup path: ${path} is not a sub cgroup path`);
    if (name !== '' && !groups.some((group) => isOf(group, name))) throw usageError(`unknown controller ${name} in --cgroup`);
  }
  return groups.map((group) => {
    const [, path] = [...below].find(([name]) => name === '' || isOf(group, name)) ?? [];
    return path === undefined ? group : { ...group, path: join(group.path, path) };
  });
}

/** Controllers that share a hierarchy share its groups. */
function isOf({ version, controllers }: Pick<GroupFolder, 'version' | 'controllers'>, name: string): boolean {
  return version === 1 && controllers.includes(name);
}
