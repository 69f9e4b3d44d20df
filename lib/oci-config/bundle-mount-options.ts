import { PROPAGATION } from '../plan/constants.js';
import { MOUNT_ATTR } from '../plan/recipe.js';

/** MOUNT_ATTR_* of mount_setattr(2) that containers of this library's own options do not need. */
const MORE_ATTR = { NOATIME: 0x10, STRICTATIME: 0x20, NODIRATIME: 0x80, NOSYMFOLLOW: 0x20_0000 } as const;
/** The bits of which one says how access times are kept; relatime has none. */
const ATIME = 0x70;

/** What the options of a mount say, as runc and mount(8) read them. */
export interface MountOptions {
  /** MOUNT_ATTR_* to set, and to clear, of the mount itself. */
  readonly set: number;
  readonly clear: number;
  /** The same for the mount and all below it. */
  readonly setBelow: number;
  readonly clearBelow: number;
  /** MS_* for propagation, in their order; `recursive`: also of the mounts below. */
  readonly propagation: readonly { readonly flag: number; readonly recursive: boolean }[];
  readonly bind: 'no' | 'bind' | 'rbind';
  readonly remount: boolean;
  /** The new tmpfs gets what is in the root at its place. */
  readonly copyUp: boolean;
  /** What the kernel takes for any file system: 'sync', 'dirsync' and so on. */
  readonly superblock: readonly string[];
  /** What is left is the file system's own: 'mode=755'. */
  readonly data: readonly string[];
  /** Owners are shown as other ids; 'ridmap': also those of the mounts below. */
  readonly idmap: 'no' | 'idmap' | 'ridmap';
}

/** Options that set one attribute and clear another; the recursive ones have an 'r' before their name. */
const attributes: Readonly<Record<string, { readonly set: number; readonly clear: number }>> = {
  ro: { set: MOUNT_ATTR.RDONLY, clear: 0 },
  rw: { set: 0, clear: MOUNT_ATTR.RDONLY },
  nosuid: { set: MOUNT_ATTR.NOSUID, clear: 0 },
  suid: { set: 0, clear: MOUNT_ATTR.NOSUID },
  nodev: { set: MOUNT_ATTR.NODEV, clear: 0 },
  dev: { set: 0, clear: MOUNT_ATTR.NODEV },
  noexec: { set: MOUNT_ATTR.NOEXEC, clear: 0 },
  exec: { set: 0, clear: MOUNT_ATTR.NOEXEC },
  nodiratime: { set: MORE_ATTR.NODIRATIME, clear: 0 },
  diratime: { set: 0, clear: MORE_ATTR.NODIRATIME },
  nosymfollow: { set: MORE_ATTR.NOSYMFOLLOW, clear: 0 },
  symfollow: { set: 0, clear: MORE_ATTR.NOSYMFOLLOW },
  // of the ways to keep access times one takes the place of another; without any they are kept relatively
  relatime: { set: 0, clear: ATIME },
  norelatime: { set: 0, clear: 0 },
  noatime: { set: MORE_ATTR.NOATIME, clear: ATIME },
  atime: { set: 0, clear: ATIME },
  strictatime: { set: MORE_ATTR.STRICTATIME, clear: ATIME },
  nostrictatime: { set: 0, clear: ATIME },
};

const superblock: Readonly<Record<string, string>> = {
  sync: 'sync',
  async: 'async',
  dirsync: 'dirsync',
  lazytime: 'lazytime',
  nolazytime: 'nolazytime',
  mand: 'mand',
  nomand: 'nomand',
  acl: 'acl',
  noacl: 'noacl',
  iversion: 'iversion',
  noiversion: 'noiversion',
};

/** Those that change nothing: the kernel's default, and what only silences its log. */
const idle = new Set(['defaults', 'loud', 'silent']);

/** fsconfig(2) has no flags for POSIX ACLs and change counters: whether there are any is the file systems' own affair. */
export const unapplied: ReadonlySet<string> = new Set(['acl', 'noacl', 'iversion', 'noiversion']);

const propagations = ['private', 'shared', 'slave', 'unbindable'] as const;

/** Every name that {@link parseMountOptions} knows, sorted; others go to the file system as they are. */
export const mountOptionNames: readonly string[] = [
  ...Object.keys(attributes),
  ...Object.keys(attributes).map((name) => `r${name}`),
  ...Object.keys(superblock),
  ...idle,
  ...propagations.flatMap((name) => [name, `r${name}`]),
  ...['bind', 'rbind', 'remount', 'tmpcopyup', 'idmap', 'ridmap'],
].sort();

/** What `features` tells of: the options that are applied. */
export const appliedMountOptions: readonly string[] = mountOptionNames.filter((name) => !unapplied.has(name));

/** Reads the options of a mount. A later option counts more than an earlier one. Pure. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const known = read.get(options);
  if (known !== undefined) return known;
  const parsed = readOptions(options);
  read.set(options, parsed);
  return parsed;
}

/** Each mount's options are asked for by all that look at it. */
const read = new WeakMap<readonly string[], MountOptions>();

function readOptions(options: readonly string[]): MountOptions {
  const found = {
    ...{ set: 0, clear: 0, setBelow: 0, clearBelow: 0, bind: 'no' as MountOptions['bind'], remount: false, copyUp: false },
    idmap: 'no' as MountOptions['idmap'],
    ...{ propagation: [] as MountOptions['propagation'][number][], superblock: [] as string[], data: [] as string[] },
  };
  for (const option of options) {
    const own = Object.hasOwn(attributes, option) ? attributes[option] : undefined;
    const below = option.startsWith('r') && Object.hasOwn(attributes, option.slice(1)) ? attributes[option.slice(1)] : undefined;
    const flag = propagationOf(option);
    const word = Object.hasOwn(superblock, option) ? superblock[option] : undefined;
    if (own !== undefined) {
      found.set = (found.set & ~own.clear) | own.set;
      found.clear = (found.clear & ~own.set) | own.clear;
    } else if (below !== undefined) {
      found.setBelow = (found.setBelow & ~below.clear) | below.set;
      found.clearBelow = (found.clearBelow & ~below.set) | below.clear;
    } else if (flag !== null) found.propagation.push(flag);
    else if (word !== undefined) found.superblock.push(word);
    else if (option === 'bind' || option === 'rbind') found.bind = option;
    else if (option === 'remount') found.remount = true;
    else if (option === 'tmpcopyup') found.copyUp = true;
    else if (option === 'idmap' || option === 'ridmap') found.idmap = option;
    // podman writes an empty one for containers with systemd
    else if (option !== '' && !idle.has(option)) found.data.push(option);
  }
  return { ...found, clear: withAtime(found), clearBelow: withAtime({ set: found.setBelow, clear: found.clearBelow }) };
}

/** mount_setattr(2) takes a way to keep access times only together with the clearing of all of them. */
function withAtime({ set, clear }: { readonly set: number; readonly clear: number }): number {
  return ((set | clear) & ATIME) === 0 ? clear : clear | ATIME;
}

function propagationOf(option: string): MountOptions['propagation'][number] | null {
  for (const name of propagations) {
    if (option === name) return { flag: PROPAGATION[name], recursive: false };
    if (option === `r${name}`) return { flag: PROPAGATION[name], recursive: true };
  }
  return null;
}
