import { constants } from 'node:fs';
import { O_RDONLY, S_IFCHR } from './constants.js';
import { ANYWHERE, NONE, type Slots } from './plan.js';
import type { CoverEntry, OverlayRecipe } from './recipe.js';
import type { Slot, Step } from './steps.js';

/** The covering layers of a mount. */
export interface Cover {
  /** The topmost first. */
  readonly layers: readonly Slot[];
  /** Steps that read nothing of the host. */
  readonly make: readonly Step[];
  /** Steps that open what is copied: to be run while the host's paths can be seen. */
  readonly open: readonly Step[];
  /** Steps that copy what was opened into the layers, which must come before the overlay. */
  readonly copy: readonly Step[];
}

/** Where covering layers are made: nothing in `tmpfs` begins with `name` yet. */
export interface CoverPlace {
  readonly tmpfs: Slot;
  readonly name: string;
  readonly slots: Slots;
  readonly userxattr: boolean;
}

/**
 * The steps that make a mount's covering layers. They need neither CAP_MKNOD, for a whiteout is no device (Linux 5.8), nor, where
 * `userxattr` is set, any attribute: that of a tmpfs takes user.* only since Linux 6.6.
 */
export function planCover(mount: OverlayRecipe, place: CoverPlace): Cover {
  const { tmpfs: root, name, slots, userxattr } = place;
  const out = slots.take();
  const beneath = userxattr ? hiddenBeneath(mount.cover) : [];
  const layers = [out, ...(beneath.length === 0 ? [] : [slots.take()])];
  const make: Step[] = [folderStep(out, root, name, mount.root), ...mount.cover.flatMap((entry) => entrySteps(entry, place))];
  const [, below] = layers;
  if (below !== undefined) {
    const lower = { ...place, name: `${name}-beneath` };
    make.push(folderStep(below, root, lower.name, mount.root), ...beneath.flatMap((entry) => entrySteps(entry, lower)));
  }
  const [open, copy]: [Step[], Step[]] = [[], []];
  for (const entry of mount.cover) {
    if (entry.kind !== 'file' || entry.source === null) continue;
    const { path, source: from, mode, uid, gid } = entry;
    const source = slots.take();
    // the file may be something else by now, which must not be waited for
    const flags = O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    open.push({ op: 'open', out: source, at: NONE, path: from, flags, mode: 0 });
    copy.push({ op: 'copy_in', source, root: out, path, mode, uid, gid, ...ANYWHERE }, { op: 'close', slot: source });
  }
  return { layers, make, open, copy };
}

/**
 * A second layer below the first, for folders that are to be empty: a whiteout at each. The folder above it is merged with nothing further
 * down then, as if it were opaque.
 */
function hiddenBeneath(cover: readonly CoverEntry[]): CoverEntry[] {
  const opaque = cover.flatMap((entry) => (entry.kind === 'folder' && entry.opaque ? [entry.path] : []));
  return cover.flatMap((entry): CoverEntry[] => {
    if (entry.kind !== 'folder') return [];
    if (entry.opaque) return [{ kind: 'whiteout', path: entry.path }];
    return opaque.some((path) => path.startsWith(`${entry.path}/`)) ? [entry] : [];
  });
}

function entrySteps(entry: CoverEntry, { tmpfs: root, name, userxattr }: CoverPlace): Step[] {
  const path = `${name}/${entry.path}`;
  switch (entry.kind) {
    case 'whiteout':
      return [{ op: 'mknod', root, path, mode: S_IFCHR, major: 0, minor: 0, uid: 0, gid: 0 }];
    case 'link':
      return [{ op: 'symlink', root, path, target: entry.target }];
    case 'file': {
      if (entry.source !== null) return [];
      const { mode, uid, gid } = entry;
      return [{ op: 'write_file', root, path, bytes: new Uint8Array(), mode, uid, gid, ...ANYWHERE }];
    }
    case 'folder': {
      const made = folderStep(NONE, root, path, entry);
      if (!entry.opaque || userxattr) return [made];
      return [made, { op: 'set_xattr', root, path, name: 'trusted.overlay.opaque', value: Buffer.from('y') }];
    }
  }
}

function folderStep(out: Slot, root: Slot, path: string, { mode, uid, gid }: OverlayRecipe['root']): Step {
  return { op: 'mkdir', out, root, path, mode, uid, gid };
}
