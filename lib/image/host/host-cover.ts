import { posix } from 'node:path';
import type { MountInfo } from '../../host/mountinfo.js';
import { type Mounter, ownershipOf } from '../../plan/mounter.js';
import { type CoverEntry, MOUNT_ATTR, type OverlayRecipe } from '../../plan/recipe.js';
import type { HostEntry, HostProbe } from './host-probe.js';
import type { Target } from './host-targets.js';

/** What the making of a layer needs to know. */
export interface CoverContext {
  readonly probe: HostProbe;
  readonly mounter: Mounter;
}

/** The attributes of the mount inside. What the host's mount forbids stays forbidden, but a read-only one is copy-on-write all the same. */
export function attributesOf({ options }: MountInfo): number {
  return MOUNT_ATTR.NODEV | (options.includes('nosuid') ? MOUNT_ATTR.NOSUID : 0) | (options.includes('noexec') ? MOUNT_ATTR.NOEXEC : 0);
}

/** A folder of the host, copy-on-write. `mount`: the one that it lies in. */
export function overlayOf(path: string, mount: MountInfo, hidden: readonly Target[], context: CoverContext): OverlayRecipe {
  const entry = context.probe.entry(path) ?? { mode: 0o755, uid: 0, gid: 0 };
  return {
    target: path,
    lower: [path],
    attributes: attributesOf(mount),
    root: ownershipOf(entry, context.mounter),
    cover: coverOf(path, hidden, context),
  };
}

/** The entries of the covering layer. Folders on the way keep their mode and owner, as a layer's folder hides those of the layers below. */
function coverOf(top: string, hidden: readonly Target[], { probe, mounter }: CoverContext): CoverEntry[] {
  const entries = new Map<string, CoverEntry>();
  const isCovered = (path: string): boolean => {
    const entry = entries.get(path);
    return entry !== undefined && (entry.kind !== 'folder' || entry.opaque);
  };
  // Shorter paths first: what lies in a hidden folder needs no entry of its own. Of two wishes for one path, emptying loses.
  const ordered = [...hidden].sort((a, b) => a.path.length - b.path.length || Number(a.empty) - Number(b.empty));
  for (const { path, empty } of ordered) {
    const relative = posix.relative(top, path);
    const parents = parentsOf(relative);
    if ([...parents, relative].some(isCovered)) continue;
    const folders = parents.map((parent) => ({ parent, entry: probe.entry(posix.join(top, parent)) }));
    if (folders.some(({ entry }) => entry?.kind !== 'folder')) continue;
    for (const { parent, entry } of folders) if (entry) entries.set(parent, folderEntry(parent, entry, { opaque: false, mounter }));
    const entry = empty ? probe.entry(path) : null;
    entries.set(
      relative,
      entry?.kind === 'folder' ? folderEntry(relative, entry, { opaque: true, mounter }) : { kind: 'whiteout', path: relative },
    );
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function folderEntry(path: string, entry: HostEntry, { opaque, mounter }: { opaque: boolean; mounter: Mounter }): CoverEntry {
  return { kind: 'folder', path, opaque, ...ownershipOf(entry, mounter) };
}

function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}
