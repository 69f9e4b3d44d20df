import { dirname } from 'node:path/posix';
import { isWithin } from '../../host/mountinfo.js';
import { type Ground, NONE } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import { tidied } from '../options/tidied.js';

/** A mount of the container's, in the order in which they are attached. */
export interface Place {
  /** Absolute, inside. */
  readonly path: string;
  readonly mount: Slot;
  /** The mount is empty at first and the container's alone: links may lead to it as they may to the mount that it lies on. */
  readonly own?: true;
  /** This is the /proc or /sys that each container gets: only the kernel makes names there. */
  readonly kernels?: true;
  /** This is one more mount that shows the same as the one at /proc or /sys. */
  readonly shows?: '/proc' | '/sys';
}

/**
 * The mounts in which paths may end that are set up with root's rights: those that hold the paths by their names. So no link in an image
 * leads into a folder of the caller's that is mounted elsewhere, nor does one in that folder lead into the image.
 */
export function groundOf(places: readonly Place[], ...paths: readonly string[]): Ground {
  const on: Slot[] = [];
  for (const path of paths) {
    const holder = holderOf(places, tidied(path));
    if (!on.includes(holder)) on.push(holder);
  }
  return { on, mounts: places.filter(({ own }) => !own).map(({ mount }) => mount) };
}

/** The same for a tree that is copied to `path`: it may also go into the mounts below `path`. */
export function groundOfTree(places: readonly Place[], path: string): Ground {
  const inside = places.filter((place) => isWithin(place.path, path)).map((place) => place.path);
  return groundOf(places, dirname(path), ...inside);
}

/** The mount that holds a path: of those that cover it, the last one is seen. */
function holderOf(places: readonly Place[], path: string): Slot {
  const index = places.findLastIndex((place) => isWithin(path, place.path));
  const place = places[index];
  if (place === undefined) return NONE;
  return place.own ? holderOf(places.slice(0, index), dirname(place.path)) : place.mount;
}
