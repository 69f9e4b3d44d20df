import { invalidOption } from '../../errors.js';
import type { Prepared } from '../start/prepare.js';

/** So that those of a run fit beside them into one message to the process. */
const MOST_DESCRIPTORS = 200;

/** What shows only when a container has been prepared. @throws NacelleError `ERR_INVALID_OPTION` */
export function requirePoolable({ options, root, bound, health, proc, slots }: Prepared): void {
  const wrong = (option: string, why: string) => invalidOption(option, `can't go with a pool: ${why}`);
  if (root.type === 'recipe' && root.disk !== null) throw wrong('upper', 'what is written to the root can be on disk alone here');
  if (root.type === 'folder' && root.bound !== null) throw wrong('rootfs', 'its mount can be given to one container alone');
  if (bound.size > 0) throw wrong('mounts', `the mount at ${[...bound.keys()].join(', ')} can be given to one container alone`);
  if (options.mounts.some(({ type, source }) => type === 'image' && source === 'host'))
    throw wrong('mounts', "'host' is mounted: what is to be hidden may change");
  if (health !== null) throw wrong('healthcheck', "the image has one: give 'none'");
  if (proc !== null) throw wrong('namespaces', 'they are shared');
  if (slots.descriptors.size > MOST_DESCRIPTORS) throw wrong('mounts', 'they need too many descriptors');
}
