import type { ImageSource } from './image-source.js';

/** A layer of an image. */
export interface LayerInfo {
  /** The digest of the blob, as it travels. */
  readonly digest: string;
  /** The digest of the uncompressed tar. */
  readonly diffId: string;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
}

export function layersOf({ manifest, config }: ImageSource): LayerInfo[] {
  return manifest.layers.map(({ digest, mediaType, size }, index) => ({
    digest,
    diffId: config.rootfs.diff_ids[index] ?? '',
    mediaType,
    size,
  }));
}
