import { ImageError } from '../../errors.js';
import type { ImageIndex, ImageSource } from './image-source.js';
import { type Platform, platformName, runsOn, selectPlatform } from './platform.js';

/** An image for several platforms: the index, and the image of each. */
export interface IndexInfo {
  /** The digest of the index. */
  readonly digest: string;
  /** In the order of the index. `digest` is that of the platform's manifest, `platform` as 'linux/arm64'. */
  readonly manifests: readonly { readonly platform: string; readonly digest: string }[];
}

export function indexInfo({ descriptor, manifests }: ImageIndex): IndexInfo {
  const all = manifests.map(({ digest, platform }) => ({ platform: platform ? platformName(platform) : '', digest }));
  return { digest: descriptor.digest, manifests: all };
}

/**
 * The image for a platform: of an image for several that one, alone and without a name.
 *
 * @throws ImageError `ERR_NO_IMAGE` when the image is for no such platform
 */
export async function sourceFor(source: ImageSource, platform: Platform): Promise<ImageSource> {
  const { index, config, reference } = source;
  if (!index && runsOn(config, platform)) return source;
  const manifest = index && selectPlatform(index.manifests, platform);
  if (index && manifest) return index.image(manifest);
  const { os = '', architecture = '', variant } = config;
  const has = index ? indexInfo(index).manifests.map((one) => one.platform) : [platformName({ os, architecture, variant })];
  throw new ImageError(`${reference ?? source.descriptor.digest} is there for ${has.join(', ')}, not for ${platformName(platform)}`, {
    reference,
    code: 'ERR_NO_IMAGE',
  });
}
