import { posix } from 'node:path';
import { isWithin, type MountInfo } from '../../host/mountinfo.js';
import type { HostChange } from './host-changes.js';
import { KERNEL_TYPES } from './host-hidden.js';
import type { HostProbe } from './host-probe.js';
import { mountOf } from './host-survey.js';

/**
 * File systems whose changes this kernel makes all itself, by files, so that it tells of each. What others change over a network it doesn't hear
 * of, and `zfs rollback` changes files without a word.
 */
const LOCAL_TYPES: ReadonlySet<string> = new Set(
  'bcachefs btrfs erofs ext2 ext3 ext4 f2fs overlay ramfs rootfs squashfs tmpfs xfs'.split(' '),
);

/** As the kernel follows before ELOOP: path_resolution(7). */
const MOST_LINKS = 40;

/** In place of a name, which no file can have: whatever changes in the folder. */
const ALL = '/';

interface Seen {
  readonly isFolder: boolean;
  /** Of a link. */
  readonly target: string | null;
}

/**
 * Watches all that the answers of a probe depend on: each name on the way to each path, and all names in folders that were listed. What is
 * looked at is watched before, so that no change falls between.
 */
export class WatchedHost {
  readonly #add: (folder: string) => number;
  readonly #probe: HostProbe;
  readonly #mounts: readonly MountInfo[];
  /** By paths whose folders have no links: what is there. */
  readonly #seen = new Map<string, Seen>();
  /** By the path of a folder without links: its number; `null` where nothing in it can be looked at. */
  readonly #numbers = new Map<string, number | null>();
  readonly #names = new Map<number, Set<string>>();
  #hears = true;

  /**
   * @param of.add watches a folder: its number, or < 0
   * @param of.mounts those that can be seen, parents first; whoever asks hears of their changes elsewhere
   */
  constructor(of: { readonly add: (folder: string) => number; readonly probe: HostProbe; readonly mounts: readonly MountInfo[] }) {
    this.#add = of.add;
    this.#probe = of.probe;
    this.#mounts = of.mounts;
  }

  /** Whether each change of what was looked at is told; known when all has been looked at. */
  get hearsAll(): boolean {
    return this.#hears;
  }

  /** Whether a change may be one of what was looked at. */
  concerns({ folder, name }: HostChange): boolean {
    const names = this.#names.get(folder);
    return folder < 0 || (names !== undefined && (name === '' || names.has(name) || names.has(ALL)));
  }

  /** The probe, with its answers watched. */
  readonly probe: HostProbe = {
    entry: (path) => this.#watched(path).entry(path),
    real: (path) => this.#watched(path).real(path),
    link: (path) => this.#watched(path).link(path),
    mayRead: (path) => this.#watched(path).mayRead(path),
    maySearch: (path) => this.#watched(path).maySearch(path),
    list: (path) => this.#watched(path, ALL).list(path),
    isEmpty: (path) => this.#watched(path, ALL).isEmpty(path),
  };

  #watched(path: string, names?: typeof ALL): HostProbe {
    if (!this.#hears) return this.#probe;
    const folder = this.#watchWay(path);
    if (folder !== null && names === ALL) this.#watchFolder(folder, ALL);
    return this.#probe;
  }

  /** Watches each name on the way to a path, also behind links. Gives the folder there, without links; `null` where none is. */
  #watchWay(path: string): string | null {
    const rest = namesOf(path);
    let [folder, links] = ['/', 0];
    for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
      const at = posix.join(folder, name);
      const { isFolder, target } = name === '..' ? { isFolder: true, target: null } : this.#see(folder, at);
      if (target !== null) {
        if (++links > MOST_LINKS) return null;
        rest.unshift(...namesOf(target));
        if (target.startsWith('/')) folder = '/';
      } else if (isFolder) {
        folder = at;
      } else {
        return null;
      }
    }
    return folder;
  }

  #see(folder: string, path: string): Seen {
    const known = this.#seen.get(path);
    if (known) return known;
    const entry = this.#watchName(folder, path) ? this.#probe.entry(path) : null;
    const isFolder = entry?.kind === 'folder';
    // the folder above tells of what is below the mount, not of the mount's root
    if (isFolder && this.#isMount(path) && !KERNEL_TYPES.has(this.#typeAt(path))) this.#watchFolder(path);
    const seen = { isFolder, target: entry?.kind === 'link' ? this.#probe.link(path) : null };
    this.#seen.set(path, seen);
    return seen;
  }

  /** Whether what is there can be looked at. */
  #watchName(folder: string, path: string): boolean {
    // the kernel tells nothing of what it changes in these itself; a mount keeps the names on the way to it there
    if (KERNEL_TYPES.has(this.#typeAt(folder)) && this.#mounts.some(({ mountPoint }) => isWithin(mountPoint, path))) return true;
    return this.#watchFolder(folder, posix.basename(path));
  }

  /** Watches a folder itself and a name in it, or all. Whether what is in it can be looked at. */
  #watchFolder(folder: string, name?: string): boolean {
    const number = this.#numberOf(folder);
    if (number === null) return false;
    const names = this.#names.get(number) ?? new Set<string>();
    if (name !== undefined) names.add(name);
    this.#names.set(number, names);
    return true;
  }

  #numberOf(folder: string): number | null {
    const known = this.#numbers.get(folder);
    if (known !== undefined) return known;
    const added = LOCAL_TYPES.has(this.#typeAt(folder)) ? this.#add(folder) : -1;
    // who may not search a folder learns nothing of what is in it, and a change of its mode is one of its name
    if (added < 0 && this.#probe.maySearch(folder)) this.#hears = false;
    const number = added < 0 ? null : added;
    this.#numbers.set(folder, number);
    return number;
  }

  #isMount(path: string): boolean {
    return this.#mounts.some(({ mountPoint }) => mountPoint === path);
  }

  #typeAt(folder: string): string {
    return mountOf(folder, this.#mounts)?.type ?? '';
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
