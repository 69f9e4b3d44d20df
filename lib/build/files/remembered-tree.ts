import type { FileHandle } from 'node:fs/promises';
import type { FileTree, TreeEntry } from './file-tree.js';

/** A tree as it was when it was first looked at: who looks twice sees the same, but for the bytes of files. */
export class RememberedTree implements FileTree {
  readonly #tree: FileTree;
  readonly #entries = new Map<string, Promise<TreeEntry | null>>();
  readonly #lists = new Map<string, Promise<readonly string[]>>();
  readonly #links = new Map<string, Promise<string>>();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  get(path: string): Promise<TreeEntry | null> {
    return remembered(this.#entries, path, () => this.#tree.get(path));
  }

  list(path: string): Promise<readonly string[]> {
    return remembered(this.#lists, path, () => this.#tree.list(path));
  }

  readLink(path: string): Promise<string> {
    return remembered(this.#links, path, () => this.#tree.readLink(path));
  }

  open(path: string): Promise<FileHandle> {
    return this.#tree.open(path);
  }
}

function remembered<T>(known: Map<string, Promise<T>>, path: string, look: () => Promise<T>): Promise<T> {
  const found = known.get(path) ?? look();
  known.set(path, found);
  return found;
}
