import { statSync } from 'node:fs';
import { type Mounter, ownershipOf, ROOT_MOUNTER } from '../../plan/mounter.js';
import { MOUNT_ATTR, type RootRecipe } from '../../plan/recipe.js';
import { hold } from '../../store/lease.js';
import { chainIds } from '../formats/image-documents.js';
import type { ImageSource } from '../formats/image-source.js';
import { touchLayer } from '../store/layer-folders.js';
import { type UnpackOptions, unpackedLayers } from './unpacked-layers.js';

/** A root that can be mounted until it is released. */
export interface UsedImage {
  readonly recipe: RootRecipe;
  /** What must stay in the store as long as the root is used. */
  readonly digests: readonly string[];
  release(): void;
}

export type Use = (options: UseOptions) => Promise<UsedImage>;

/** How the image's layers are unpacked, when they must be. */
export type UseOptions = Omit<UnpackOptions, 'limits'> & {
  /** Who will mount it; default: root. */
  readonly mounter?: Mounter | undefined;
};

/** The layers of an image for use. They are held before we look whether they are there, so that they stay then. */
export async function useLayers(source: ImageSource, options: UnpackOptions & Pick<UseOptions, 'mounter'>): Promise<UsedImage> {
  const chain = chainIds(source.config.rootfs.diff_ids);
  const held = await hold(chain);
  try {
    const lower = await unpackedLayers(source, options);
    touchLayer(chain.at(-1) ?? '');
    return { recipe: layered(lower, options.mounter), digests: chain, release: held.release };
  } catch (error) {
    held.release();
    throw error;
  }
}

/** A root that is not of the store, so that nothing must be released. */
export function kept(recipe: RootRecipe): UsedImage {
  return { recipe, digests: [], release: () => undefined };
}

/** One overlay of folders, the topmost first; the root's mode and owner are the topmost's. */
export function layered(lower: readonly string[], mounter: Mounter = ROOT_MOUNTER): RootRecipe {
  const [top = '/'] = lower;
  const { mode, uid, gid } = statSync(top);
  return {
    mounts: [
      { target: '/', lower, attributes: MOUNT_ATTR.NODEV, root: ownershipOf({ mode: mode & 0o7777, uid, gid }, mounter), cover: [] },
    ],
    binds: [],
    userxattr: mounter.userxattr,
  };
}
