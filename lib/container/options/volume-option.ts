import { text } from '../../options/common-fields.js';
import { problemOfName } from '../../volume/volume-options.js';
import { defaultFlags, type MountFlag, type ParsedMount, type Propagation, propagations, sortOptions } from './mount-flags.js';
import { targetOf } from './mount-target.js';

/** In the place of one that is wrong. */
const NONE: ParsedMount = {
  ...{ type: 'bind', source: null, target: '', recursive: true },
  propagation: 'rprivate',
  flags: new Set(),
  data: [],
  copies: false,
};

/**
 * docker's `--volume`: 'source:target' or 'source:target:options'. A source that is a name is a named volume; a target alone is an
 * anonymous one.
 */
export const volume = text.transform((value, tell): ParsedMount => {
  const complain = (message: string): ParsedMount => {
    tell(`${message}: ${JSON.stringify(value)}`);
    return NONE;
  };
  const [first = '', ...more] = value.split(':');
  const [source, path = '', options = '', ...rest] = more.length === 0 ? [null, first] : [first, ...more];
  if (rest.length > 0) return complain("must be 'source:target' or 'source:target:options'; a path with ':' needs mounts");
  if (source === '') return complain('has no source');
  const isVolume = source === null || !source.startsWith('/');
  if (source !== null && isVolume && problemOfName(source) !== null)
    return complain('has a source that is neither an absolute path nor the name of a volume');
  const inside = targetOf(path, (problem) => complain(`has a target that ${problem}`));
  if (inside === null) return NONE;

  const words = options === '' ? [] : options.split(',');
  const propagation = propagations.find((word) => words.includes(word));
  const others = words.filter((word) => word !== propagation);
  if (isVolume) return volumeMount({ source, target: inside, propagation, options: others }, complain);
  const sorted = sortOptions('bind', others, [], complain);
  return {
    type: 'bind',
    source,
    target: inside,
    recursive: true,
    propagation: propagation ?? 'rprivate',
    ...sorted,
    copies: false,
  };
});

export interface VolumeMount {
  readonly source: string | null;
  readonly target: string;
  readonly readOnly?: boolean | undefined;
  readonly propagation?: Propagation | undefined;
  readonly options?: readonly string[] | undefined;
}

/** A named volume or, without a source, an anonymous one. */
export function volumeMount(mount: VolumeMount, complain: (problem: string) => void): ParsedMount {
  const { source, options = [], propagation, readOnly } = mount;
  const problem = source === null ? null : problemOfName(source);
  if (problem !== null) complain(`has a source that ${problem}, not ${JSON.stringify(source)}`);
  if (source === null && (options.length > 0 || propagation !== undefined || readOnly !== undefined))
    complain('is a volume without a source: it goes with the container, and has no options');
  const { flags, ...others } = sortOptions(
    'volume',
    options.filter((option) => option !== 'nocopy'),
    defaultFlags('volume'),
    complain,
  );
  requireFlags('volume', flags, complain);
  if (readOnly === false && flags.has('ro')) complain("has readOnly: false and the option 'ro'");
  if (readOnly) flags.add('ro');
  return {
    type: 'volume',
    source,
    target: mount.target,
    recursive: false,
    propagation: propagation ?? 'rprivate',
    flags,
    ...others,
    copies: !options.includes('nocopy'),
  };
}

/** Refuses options that take away a flag which such a mount always has. */
export function requireFlags(type: 'volume' | 'image', flags: ReadonlySet<MountFlag>, complain: (problem: string) => void): void {
  for (const flag of defaultFlags(type)) {
    if (!flags.has(flag)) complain(`has an option that takes away '${flag}', which a mount of type ${type} always has`);
  }
}
