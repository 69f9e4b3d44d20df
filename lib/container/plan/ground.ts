import { dirname } from 'node:path/posix';
import { isWithin } from '../../host/mountinfo.js';
import { type Ground, NONE } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import { tidied } from '../options/mount-options.js';

/** A mount of the container's, in the order in which they are attached. */
export interface Place {
  /** Absolute, inside. */
  readonly path: string;
  readonly mount: Slot;
  /** It is empty at first and the container's alone: as much as what it lies on, links may lead to it. */
  readonly own?: true;
  /** One more mount that shows what those at /proc and /sys show. */
  readonly shows?: '/proc' | '/sys';
}

/**
 * Where the paths may end that are set up with root's rights: in the mounts that hold them by their names. So no link of an image's leads
 * into a folder of the caller's that is mounted elsewhere, nor one of that folder's into the image.
 */
export function groundOf(places: readonly Place[], ...paths: readonly string[]): Ground {
  const on: Slot[] = [];
  for (const path of paths) {
    const holder = holderOf(places, tidied(path));
    if (!on.includes(holder)) on.push(holder);
  }
  return { on, mounts: places.filter(({ own }) => !own).map(({ mount }) => mount) };
}

/** The same for a tree that is copied to `path`: it goes into the mounts on the way too. */
export function groundOfTree(places: readonly Place[], path: string): Ground {
  const inside = places.filter((place) => isWithin(place.path, path)).map((place) => place.path);
  return groundOf(places, dirname(path), ...inside);
}

/** Of those that cover a path the last one is seen. */
function holderOf(places: readonly Place[], path: string): Slot {
  const index = places.findLastIndex((place) => isWithin(path, place.path));
  const place = places[index];
  if (place === undefined) return NONE;
  return place.own ? holderOf(places.slice(0, index), dirname(place.path)) : place.mount;
}
