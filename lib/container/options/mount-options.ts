import { posix } from 'node:path';
import * as z from 'zod';
import { UnsupportedError } from '../../errors.js';
import { isWithin } from '../../host/mountinfo.js';
import { absolutePath, text } from '../../options/common-schemas.js';
import { sizeSchema } from '../../options/size.js';

/** Flags of a mount, by mount(8)'s names. */
export const mountFlags = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime', 'strictatime'] as const;
export type MountFlag = (typeof mountFlags)[number];
export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

/** A mount with every setting filled in, whether it was given in `mounts`, `volumes` or `tmpfs`. */
export interface ParsedMount {
  readonly type: 'bind' | 'tmpfs' | 'volume' | 'proc' | 'sysfs' | 'mqueue' | 'overlay';
  /** Absolute; `null` for a mount without a source. */
  readonly source: string | null;
  /** Absolute, without '.', '..' and doubled slashes. */
  readonly target: string;
  readonly recursive: boolean;
  readonly propagation: Propagation;
  readonly flags: ReadonlySet<MountFlag>;
  /** The file system's own options: 'size=8388608', 'mode=1777'. */
  readonly data: readonly string[];
}

/** Options that turn a flag off again. */
const OPPOSITES = new Map<string, MountFlag>([
  ['rw', 'ro'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
  ['atime', 'noatime'],
  ['diratime', 'nodiratime'],
]);
const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'];
/** The options of tmpfs(5), with what their values look like; sizes are read apart. */
const TMPFS = new Map<string, RegExp>([
  ['nr_inodes', /^\d+[kmg]?$/i],
  ['nr_blocks', /^\d+[kmg]?$/i],
  ['mode', /^[0-7]{1,4}$/],
  ['uid', /^\d+$/],
  ['gid', /^\d+$/],
  ['huge', /^(never|always|within_size|advise)$/],
]);

/** Sorts options into flags and the file system's own; `complain` is told of what is neither. */
function sortOptions(type: string, options: readonly string[], defaults: readonly MountFlag[], complain: (problem: string) => void) {
  const flags = new Set<MountFlag>(defaults);
  const data: string[] = [];
  for (const option of options) {
    const flag = mountFlags.find((name) => name === option);
    const off = OPPOSITES.get(option);
    if (flag) flags.add(flag);
    else if (off) flags.delete(off);
    else if (type === 'tmpfs') data.push(tmpfsOption(option, complain));
    else if (type === 'overlay' || type === 'proc') data.push(option);
    else complain(`has an option that a ${type} mount doesn't know: ${JSON.stringify(option)}`);
  }
  return { flags, data };
}

function tmpfsOption(option: string, complain: (problem: string) => void): string {
  const [name = '', value = ''] = option.split(/=(.*)/s);
  if (name === 'size' && !/^\d{1,3}%$/.test(value)) {
    const bytes = sizeSchema(1).safeParse(value);
    if (bytes.success) return `size=${bytes.data}`;
    complain(`has a size that is none: ${JSON.stringify(value)}`);
  } else if (name !== 'size') {
    const pattern = TMPFS.get(name);
    if (!pattern) complain(`has an option that tmpfs doesn't know: ${JSON.stringify(option)}`);
    else if (!pattern.test(value)) complain(`has a ${name} that is none: ${JSON.stringify(value)}`);
  }
  return option;
}

function defaultFlags(type: ParsedMount['type']): readonly MountFlag[] {
  if (type === 'bind' || type === 'overlay') return [];
  return type === 'sysfs' ? ['nosuid', 'nodev', 'noexec', 'ro'] : ['nosuid', 'nodev', 'noexec'];
}

/** An absolute path without '.', '..', and '/' at its end. */
export function tidied(path: string): string {
  // most paths are tidy already, and need no normalising
  return /\/(?:[/.]|$)/.test(path) ? posix.normalize(path).replace(/(?<=.)\/$/, '') : path;
}

/** Whether a mount is on a path, or above it. */
export function isMountedOver(path: string, mounts: readonly Pick<ParsedMount, 'target'>[]): boolean {
  return mounts.some(({ target }) => isWithin(path, target));
}

/** A place in the container, tidied; not the root itself. */
export const target = absolutePath.transform(tidied).refine((path) => path !== '/', "must not be '/': that is the image or the rootfs");

export const mountSchema = z
  .strictObject({
    type: z.enum(['bind', 'tmpfs', 'proc', 'sysfs', 'mqueue', 'overlay']),
    source: text.optional(),
    target,
    readOnly: z.boolean().optional(),
    recursive: z.boolean().optional(),
    propagation: z.enum(['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared']).optional(),
    options: z.array(text).optional(),
  })
  .transform((mount, context): ParsedMount => {
    const complain = (message: string): void => context.addIssue(message);
    const fail = (message: string): never => {
      complain(message);
      return z.NEVER;
    };
    if (mount.type === 'bind' && !mount.source?.startsWith('/')) complain('is a bind, which needs a source: an absolute path on the host');
    if (!['bind', 'volume', 'overlay'].includes(mount.type) && mount.source !== undefined)
      complain(`is a ${mount.type}, which has no source`);
    if (mount.type !== 'bind' && mount.recursive !== undefined) complain('has recursive, which is for binds');
    const { flags, data } = sortOptions(mount.type, mount.options ?? [], defaultFlags(mount.type), complain);
    // a write to a sysfs changes the host
    if (mount.type === 'sysfs' && (mount.readOnly === false || !flags.has('ro'))) return fail('is a sysfs, which is read-only');
    if (mount.readOnly === false && flags.has('ro')) complain("has readOnly: false and the option 'ro'");
    if (mount.readOnly) flags.add('ro');
    return {
      type: mount.type,
      source: mount.source ?? null,
      target: mount.target,
      recursive: mount.recursive ?? mount.type === 'bind',
      propagation: mount.propagation ?? 'rprivate',
      flags,
      data,
    };
  });

/** docker's `--volume`: 'source:target' or 'source:target:options'. A source that is a name is a named volume. */
export const volumeSchema = text.transform((value, context): ParsedMount => {
  const complain = (message: string): never => {
    context.addIssue(`${message}: ${JSON.stringify(value)}`);
    return z.NEVER;
  };
  const [source = '', path, options = '', ...rest] = value.split(':');
  if (rest.length > 0) return complain("must be 'source:target' or 'source:target:options'; a path with ':' needs mounts");
  if (source === '') return complain('has no source');
  const named = !source.startsWith('/');
  if (path === undefined && !named) return complain("must be 'source:target'");
  if (named && !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(source))
    return complain('has a source that is neither an absolute path nor the name of a volume');
  const inside = target.safeParse(path);
  if (!inside.success) return complain(`has a target that ${inside.error.issues[0]?.message ?? 'is wrong'}`);

  const words = options === '' ? [] : options.split(',');
  const propagation = words.find((word): word is Propagation => PROPAGATIONS.includes(word));
  const others = words.filter((word) => word !== propagation);
  const { flags } = sortOptions('bind', others, [], complain);
  return {
    type: named ? 'volume' : 'bind',
    source,
    target: inside.data,
    recursive: true,
    propagation: propagation ?? 'rprivate',
    flags,
    data: [],
  };
});

/** docker's `--tmpfs`: the target's options in one string. */
export const tmpfsOptions = text.transform((value, context) =>
  sortOptions('tmpfs', value === '' ? [] : value.split(','), ['nosuid', 'nodev', 'noexec'], (message) => context.addIssue(message)),
);

/** A tmpfs from its target and what {@link tmpfsOptions} made of its options. */
export function tmpfsMount(path: string, options: z.output<typeof tmpfsOptions>): ParsedMount {
  return { type: 'tmpfs', source: null, target: path, recursive: false, propagation: 'rprivate', ...options };
}

/** @throws UnsupportedError for a mount that this version can't make */
export function refuseLaterMounts(mounts: readonly ParsedMount[]): void {
  const volume = mounts.find((mount) => mount.type === 'volume');
  if (volume) {
    throw new UnsupportedError(
      `the named volume ${volume.source ?? ''} at ${volume.target}`,
      'volumes come in a later version',
      'Bind a folder of the host instead.',
    );
  }
}
