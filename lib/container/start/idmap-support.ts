import { statSync } from 'node:fs';
import { hasCode, UnsupportedError } from '../../errors.js';
import { fileSystemOf } from '../../host/locate.js';
import { carryOut } from '../../native/host-work.js';
import { attempt } from '../../native/system-errors.js';
import { NONE, planOf, Slots } from '../../plan/plan.js';
import type { RootRecipe } from '../../plan/recipe.js';
import type { RootSource } from '../plan/plan-input.js';
import type { MountSources } from './mount-sources.js';

/** File systems that were seen to map owners, by device number. */
const known = new Set<number>();

/** What of the host must show other owners inside. */
export function mappedPaths(root: RootSource, { mounts, images }: Pick<MountSources, 'mounts' | 'images'>): string[] {
  const recipes = [...(root.type === 'recipe' ? [root.recipe] : []), ...images.values()];
  return [
    ...(root.type === 'folder' ? [root.path] : []),
    ...recipes.flatMap(pathsOf),
    ...mounts.flatMap(({ volume, source }) => (volume === undefined || source === null ? [] : [source])),
  ];
}

function pathsOf({ mounts, binds }: RootRecipe): string[] {
  return [...mounts.flatMap(({ lower }) => lower), ...binds.map(({ source }) => source)];
}

/**
 * Refuses paths on file systems whose owners can't be mapped, before anything is made of them. Each file system is tried once, by a process
 * of its own: a server that hangs must not hold up the shim.
 *
 * @param users a user namespace
 * @throws UnsupportedError naming the path and its file system; SyscallError
 */
export async function requireIdmap(paths: readonly string[], users: number): Promise<void> {
  for (const path of paths) {
    const { dev } = attempt(`look at ${path}`, () => statSync(path));
    if (known.has(dev)) continue;
    await tryIdmap(path, users);
    known.add(dev);
  }
}

async function tryIdmap(path: string, fd: number): Promise<void> {
  const slots = new Slots();
  const [users, mount] = [slots.give(fd), slots.take()];
  const stage = {
    flags: 0,
    steps: [
      { op: 'clone_mount', out: mount, at: NONE, path, recursive: 0 } as const,
      { op: 'idmap', mount, users, path, recursive: 0 } as const,
      { op: 'park' } as const,
    ],
  };
  try {
    await carryOut(planOf({ stages: [stage] }), slots.descriptors);
  } catch (error) {
    if (!hasCode(error, 'EINVAL', 'EPERM') || Reflect.get(Object(error), 'step') !== 'idmap') throw error;
    throw new UnsupportedError(
      'userns',
      `${path} lies on ${fileSystemOf(path) ?? 'a file system'}, whose owners can't be mapped`,
      'Put the store (NACELLE_ROOT) or the folder on ext4, xfs, btrfs or, since Linux 6.3, a tmpfs.',
      { cause: error },
    );
  }
}
