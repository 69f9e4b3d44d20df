import { WRONG } from '../../options/option-fields.js';
import { size } from '../../options/size.js';

/** Flags of a mount, by mount(8)'s names. */
export const mountFlags = ['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime', 'strictatime'] as const;
export type MountFlag = (typeof mountFlags)[number];
/** As mount_namespaces(7) has them. */
export const propagations = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'] as const;
export type Propagation = (typeof propagations)[number];

/** A mount with every setting filled in, whether it was given in `mounts`, `volumes` or `tmpfs`. */
export interface ParsedMount {
  readonly type: 'bind' | 'tmpfs' | 'volume' | 'image' | 'proc' | 'sysfs' | 'mqueue' | 'overlay';
  /** A bind's is absolute, a volume's its name, an image's its reference; `null` for a mount without a source, such as an anonymous volume. */
  readonly source: string | null;
  /** The name of the volume whose folder is bound. */
  readonly volume?: string;
  /** Absolute, without '.', '..' and doubled slashes. */
  readonly target: string;
  readonly recursive: boolean;
  readonly propagation: Propagation;
  readonly flags: ReadonlySet<MountFlag>;
  /** What it was told to be without, such as `nodev` by 'dev': no default brings that back. */
  readonly lifted?: ReadonlySet<MountFlag>;
  /** The file system's own options: 'size=8388608', 'mode=1777'. */
  readonly data: readonly string[];
  /** Whether an empty volume takes what the image has at the target. False for any other mount. */
  readonly copies: boolean;
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
export function sortOptions(type: string, options: readonly string[], defaults: readonly MountFlag[], complain: (problem: string) => void) {
  const flags = new Set<MountFlag>(defaults);
  const lifted = new Set<MountFlag>();
  const data: string[] = [];
  for (const option of options) {
    const flag = mountFlags.find((name) => name === option);
    const off = OPPOSITES.get(option);
    if (flag) {
      flags.add(flag);
      lifted.delete(flag);
    } else if (off) {
      flags.delete(off);
      lifted.add(off);
    } else if (type === 'tmpfs') data.push(tmpfsOption(option, complain));
    else if (type === 'overlay' || type === 'proc') data.push(option);
    else complain(`has an option that a ${type} mount doesn't know: ${JSON.stringify(option)}`);
  }
  return { flags, data, ...(lifted.size > 0 ? { lifted } : {}) };
}

function tmpfsOption(option: string, complain: (problem: string) => void): string {
  const [name = '', value = ''] = option.split(/=(.*)/s);
  if (name === 'size' && !/^\d{1,3}%$/.test(value)) {
    const bytes = size(1).read(value);
    if (bytes !== WRONG) return `size=${bytes}`;
    complain(`has a size that is none: ${JSON.stringify(value)}`);
  } else if (name !== 'size') {
    const pattern = TMPFS.get(name);
    if (!pattern) complain(`has an option that tmpfs doesn't know: ${JSON.stringify(option)}`);
    else if (!pattern.test(value)) complain(`has a ${name} that is none: ${JSON.stringify(value)}`);
  }
  return option;
}

export function defaultFlags(type: ParsedMount['type']): readonly MountFlag[] {
  // what images and containers wrote is not trusted: its device nodes open nothing
  if (type === 'volume') return ['nodev'];
  if (type === 'image') return ['nodev', 'ro'];
  if (type === 'bind' || type === 'overlay') return [];
  return type === 'sysfs' ? ['nosuid', 'nodev', 'noexec', 'ro'] : ['nosuid', 'nodev', 'noexec'];
}
