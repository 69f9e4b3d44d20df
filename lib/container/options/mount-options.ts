import { text } from '../../options/common-fields.js';
import * as json from '../../options/option-fields.js';
import { defaultFlags, type ParsedMount, propagations, sortOptions } from './mount-flags.js';
import { target } from './mount-target.js';
import { requireFlags, volumeMount } from './volume-option.js';

export const mount = json
  .strictObject(
    { type: json.oneOf(['bind', 'tmpfs', 'volume', 'image', 'proc', 'sysfs', 'mqueue', 'overlay']), target },
    {
      source: text,
      readOnly: json.boolean(),
      recursive: json.boolean(),
      propagation: json.oneOf(propagations),
      options: json.array(text),
    },
  )
  .transform((mount, complain): ParsedMount => {
    if (mount.type === 'bind' && !mount.source?.startsWith('/')) complain('is a bind, which needs a source: an absolute path on the host');
    if (mount.type === 'image' && !mount.source) complain('is an image, which needs a source: its reference');
    if (mount.type === 'image' && mount.readOnly === false) complain('is an image, which is read-only');
    if (!['bind', 'volume', 'image', 'overlay'].includes(mount.type) && mount.source !== undefined)
      complain(`is a ${mount.type}, which has no source`);
    if (mount.type !== 'bind' && mount.recursive !== undefined) complain('has recursive, which is for binds');
    if (mount.type === 'volume') return volumeMount({ ...mount, source: mount.source ?? null }, complain);
    const { flags, ...others } = sortOptions(mount.type, mount.options ?? [], defaultFlags(mount.type), complain);
    if (mount.type === 'image') requireFlags(mount.type, flags, complain);
    // a write to a sysfs changes the host
    if (mount.type === 'sysfs' && (mount.readOnly === false || !flags.has('ro'))) complain('is a sysfs, which is read-only');
    else if (mount.readOnly === false && flags.has('ro')) complain("has readOnly: false and the option 'ro'");
    if (mount.readOnly) flags.add('ro');
    return {
      type: mount.type,
      source: mount.source ?? null,
      target: mount.target,
      recursive: mount.recursive ?? mount.type === 'bind',
      propagation: mount.propagation ?? 'rprivate',
      flags,
      ...others,
      copies: false,
    };
  });

/** docker's `--tmpfs`: the target's options in one string. */
export const tmpfsOptions = text.transform((value, complain) =>
  sortOptions('tmpfs', value === '' ? [] : value.split(','), ['nosuid', 'nodev', 'noexec'], complain),
);

/** A tmpfs from its target and what {@link tmpfsOptions} made of its options. */
export function tmpfsMount(path: string, options: json.output<typeof tmpfsOptions>): ParsedMount {
  return { type: 'tmpfs', source: null, target: path, recursive: false, propagation: 'rprivate', copies: false, ...options };
}
