import { UnsupportedError } from '../../errors.js';
import { bindOfAway } from '../../filesystem/away-mount.js';
import { mounter, privilege } from '../../host/privilege.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { useVolume } from '../../volume/volume-use.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ParsedMount } from '../options/mount-flags.js';
import type { RootSource } from '../plan/plan-input.js';
import { imageOf } from './named-image.js';

/** What the mounts of a container show of the store. */
export interface MountSources {
  /** All mounts, in their order: a volume is the bind of its folder. */
  readonly mounts: readonly ParsedMount[];
  /** Images that are mounted, by their targets. */
  readonly images: ReadonlyMap<string, RootRecipe>;
  /** Detached mounts of binds that lead into an overlay of an ordinary user, by their targets. */
  readonly bound: ReadonlyMap<string, number>;
  /** What of the store must stay as long as the mounts: layers of images, and descriptors that keep volumes. */
  readonly digests: readonly string[];
  readonly locks: readonly number[];
  /** Lets go of volumes and images; to be called when the mounts are gone, or were never made. */
  release(): void;
}

/**
 * Finds the volumes and images that are mounted. A volume that is missing is made, and an empty one takes what the root has at its target.
 *
 * @throws as `Volume` and `Image` do; the reason of `cancelSignal`
 */
export async function findSources(options: ParsedOptions, root: RootSource): Promise<MountSources> {
  const mounts: ParsedMount[] = [];
  const images = new Map<string, RootRecipe>();
  const bound = new Map<string, number>();
  const held: (() => void)[] = [];
  const digests: string[] = [];
  const locks: number[] = [];
  const release = (): void => {
    for (const letGo of held) letGo();
  };
  const signal = options.process.cancelSignal ?? undefined;
  const policy = options.root.type === 'image' ? options.root.pull : 'missing';
  try {
    for (const mount of options.mounts) {
      const { type, source, target } = mount;
      if (type === 'volume' && source !== null) {
        const volume = await useVolume(source, mount.copies ? { root, path: target } : null, signal);
        held.push(volume.release);
        locks.push(volume.lock);
        mounts.push({ ...mount, type: 'bind', source: volume.path, volume: source });
        continue;
      }
      mounts.push(mount);
      const fd = type === 'bind' && source !== null ? await boundOf(source, options) : null;
      if (fd !== null) {
        held.push(closing(fd));
        bound.set(target, fd);
      }
      if (type !== 'image' || source === null) continue;
      const found = await imageOf(source, policy, options);
      const image = await found.use({ onProgress: options.onProgress ?? undefined, signal, mounter: mounter(privilege()) });
      held.push(image.release);
      digests.push(...image.digests);
      images.set(target, image.recipe);
    }
    return { mounts, images, bound, digests, locks, release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * What a path shows that leads into an overlay of an ordinary user, as a detached mount; `null` for any other.
 *
 * @throws SyscallError; UnsupportedError for a container that may run more than once: such a mount can be attached once
 */
export async function boundOf(path: string, { restart, detached, healthcheck }: ParsedOptions): Promise<number | null> {
  const bound = await bindOfAway(path);
  const mayRestart = restart !== null || detached !== null || (typeof healthcheck === 'object' && healthcheck?.then === 'restart');
  if (bound === null || !mayRestart) return bound;
  closeDescriptor(bound);
  const reason = 'without root its mount can be given to one run of a container alone';
  throw new UnsupportedError(
    'an OverlayFs in a container that may be started again',
    reason,
    'Leave out restart and detach, or run as root.',
  );
}

/** Closes a descriptor of ours, once. */
export function closing(fd: number): () => void {
  let isOpen = true;
  return () => {
    if (isOpen) closeDescriptor(fd);
    isOpen = false;
  };
}
