import type { FileHandle } from 'node:fs/promises';
import type { FileTree } from './file-tree.js';
import type { FolderListing } from './folder-listing.js';
import type { TarEntry } from './tar-header.js';
import type { TreeEntry } from './tree-entry.js';

/**
 * A tree as it was when it was first looked at: whoever asks the same twice gets the same answer, but for the bytes of files. What is known of the files
 * in a folder that was looked at as a whole is remembered once, by the folder.
 */
export class RememberedTree implements FileTree {
  readonly #tree: FileTree;
  readonly #entries = new Map<string, Promise<TreeEntry | null>>();
  readonly #lists = new Map<string, Promise<readonly string[]>>();
  readonly #folders = new Map<string, Promise<FolderListing>>();
  readonly #links = new Map<string, Promise<string>>();
  readonly #attributes = new Map<string, Promise<TarEntry['xattrs']>>();
  readonly #signal: AbortSignal | undefined;

  /** @param signal once it is aborted, whoever looks at the tree gets its reason */
  constructor(tree: FileTree, signal?: AbortSignal) {
    this.#tree = tree;
    this.#signal = signal;
  }

  get(path: string): Promise<TreeEntry | null> {
    return this.#remembered(this.#entries, path, () => this.#tree.get(path));
  }

  list(path: string): Promise<readonly string[]> {
    return this.#remembered(this.#lists, path, () => this.#tree.list(path));
  }

  folder(path: string): Promise<FolderListing> {
    return this.#remembered(this.#folders, path, () => this.#tree.folder(path));
  }

  readLink(path: string): Promise<string> {
    return this.#remembered(this.#links, path, () => this.#tree.readLink(path));
  }

  attributes(path: string): Promise<TarEntry['xattrs']> {
    return this.#remembered(this.#attributes, path, () => this.#tree.attributes(path));
  }

  open(path: string): Promise<FileHandle> {
    return this.#tree.open(path);
  }

  async read(files: Parameters<FileTree['read']>[0], into: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    return this.#tree.read(files, into);
  }

  async #remembered<T>(known: Map<string, Promise<T>>, path: string, look: () => Promise<T>): Promise<T> {
    this.#signal?.throwIfAborted();
    const found = known.get(path) ?? look();
    known.set(path, found);
    return found;
  }
}
