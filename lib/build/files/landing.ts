import type { FileHandle } from 'node:fs/promises';
import { InstructionProblem } from '../language/build-error.js';
import type { FileTree } from './file-tree.js';
import type { TarEntry } from './tar-header.js';
import type { TreeEntry } from './tree-entry.js';

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

/** What a hard link is one more name of: where that is a link, `leadsTo` is where it leads. */
interface Linked {
  readonly kind: TreeEntry['kind'];
  readonly leadsTo: string;
}

/** What an instruction has made so far, over the files that were there. */
export class Landing implements Pick<FileTree, 'get' | 'readLink'> {
  /** In the order of the layer: of two with one path the later counts. */
  readonly files: LayerFile[] = [];
  readonly #onto: FileTree;
  readonly #made = new Map<string, LayerFile>();
  readonly #linked = new Map<string, Linked>();
  /** Folders where nothing was: all that is in them was made by this instruction. */
  readonly #newFolders = new Set<string>();
  /** The first name of each file that has several, and the other way round. */
  readonly #inodes = new Map<string, string>();
  readonly #inodeAt = new Map<string, string>();
  /** Where something else has taken the place of a folder, and where a folder has taken that of something else. */
  readonly #replaced = new Set<string>();
  readonly #fresh = new Set<string>();

  constructor(onto: FileTree) {
    this.#onto = onto;
  }

  async get(path: string): Promise<TreeEntry | null> {
    if (isBelow(path, this.#replaced)) return null;
    const made = this.#made.get(path);
    if (made) return { ...made, kind: this.#meant(made).kind, inode: null };
    return isBelow(path, this.#fresh) ? null : this.#onto.get(path);
  }

  async readLink(path: string): Promise<string> {
    const made = this.#made.get(path);
    return made ? this.#meant(made).leadsTo : this.#onto.readLink(path);
  }

  /** Whether it is sure that nothing is at a path, without a look at the tree. */
  isFree(path: string): boolean {
    const end = path.lastIndexOf('/');
    return end > 0 && this.#newFolders.has(path.slice(0, end)) && !this.#made.has(path);
  }

  #meant(file: LayerFile): Linked {
    return this.#linked.get(file.path) ?? { kind: kindOf(file), leadsTo: file.target };
  }

  /** Whether this instruction has made what is at a path. */
  has(path: string): boolean {
    return this.#made.has(path);
  }

  /** The first name of a file that has several; `undefined`: this is the first. */
  firstName(inode: string): string | undefined {
    return this.#inodes.get(inode);
  }

  /** Makes the folders of a path that are missing. @param path without links, as `resolveIn` finds it */
  async makeFolders(path: string, { mode, uid, gid, mtime }: Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'>): Promise<void> {
    const names = path === '' ? [] : path.split('/');
    for (const index of names.keys()) {
      const folder = names.slice(0, index + 1).join('/');
      const kind = (await this.get(folder))?.kind;
      if (kind === 'folder') continue;
      if (kind !== undefined) throw new InstructionProblem(`cannot copy to non-directory: /${folder}`);
      this.addNewFolder({ path: folder, type: 'folder', mode, uid, gid, mtime, size: 0, target: '', bytes: null });
    }
  }

  /** Adds a folder where nothing is. */
  addNewFolder(folder: LayerFile): void {
    this.add(folder);
    this.#newFolders.add(folder.path);
  }

  /** @param inode of a file that may have other names */
  add(file: LayerFile, inode: string | null = null): void {
    const name = file.path.slice(file.path.lastIndexOf('/') + 1);
    if (['', '.', '..'].includes(name) || file.path.includes('\0'))
      throw new InstructionProblem(`${JSON.stringify(`/${file.path}`)} is no name of a file`);
    if (name.startsWith('.wh.'))
      throw new InstructionProblem(
        `/${file.path}: a layer has names that begin with .wh. for what was removed, and can't have files with them`,
      );
    // what takes the place of a file is none that others are names of
    const before = this.#inodeAt.get(file.path);
    if (before !== undefined) this.#inodes.delete(before);
    this.#inodeAt.delete(file.path);
    if (inode !== null) {
      this.#inodes.set(inode, file.path);
      this.#inodeAt.set(file.path, inode);
    }
    // what a hard link is one more name of may get another name later, and is that file still
    const first = file.type === 'hardlink' ? this.#made.get(file.target) : undefined;
    if (first) this.#linked.set(file.path, this.#meant(first));
    else this.#linked.delete(file.path);
    this.#made.set(file.path, file);
    this.files.push(file);
  }

  /**
   * Adds what takes the place of whatever is there, as an archive's entries do. A folder on a folder keeps what is in there.
   *
   * @throws InstructionProblem where a folder had to make room before: a layer can't say that what was in there stays away
   */
  async replace(file: LayerFile): Promise<void> {
    const before = (await this.get(file.path))?.kind;
    if (file.type === 'folder' && this.#replaced.has(file.path))
      throw new InstructionProblem(`/${file.path} is a folder, something else and a folder again`);
    if (before !== undefined && before !== 'folder' && file.type === 'folder') this.#fresh.add(file.path);
    if (before === 'folder' && file.type !== 'folder') {
      this.#replaced.add(file.path);
      // names of what was in there can't be linked to any more
      this.#inodes.clear();
      this.#inodeAt.clear();
    }
    this.add(file);
  }
}

function kindOf({ type }: LayerFile): TreeEntry['kind'] {
  switch (type) {
    case 'file':
    case 'folder':
    case 'link':
      return type;
    case 'hardlink':
      return 'file';
    default:
      return 'other';
  }
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  const names = path.split('/');
  return names.some((_, index) => index > 0 && folders.has(names.slice(0, index).join('/')));
}
