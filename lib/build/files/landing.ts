import { InstructionProblem } from '../language/build-error.js';
import { EMPTY_TREE, type FileTree } from './file-tree.js';
import { type CopiedFolder, LaidFiles } from './laid-files.js';
import type { LayerFile } from './layer-file.js';
import type { TarEntry } from './tar-header.js';
import type { TreeEntry } from './tree-entry.js';

/** What a hard link is one more name of: where that is a link, `leadsTo` is where it leads. */
interface Linked {
  readonly kind: TreeEntry['kind'];
  readonly leadsTo: string;
}

/** What an instruction has made so far, over the files that were there. */
export class Landing implements Pick<FileTree, 'get' | 'readLink'> {
  /** In the order of the layer: of two with one path the later counts. */
  readonly files = new LaidFiles();
  readonly #onto: FileTree;
  readonly #made = new Map<string, LayerFile>();
  readonly #linked = new Map<string, Linked>();
  /** Folders where nothing was: all that is in them was made by this instruction. */
  readonly #newFolders = new Set<string>();
  /** Those of them in which nothing is yet. */
  readonly #empty = new Set<string>();
  /** The first name of each file that has several, and the other way round. */
  readonly #inodes = new Map<string, string>();
  readonly #inodeAt = new Map<string, string>();
  /** Where something else has taken the place of a folder, and where a folder has taken that of something else. */
  readonly #replaced = new Set<string>();
  readonly #fresh = new Set<string>();

  constructor(onto: FileTree) {
    this.#onto = onto;
    if (onto === EMPTY_TREE) this.#empty.add('');
  }

  async get(path: string): Promise<TreeEntry | null> {
    if (isBelow(path, this.#replaced)) return null;
    const made = this.#find(path);
    if (made) return { ...made, kind: this.#meant(made).kind, inode: null };
    return isBelow(path, this.#fresh) ? null : this.#onto.get(path);
  }

  async readLink(path: string): Promise<string> {
    const made = this.#find(path);
    return made ? this.#meant(made).leadsTo : this.#onto.readLink(path);
  }

  #find(path: string): LayerFile | undefined {
    return this.#made.get(path) ?? this.files.find(path);
  }

  /** Whether it is sure that nothing is at a path, without a look at the tree. */
  isFree(path: string): boolean {
    const end = path.lastIndexOf('/');
    return end > 0 && this.#newFolders.has(path.slice(0, end)) && this.#find(path) === undefined;
  }

  #meant(file: LayerFile): Linked {
    return this.#linked.get(file.path) ?? { kind: kindOf(file), leadsTo: file.target };
  }

  /** Whether this instruction has made what is at a path. */
  has(path: string): boolean {
    return this.#find(path) !== undefined;
  }

  /** Whether nothing is in a folder yet, said once: whoever asks fills it with files of different names. */
  beginIn(folder: string): boolean {
    return this.#empty.delete(folder);
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
  addNewFolder(folder: LayerFile, isFirst = false): void {
    this.add(folder, null, isFirst);
    this.#newFolders.add(folder.path);
    this.#empty.add(folder.path);
  }

  /** Adds a file that has one name, of a folder in which this instruction has begun. */
  addFrom(folder: CopiedFolder, place: number, path: string): void {
    requireName(path);
    this.files.pushFrom(folder, place);
  }

  /**
   * @param inode of a file that may have other names
   * @param isFirst nothing has that path: this instruction has begun in its folder
   */
  add(file: LayerFile, inode: string | null = null, isFirst = false): void {
    requireName(file.path);
    if (!isFirst) {
      this.#empty.delete(file.path.slice(0, Math.max(0, file.path.lastIndexOf('/'))));
      if (this.has(file.path)) this.files.areUnique = false;
    }
    // what takes the place of a file is none that others are names of
    const before = this.#inodeAt.get(file.path);
    if (before !== undefined) this.#inodes.delete(before);
    this.#inodeAt.delete(file.path);
    if (inode !== null) {
      this.#inodes.set(inode, file.path);
      this.#inodeAt.set(file.path, inode);
    }
    // what a hard link is one more name of may get another name later, and is that file still
    const first = file.type === 'hardlink' ? this.#find(file.target) : undefined;
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

/** @throws InstructionProblem for what a layer can't have */
function requireName(path: string): void {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (['', '.', '..'].includes(name) || path.includes('\0'))
    throw new InstructionProblem(`${JSON.stringify(`/${path}`)} is no name of a file`);
  if (name.startsWith('.wh.'))
    throw new InstructionProblem(`/${path}: a layer has names that begin with .wh. for what was removed, and can't have files with them`);
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
