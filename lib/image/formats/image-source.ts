import type { FileHandle } from 'node:fs/promises';
import type { Descriptor, Manifest, OciConfig } from './image-documents.js';

/** An image index of the store: one image for each of several platforms. */
export interface ImageIndex {
  /** The descriptor of the index. */
  readonly descriptor: Descriptor;
  /** The descriptors of the images' manifests, each with its platform, in the index's order. */
  readonly manifests: readonly Descriptor[];
  /** One of the images, alone and without a name. */
  image(manifest: Descriptor): Promise<ImageSource>;
}

/** An image's documents, verified, and where its blobs are. */
export interface ImageSource {
  /** The image's name in the store, or what it was asked for by. */
  readonly reference: string | null;
  /** The tag in the layout, or the store, that the image is in. */
  readonly tag: string | null;
  /** The descriptor of the manifest: the platform's own, not the index's. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
  /** The index that has the image beside those for other platforms, if it was found by that. */
  readonly index?: ImageIndex;
  /**
   * A blob as a file, of the right size. The reader checks the digest over what it reads.
   *
   * @throws ImageError when it is not there
   */
  openBlob(descriptor: Descriptor): Promise<FileHandle>;
}
