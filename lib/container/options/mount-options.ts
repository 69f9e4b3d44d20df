import * as z from 'zod';
import { text } from '../../options/common-schemas.js';
import { defaultFlags, type ParsedMount, propagations, sortOptions } from './mount-flags.js';
import { target } from './mount-target.js';
import { requireFlags, volumeMount } from './volume-option.js';

export const mountSchema = z
  .strictObject({
    type: z.enum(['bind', 'tmpfs', 'volume', 'image', 'proc', 'sysfs', 'mqueue', 'overlay']),
    source: text.optional(),
    target,
    readOnly: z.boolean().optional(),
    recursive: z.boolean().optional(),
    propagation: z.enum(propagations).optional(),
    options: z.array(text).optional(),
  })
  .transform((mount, context): ParsedMount => {
    const complain = (message: string): void => context.addIssue(message);
    const fail = (message: string): never => {
      complain(message);
      return z.NEVER;
    };
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
      ...others,
      copies: false,
    };
  });

/** docker's `--tmpfs`: the target's options in one string. */
export const tmpfsOptions = text.transform((value, context) =>
  sortOptions('tmpfs', value === '' ? [] : value.split(','), ['nosuid', 'nodev', 'noexec'], (message) => context.addIssue(message)),
);

/** A tmpfs from its target and what {@link tmpfsOptions} made of its options. */
export function tmpfsMount(path: string, options: z.output<typeof tmpfsOptions>): ParsedMount {
  return { type: 'tmpfs', source: null, target: path, recursive: false, propagation: 'rprivate', copies: false, ...options };
}
