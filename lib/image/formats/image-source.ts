import type { FileHandle } from 'node:fs/promises';
import type { Descriptor, Manifest, OciConfig } from './image-documents.js';

/** An image's documents, verified, and where its blobs are. */
export interface ImageSource {
  /** Of the store, its name there; else what it was asked for by. */
  readonly reference: string | null;
  /** Of the layout, or the store, that it is in. */
  readonly tag: string | null;
  /** Of the manifest: the platform's own, not the index's. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
  /**
   * A blob as a file, of the right size. The digest is for the reader to check, over what it reads.
   *
   * @throws ImageError when it is not there
   */
  openBlob(descriptor: Descriptor): Promise<FileHandle>;
}
