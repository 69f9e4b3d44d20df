import type { FileHandle } from 'node:fs/promises';
import type { FileTree } from './file-tree.js';
import type { TarEntry } from './tar-header.js';

/** Where a file's bytes are: in a tree, which may be one of our own that nobody else changes, in an open file from a byte on, whose SHA-256 may be known, or here; or nothing is there but their SHA-256. */
export type ByteSource =
  | { readonly tree: FileTree; readonly path: string; readonly isOwn?: boolean }
  | { readonly file: FileHandle; readonly at: number; readonly hash?: string }
  | { readonly content: Buffer }
  | { readonly hash: string };

/** A file of a layer, and where its bytes come from. */
export interface LayerFile extends TarEntry {
  readonly bytes: ByteSource | null;
}
