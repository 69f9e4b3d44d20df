import { posix } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isWithin, type MountInfo } from '../../../../lib/host/mountinfo.js';
import { EMPTY } from '../../../../lib/image/host/host-hidden.js';
import { hostRecipe } from '../../../../lib/image/host/host-layout.js';
import type { HostProbe } from '../../../../lib/image/host/host-probe.js';
import type { Mounter } from '../../../../lib/plan/mounter.js';
import type { CoverEntry, RootRecipe } from '../../../../lib/plan/recipe.js';
import { rounds } from '../../../fixtures/rounds.js';
import { probeOf } from '../machines.js';

// Any machine: its files as they are seen, and a history of mounts. The host's rules (what is visible, what is hidden) are told here once
// more, in the simplest way, and compared path by path with what the recipe shows.

const mounter: Mounter = { whole: false, userxattr: true, uid: () => null, gid: () => null };

/** Folders that the recipe treats in ways of their own, and others. */
const name = fc.constantFrom('etc', 'usr', 'boot', 'var', 'tmp', 'a', 'b', 'c');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join('/')}`);
const kind = fc.constantFrom('/', '/', '/', '', ' = 2000000', ' -> /a', ' socket', '/ closed');
const type = fc.constantFrom('ext4', 'ext4', 'ext4', 'squashfs', 'vfat', 'tmpfs', 'proc');

interface Machine {
  /** As `probeOf` takes them. */
  readonly files: readonly string[];
  readonly paths: readonly string[];
  readonly mounts: readonly MountInfo[];
  readonly visible: readonly MountInfo[];
  readonly hide: readonly string[];
}

const machine = fc
  .record({
    entries: fc.array(fc.tuple(path, kind), { maxLength: 25 }),
    mounted: fc.array(fc.tuple(fc.nat(), type), { maxLength: 6 }),
    hidden: fc.array(fc.nat(), { maxLength: 4 }),
  })
  .map(({ entries, mounted, hidden }): Machine => {
    const files = new Map<string, string>();
    for (const [at, what] of entries) {
      // nothing lies in what is no folder
      if ([...files].some(([other, its]) => isWithin(at, other) && !its.startsWith('/'))) continue;
      if (!what.startsWith('/') && [...files.keys()].some((other) => isWithin(other, at))) continue;
      files.set(at, what);
    }
    const texts = [...files].map(([at, what]) => at + what);
    const probe = probeOf(...texts);
    const paths = treeOf(probe, '/');
    const places = paths.filter((at) => probe.entry(at)?.kind !== 'link');
    const { mounts, visible } = mountAll(places.length === 0 ? [] : mounted.map(([at, its]) => [places[at % places.length] ?? '/', its]));
    return { files: texts, paths, mounts, visible, hide: paths.length === 0 ? [] : hidden.map((at) => paths[at % paths.length] ?? '/') };
  });

function treeOf(probe: HostProbe, folder: string): string[] {
  return probe.list(folder).flatMap((each) => {
    const at = posix.join(folder, each);
    return [at, ...(probe.entry(at)?.kind === 'folder' && probe.maySearch(at) ? treeOf(probe, at) : [])];
  });
}

/** The kernel's rule: a path is walked from the root, and at each folder the mount that lies there is entered, as deep as they are stacked. */
function mountAll(wanted: readonly (readonly [string, string])[]): { mounts: MountInfo[]; visible: MountInfo[] } {
  const root: MountInfo = { id: 1, parent: 0, device: '8:1', root: '/', mountPoint: '/', options: [], type: 'ext4', source: '' };
  const mounts = [root];
  const walk = (to: string): MountInfo => {
    let on = root;
    for (const at of ['/', ...to.split('/').flatMap((_, index, all) => (index === 0 ? [] : [all.slice(0, index + 1).join('/')]))]) {
      for (let next: MountInfo | undefined = on; next; ) {
        on = next;
        next = mounts.find(({ parent, mountPoint }) => parent === on.id && mountPoint === at);
      }
    }
    return on;
  };
  for (const [mountPoint, its] of wanted) {
    const id = mounts.length + 1;
    mounts.push({ ...root, id, parent: walk(mountPoint).id, device: `8:${id}`, mountPoint, type: its });
  }
  return { mounts, visible: mounts.filter((mount) => walk(mount.mountPoint) === mount) };
}

type Seen = 'no' | 'yes' | 'emptied' | 'either';

/** Whether a path of the machine is to be seen. */
function expected(at: string, { visible, hide }: Machine, probe: HostProbe): Seen {
  const above = (other: string): boolean => isWithin(at, other);
  const stays = (hidden: string): boolean => EMPTY.has(hidden) && probe.real(hidden) !== null;
  const emptied = hide.filter(stays).map((hidden) => probe.real(hidden));
  const gone = hide.filter((hidden) => !stays(hidden)).flatMap((hidden) => [hidden, probe.real(hidden) ?? hidden]);
  if (gone.some(above)) return 'no';
  const around = visible.filter(({ mountPoint }) => mountPoint !== '/' && above(mountPoint));
  // what can't be an overlay, with all that is mounted there, is hidden as a whole when something in it is to be hidden
  const bound = around.filter(
    (mount) => mount.type === 'vfat' || mount.type === 'squashfs' || probe.entry(mount.mountPoint)?.kind === 'file',
  );
  if (bound.some(({ mountPoint }) => hide.some((hidden) => isWithin(hidden, mountPoint)))) return 'either';
  const covered = around.filter(
    (mount) => mount.type === 'tmpfs' || mount.type === 'proc' || probe.entry(mount.mountPoint)?.kind === 'other',
  );
  const empty = [...emptied, ...covered.map(({ mountPoint }) => mountPoint)].filter((folder) => folder !== null && above(folder));
  if (empty.length > 0) return empty.every((folder) => folder === at) && probe.entry(at)?.kind === 'folder' ? 'emptied' : 'no';
  return probe.entry(at)?.kind === 'other' ? 'either' : 'yes';
}

/** What a recipe has at a path, and how often. */
function shown(at: string, recipe: RootRecipe): string[] {
  const mounted = [
    ...recipe.binds.filter(({ target }) => isWithin(at, target)).map(({ source, target }) => ({ source, target, cover: [] })),
    ...recipe.mounts
      .slice(1)
      .flatMap(({ target, lower, cover }) => (isWithin(at, target) ? [{ source: lower.join(), target, cover }] : [])),
  ];
  if (mounted.length > 0) return mounted.flatMap(({ source, target, cover }) => shownIn(at, { source, target, cover }));
  return (recipe.mounts[0]?.cover ?? []).filter((entry) => `/${entry.path}` === at).map(() => at);
}

function shownIn(at: string, { source, target, cover }: { source: string; target: string; cover: readonly CoverEntry[] }): string[] {
  const inside = posix.relative(target, at);
  const isGone = cover.some(
    (entry) =>
      (entry.kind === 'whiteout' && isWithin(`/${inside}`, `/${entry.path}`)) ||
      (entry.kind === 'folder' && entry.opaque && entry.path !== inside && isWithin(`/${inside}`, `/${entry.path}`)),
  );
  return isGone ? [] : [posix.join(source, inside)];
}

it('shows what is visible and not hidden, each path once and from where it is, whatever is mounted', () => {
  fc.assert(
    fc.property(machine, (host) => {
      const { files, mounts, hide, paths } = host;
      const probe = probeOf(...files);
      const recipe = hostRecipe({ mounts, hide, hideAlways: [], probe, mounter });
      for (const at of paths) {
        const found = shown(at, recipe);
        const seen = expected(at, host, probe);
        if (seen === 'no') expect([at, found]).toEqual([at, []]);
        if (seen === 'yes' || seen === 'emptied') expect([at, found]).toEqual([at, [at]]);
      }
    }),
    { numRuns: rounds(3000, 20_000) },
  );
});

it('has no part that the kernel refuses, and every place to mount on, parents first', () => {
  fc.assert(
    fc.property(machine, (host) => {
      const { files, mounts, hide, visible } = host;
      const probe = probeOf(...files);
      const recipe = hostRecipe({ mounts, hide, hideAlways: [], probe, mounter });
      const [root, ...parts] = recipe.mounts;
      expect(root).toMatchObject({ target: '/', lower: [] });
      const alone = [
        ...parts.flatMap(({ lower }) => lower),
        ...recipe.binds.flatMap(({ source, recursive }) => (recursive ? [] : [source])),
      ];
      for (const source of alone) {
        expect(mounts.filter(({ mountPoint }) => mountPoint !== source && isWithin(mountPoint, source))).toEqual([]);
      }
      for (const { source } of recipe.binds.filter(({ recursive }) => recursive)) {
        const below = visible.filter(({ mountPoint }) => isWithin(mountPoint, source));
        expect(below.filter((mount) => mount.type === 'tmpfs' || mount.type === 'proc')).toEqual([]);
        expect(hide.filter((hidden) => isWithin(hidden, source))).toEqual([]);
      }
      const targets = [...parts, ...recipe.binds].map(({ target }) => target);
      const cover = root?.cover ?? [];
      for (const target of targets) {
        expect(targets.filter((other) => isWithin(other, target))).toEqual([target]);
        expect(cover.some((entry) => `/${entry.path}` === target && (entry.kind === 'folder' || entry.kind === 'file'))).toBe(true);
      }
      for (const { cover: entries } of recipe.mounts) {
        const made = entries.map((entry) => entry.path);
        expect(new Set(made).size).toBe(made.length);
        made.forEach((each, index) => {
          const parent = posix.dirname(each);
          if (parent !== '.') expect(made.slice(0, index)).toContain(parent);
        });
      }
    }),
    { numRuns: rounds(3000, 20_000) },
  );
});
