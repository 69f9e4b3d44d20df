import { posix } from 'node:path';
import { isWithin, type MountInfo } from '../../host/mountinfo.js';
import { ownershipOf } from '../../plan/mounter.js';
import { type BindRecipe, type CoverEntry, MOUNT_ATTR, type OverlayRecipe, type RootRecipe } from '../../plan/recipe.js';
import { attributesOf, type CoverContext, overlayOf } from './host-cover.js';
import { CHANGED, OWN_FILES, STATIC } from './host-hidden.js';
import type { HostEntry } from './host-probe.js';
import { mountOf, type Survey } from './host-survey.js';
import type { Target } from './host-targets.js';

/** What the making of parts needs to know. `mounts`: all of the machine's, seen or not, for each of them locks the folders above it. */
export interface PartsContext extends CoverContext {
  readonly mounts: readonly MountInfo[];
}

/**
 * The view of a machine for who can't show a mount without those below it. A folder with mounts below, such as '/', is *split*: it is made
 * anew in the layer that covers the root, with copies of its links and small files, and each folder in it is a part with a mount of its own,
 * or split in turn. Devices, sockets and named pipes in a split folder are left out: in an overlay none of them works either.
 */
export function partsOf(survey: Survey, context: PartsContext): RootRecipe {
  const { probe, mounter } = context;
  const parts = new Parts(survey, context);
  parts.fill('/');
  const root: OverlayRecipe = {
    target: '/',
    lower: [],
    copied: ['/'],
    attributes: attributesOf(survey.root),
    root: ownershipOf(probe.entry('/') ?? { mode: 0o755, uid: 0, gid: 0 }, mounter),
    cover: parts.cover,
  };
  return { mounts: [root, ...parts.overlays], binds: parts.binds, userxattr: mounter.userxattr };
}

/** The bytes of the largest file that is copied rather than bound. */
const COPIED = 1024 * 1024;

class Parts {
  readonly cover: CoverEntry[] = [];
  readonly overlays: OverlayRecipe[] = [];
  readonly binds: BindRecipe[] = [];
  readonly #survey: Survey;
  readonly #context: PartsContext;
  readonly #hidden: readonly Target[];
  /** By path: whether what is hidden there stays as an empty folder. */
  readonly #emptied = new Map<string, boolean>();
  readonly #split: ReadonlySet<string>;

  constructor(survey: Survey, context: PartsContext) {
    this.#survey = survey;
    this.#context = context;
    this.#hidden = [...survey.hiddenIn.values()].flat();
    // of two wishes for one path, emptying loses
    for (const { path, empty } of this.#hidden) this.#emptied.set(path, empty && (this.#emptied.get(path) ?? true));
    this.#split = new Set(context.mounts.flatMap(({ mountPoint }) => foldersAbove(mountPoint)));
  }

  /** Makes what is in a split folder. */
  fill(folder: string): void {
    const { probe, mounter } = this.#context;
    for (const name of [...probe.list(folder)].sort()) {
      const path = posix.join(folder, name);
      const entry = probe.entry(path);
      const emptied = this.#emptied.get(path);
      if (entry === null || emptied === false || (emptied && entry.kind !== 'folder')) continue;
      if (entry.kind === 'folder') {
        this.cover.push({ kind: 'folder', path: relative(path), opaque: false, ...ownershipOf(entry, mounter) });
        if (emptied === undefined) this.#addFolder(path, entry);
      } else if (entry.kind === 'file') {
        this.#addFile(path, entry);
      } else if (entry.kind === 'link') {
        const target = probe.link(path);
        if (target !== null) this.cover.push({ kind: 'link', path: relative(path), target });
      }
    }
  }

  /** Adds what is seen in a folder that has been made: a mount, unless nothing is to be had there. */
  #addFolder(path: string, entry: HostEntry): void {
    const { probe } = this.#context;
    if (!probe.maySearch(path)) return;
    const isSplit = this.#split.has(path);
    const hidden = this.#hidden.filter((target) => target.path !== path && isWithin(target.path, path));
    if (hidden.length === 0 && this.#isOnlyRead(path)) this.#bind(path, { kind: 'folder', recursive: isSplit, sealed: false });
    else if (isSplit) this.fill(path);
    else if (probe.isEmpty(path)) return;
    else if (hidden.length === 0 && !this.#mayChange(path, entry)) this.#bind(path, { kind: 'folder', recursive: false, sealed: true });
    else this.overlays.push(overlayOf(path, this.#mountAt(path), hidden, this.#context));
  }

  /**
   * Whether a program of the user's may have something to change there, below the folder too. Beside a mount in /var there are dozens of folders,
   * of services alone, and an upper costs as much again as an overlay without one.
   */
  #mayChange(path: string, { mode, uid, gid }: HostEntry): boolean {
    const { mounter } = this.#context;
    if (!path.startsWith('/var/') || (mode & 0o002) !== 0) return true;
    return mounter.uid(uid) !== null || ((mode & 0o020) !== 0 && mounter.gid(gid) !== null);
  }

  #isOnlyRead(path: string): boolean {
    if (this.#survey.binds.some(({ target }) => isWithin(path, target))) return true;
    return !CHANGED.has(path) && STATIC.some((folder) => isWithin(path, folder));
  }

  #addFile(path: string, entry: HostEntry): void {
    const isMount = this.#survey.mounts.some(({ mountPoint }) => mountPoint === path);
    if (isMount && OWN_FILES.has(path)) return;
    const { probe, mounter } = this.#context;
    const { mode, uid, gid } = ownershipOf(entry, mounter);
    // a copy may belong to another than the original does, and its program would run with the rights of that one
    const made = { kind: 'file', path: relative(path), mode: mode & 0o777, uid, gid } as const;
    if (isMount || entry.size > COPIED || !probe.mayRead(path)) {
      this.cover.push({ ...made, source: null, size: 0 });
      this.#bind(path, { kind: 'file', recursive: false, sealed: false });
    } else {
      this.cover.push({ ...made, source: path, size: entry.size });
    }
  }

  #bind(path: string, how: Pick<BindRecipe, 'kind' | 'recursive' | 'sealed'>): void {
    const attributes = attributesOf(this.#mountAt(path)) | MOUNT_ATTR.RDONLY;
    this.binds.push({ source: path, target: path, attributes, ...how });
  }

  #mountAt(path: string): MountInfo {
    return mountOf(path, this.#survey.mounts) ?? this.#survey.root;
  }
}

/** As a layer has it. */
function relative(path: string): string {
  return path.slice(1);
}

function foldersAbove(path: string): string[] {
  return path === '/' ? [] : [posix.dirname(path), ...foldersAbove(posix.dirname(path))];
}
