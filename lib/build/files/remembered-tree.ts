import type { FileHandle } from 'node:fs/promises';
import type { FileTree, FolderAttributes, TreeEntry } from './file-tree.js';

/** A tree as it was when it was first looked at: who looks twice sees the same, but for the bytes of files. */
export class RememberedTree implements FileTree {
  readonly #tree: FileTree;
  readonly #entries = new Map<string, Promise<TreeEntry | null>>();
  readonly #lists = new Map<string, Promise<readonly string[]>>();
  readonly #links = new Map<string, Promise<string>>();

  readonly #attributes = new Map<string, Promise<FolderAttributes>>();

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

  readLink(path: string): Promise<string> {
    return this.#remembered(this.#links, path, () => this.#tree.readLink(path));
  }

  attributes(folder: string, names: readonly string[]): Promise<FolderAttributes> {
    return this.#remembered(this.#attributes, JSON.stringify([folder, ...names]), () => this.#tree.attributes(folder, names));
  }

  open(path: string): Promise<FileHandle> {
    return this.#tree.open(path);
  }

  async #remembered<T>(known: Map<string, Promise<T>>, path: string, look: () => Promise<T>): Promise<T> {
    this.#signal?.throwIfAborted();
    const found = known.get(path) ?? look();
    known.set(path, found);
    return found;
  }
}
