import { posix } from 'node:path';
import { type MountOptions, parseMountOptions } from '../../oci-config/bundle-mount-options.js';
import type { BundleMount } from '../../oci-config/config-schema.js';
import { refuse, refuseMaps } from '../../oci-config/refused.js';
import { PROPAGATION } from '../../plan/constants.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Mount } from '../options/container-types.js';
import { tidied } from '../options/tidied.js';
import type { MountForm } from './config-form.js';

/** Attributes of a mount in the order in which they are written, but for RDONLY. */
const ATTRIBUTES = [
  ['nosuid', MOUNT_ATTR.NOSUID, 'suid'],
  ['nodev', MOUNT_ATTR.NODEV, 'dev'],
  ['noexec', MOUNT_ATTR.NOEXEC, 'exec'],
] as const;
const QUIET = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;
const NOATIME = 0x10;
const NODIRATIME = 0x80;
const STRICTATIME = 0x20;
const OTHERS = [
  ['noatime', NOATIME],
  ['nodiratime', NODIRATIME],
  ['strictatime', STRICTATIME],
] as const;
/** How access times are kept is no matter of what a program may do. */
const TIMES = NOATIME | NODIRATIME | STRICTATIME;

/** Where every container has a mount of its own. Another one there has to be of a kind that can lie on it. */
const OWN = new Set(['/proc', '/sys', '/sys/fs/cgroup', '/dev', '/dev/pts', '/dev/mqueue']);

/**
 * The mounts of config.json as options: what every container has by itself is left out, as far as it gives and forbids what is asked for.
 * A read-only bind is read-only with the mounts below it, by the options `ro` and `rro` alike. Pure.
 *
 * @param own what every such container gets, in the form of config.json
 * @throws UnsupportedError
 */
export function mountsOfConfig(mounts: readonly BundleMount[], own: readonly MountForm[], bundle: string): Mount[] {
  return mounts.flatMap((mount, index): Mount[] => {
    const at = `mounts[${index}]`;
    const target = tidied(posix.join('/', mount.destination));
    const options = parseMountOptions(mount.options);
    refuseOptions(at, mount, options);
    if (own.some((row) => row.destination === target && covers(row, mount, options))) return [];
    if (options.bind !== 'no' || mount.type === 'bind') return [bindOf(at, mount, { target, options, bundle })];
    if (OWN.has(target)) refuse(at, `every container has a mount of its own at ${target}, and it can be no other than that`);
    return [filesystemOf(at, mount, { target, options })];
  });
}

function refuseOptions(at: string, mount: BundleMount, { remount, copyUp, superblock, clearBelow, setBelow }: MountOptions): void {
  refuseMaps(at, mount);
  if (remount) refuse(`${at}.options`, 'what is mounted already is not mounted again');
  if (copyUp) refuse(`${at}.options`, 'a tmpfs has nothing of what is below it (tmpcopyup)');
  const rest = superblock.filter((name) => !['async', 'nolazytime', 'nomand'].includes(name));
  if (rest.length > 0) refuse(`${at}.options`, `no option says ${rest.join(', ')}`);
  if ((setBelow & ~MOUNT_ATTR.RDONLY) !== 0 || clearBelow !== 0) refuse(`${at}.options`, 'of what is for mounts below there is rro alone');
}

/** Whether a mount that every container has does as well: of the same kind, and neither allowing more nor less but for flags that only take rights away. */
function covers(row: MountForm, mount: BundleMount, wanted: MountOptions): boolean {
  const has = parseMountOptions(row.options ?? []);
  const isSame = typeOf(row.type) === typeOf(mount.type ?? '') && has.bind === wanted.bind;
  const isWritable = ({ set }: MountOptions): boolean => (set & MOUNT_ATTR.RDONLY) === 0;
  const isConfined = (wanted.set & ~has.set & ~TIMES) === 0 && isWritable(has) === isWritable(wanted) && wanted.setBelow === 0;
  if (has.bind !== 'no') return isSame && isConfined && row.source === mount.source;
  return isSame && isConfined && wanted.data.map(plain).every((option) => has.data.map(plain).includes(option));
}

function typeOf(type: string | null | undefined): string {
  return type === 'cgroup2' ? 'cgroup' : (type ?? '');
}

/** 'mode=0755' is 'mode=755'. */
function plain(option: string): string {
  return option.replace(/^((?:ptmx)?mode)=0+(?=\d)/, '$1=');
}

interface Placed {
  readonly target: string;
  readonly options: MountOptions;
}

function bindOf(at: string, { source }: BundleMount, { target, options, bundle }: Placed & { readonly bundle: string }): Mount {
  if (!source) refuse(`${at}.source`, 'a bind needs one');
  // one that is not understood may have been meant to take a right away, as 'ro,nosuid' in one word
  if (options.data.length > 0)
    refuse(`${at}.options`, `a bind has no option ${options.data.map((word) => JSON.stringify(word)).join(', ')}`);
  const extra = flagsOf(at, options);
  return {
    type: 'bind',
    source: posix.resolve(bundle, source),
    target,
    ...(isReadOnly(options) ? { readOnly: true } : {}),
    ...(options.bind === 'rbind' ? {} : { recursive: false }),
    ...propagationOf(at, options),
    ...(extra.length === 0 ? {} : { options: extra }),
  };
}

function filesystemOf(at: string, { type = '', source }: BundleMount, { target, options }: Placed): Mount {
  if (type !== 'tmpfs' && type !== 'proc' && type !== 'mqueue' && type !== 'sysfs' && type !== 'overlay')
    refuse(`${at}.type`, `a file system of the type ${JSON.stringify(type)} is not mounted`);
  const lifts = type !== 'overlay';
  const words = [...flagsOf(at, options), ...(lifts ? liftedOf(options) : []), ...options.data];
  if (type === 'mqueue' && options.data.length > 0) refuse(`${at}.options`, `mqueue takes no ${options.data.join(', ')}`);
  return {
    type,
    ...(type === 'overlay' && source !== undefined && source !== 'overlay' ? { source } : {}),
    target,
    // a sysfs is read-only by itself
    ...(isReadOnly(options) && type !== 'sysfs' ? { readOnly: true } : {}),
    ...propagationOf(at, options),
    ...(words.length === 0 ? {} : { options: words }),
  };
}

function isReadOnly({ set, setBelow }: MountOptions): boolean {
  return ((set | setBelow) & MOUNT_ATTR.RDONLY) !== 0;
}

function flagsOf(at: string, { set }: MountOptions): string[] {
  const known = [...ATTRIBUTES.map(([name, bit]) => [name, bit] as const), ...OTHERS];
  const unknown = known.reduce((rest, [, bit]) => rest & ~bit, set & ~MOUNT_ATTR.RDONLY);
  if (unknown !== 0) refuse(`${at}.options`, 'no option says nosymfollow');
  return known.flatMap(([name, bit]) => ((set & bit) === 0 ? [] : [name]));
}

/** The options are quiet unless they say otherwise. */
function liftedOf({ set }: MountOptions): string[] {
  return (set & QUIET) === QUIET ? [] : ATTRIBUTES.flatMap(([, bit, opposite]) => ((set & bit) === 0 ? [opposite] : []));
}

function propagationOf(at: string, { propagation }: MountOptions): Pick<Mount, 'propagation'> {
  const last = propagation.at(-1);
  if (last === undefined) return {};
  const name = (['private', 'slave', 'shared'] as const).find((word) => PROPAGATION[word] === last.flag);
  if (name === undefined) return refuse(`${at}.options`, 'no mount is unbindable');
  const full = last.recursive ? (`r${name}` as const) : name;
  return full === 'rprivate' ? {} : { propagation: full };
}
