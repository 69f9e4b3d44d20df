import type { FileHandle } from 'node:fs/promises';
import type { Descriptor, Manifest, OciConfig } from './image-documents.js';

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
  /**
   * A blob as a file, of the right size. The reader checks the digest over what it reads.
   *
   * @throws ImageError when it is not there
   */
  openBlob(descriptor: Descriptor): Promise<FileHandle>;
}
