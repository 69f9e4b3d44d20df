import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { hasCode, NacelleError } from '../../errors.js';
import { systemError } from '../../native/system-errors.js';
import { type FileAttribute, fileAttributes, listFolder, readContents } from '../../native/tree-files.js';
import { O_PATH } from '../../plan/constants.js';
import { EMPTY_LISTING, type FolderListing, folderListing, namesOf } from './folder-listing.js';
import type { TarEntry } from './tar-header.js';
import type { FolderAttributes, TreeEntry, TreeIds } from './tree-entry.js';

/** ns */
const SECOND = 1_000_000_000n;

/** Files that are read. No path that is asked for leads through a link: `resolveIn` finds such paths. */
export interface FileTree {
  /** `null`: there is none. A link is not followed. */
  get(path: string): Promise<TreeEntry | null>;
  /** The names in a folder, sorted by their bytes. */
  list(path: string): Promise<readonly string[]>;
  /** What is in a folder, with what `get` and `attributes` say of each. */
  folder(path: string): Promise<FolderListing>;
  readLink(path: string): Promise<string>;
  /** The extended attributes of a file that COPY keeps; `undefined`: it has none. */
  attributes(path: string): Promise<TarEntry['xattrs']>;
  /** A file's bytes. */
  open(path: string): Promise<FileHandle>;
  /**
   * The bytes of files, one after the other in `into`: for many that are small.
   *
   * @param files with the sizes that they had
   * @throws NacelleError `ERR_CHANGED` for one that is none any more, or has another size
   */
  read(files: readonly { readonly path: string; readonly size: number }[], into: Uint8Array): Promise<void>;
}

/** A tree without anything: what FROM scratch begins with. */
export const EMPTY_TREE: FileTree = {
  get: async (path) => (path === '' ? { kind: 'folder', mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0, inode: null } : null),
  list: async () => [],
  folder: async () => EMPTY_LISTING,
  readLink: async (path) => Promise.reject(gone(path)),
  attributes: async () => undefined,
  open: async (path) => Promise.reject(gone(path)),
  read: async ([first]) => first && Promise.reject(gone(first.path)),
};

function gone(path: string): NacelleError {
  return new NacelleError(`read ${path}: it is not there`, { code: 'ENOENT' });
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/** Folders that are kept open, since what is asked for next is mostly in one of them. */
const MOST_OPEN = 32;

/** Which extended attributes of files COPY keeps, and how. */
export interface KeepAttributes {
  /** Bytes of those of all files in one folder. */
  readonly most: number;
  /** @param shown the folder, for errors */
  keep(found: readonly FileAttribute[] | 'too many', shown: string): FolderAttributes;
}

/** What a tree has beside the files' own bytes. */
export interface TreeOptions {
  readonly ids?: TreeIds | undefined;
  /** Default: none are read. */
  readonly attributes?: KeepAttributes | undefined;
}

const SAME_IDS: TreeIds = { uid: (id) => id, gid: (id) => id };

interface OpenFolder {
  readonly handle: Promise<FileHandle>;
  uses: number;
}

/**
 * A folder of this machine. Somebody may change it meanwhile: whatever is looked at or opened is so in its folder, by the name there, and the folder was
 * checked to be what was meant, and not where a link led that was put in its way.
 */
export class FolderTree implements FileTree {
  readonly #root: FileHandle;
  readonly #base: string;
  readonly #ids: TreeIds;
  readonly #attributes: KeepAttributes | undefined;
  /** By their paths, the one that was used last at the end. */
  readonly #folders = new Map<string, OpenFolder>();

  private constructor(root: FileHandle, base: string, { ids = SAME_IDS, attributes }: TreeOptions) {
    this.#root = root;
    this.#base = base;
    this.#ids = ids;
    this.#attributes = attributes;
  }

  static async open(path: string, options: TreeOptions = {}): Promise<FolderTree> {
    const root = await open(path, O_RDONLY | O_DIRECTORY);
    try {
      return new FolderTree(root, await pathOf(root), options);
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled([...this.#folders.values()].map(({ handle }) => handle));
    for (const one of opened) if (one.status === 'fulfilled') await one.value.close();
    this.#folders.clear();
    await this.#root.close();
  }

  async get(path: string): Promise<TreeEntry | null> {
    try {
      const found = path === '' ? await this.#root.stat({ bigint: true }) : await this.#in(path, (place) => lstat(place, { bigint: true }));
      const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : found.isSymbolicLink() ? 'link' : 'other';
      return {
        kind,
        mode: Number(found.mode) & 0o7777,
        uid: this.#ids.uid(Number(found.uid)),
        gid: this.#ids.gid(Number(found.gid)),
        mtime: Number((found.mtimeNs - (((found.mtimeNs % SECOND) + SECOND) % SECOND)) / SECOND),
        size: Number(found.size),
        // as a folder's listing has it: numbers of 64 bits are not exact here otherwise
        inode: found.nlink > 1n && kind === 'file' ? `${found.dev}:${found.ino >> 32n}:${found.ino & 0xffff_ffffn}` : null,
      };
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
      throw ofPath(path, error);
    }
  }

  async list(path: string): Promise<readonly string[]> {
    const names = await this.#asked(path, () => this.#within(path, (place) => readdir(place, { encoding: 'buffer' })));
    return names.toSorted(Buffer.compare).map((name) => textOf(name, path));
  }

  async readLink(path: string): Promise<string> {
    return this.#asked(path, () => this.#in(path, (place) => readlink(place)));
  }

  async folder(path: string): Promise<FolderListing> {
    const keep = this.#attributes;
    return this.#asked(path, async () => {
      const found = await listFolder(this.#root.fd, path, keep?.most ?? 0);
      const listing = folderListing(path, found, this.#ids);
      return { ...listing, attributes: keep ? keep.keep(found.attributes(namesOf(listing)), path) : new Map() };
    });
  }

  async attributes(path: string): Promise<TarEntry['xattrs']> {
    const keep = this.#attributes;
    if (!keep) return undefined;
    const [folder, name] = splitPath(path);
    const found = await this.#asked(folder, () => this.#within(folder, (place) => fileAttributes(place, [name], keep.most)));
    return keep.keep(found, folder).get(name);
  }

  /** A FIFO that takes a file's place is not waited for. */
  async open(path: string): Promise<FileHandle> {
    const file = await this.#asked(path, () => this.#in(path, (place) => open(place, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)));
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw changed(path);
  }

  async read(files: readonly { readonly path: string; readonly size: number }[], into: Uint8Array): Promise<void> {
    const unread = await readContents(this.#root.fd, files, into);
    if (!unread) return;
    const path = files[unread.place]?.path ?? '';
    await this.#asked(path, () => Promise.reject(unread.error ?? changed(path)));
  }

  /** What was a folder, or a file, when it was looked at is none now when the kernel says so. */
  async #asked<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw hasCode(error, 'ENOTDIR', 'ELOOP') ? changed(path) : ofPath(path, error);
    }
  }

  /** Does something with a file by its name in its folder. A link in the last place is followed when `work` does so. */
  #in<T>(path: string, work: (place: string) => Promise<T>): Promise<T> {
    const [folder, name] = splitPath(path);
    return this.#within(folder, (place) => work(`${place}/${name}`));
  }

  async #within<T>(folder: string, work: (place: string) => Promise<T>): Promise<T> {
    if (folder === '') return work(`/proc/self/fd/${this.#root.fd}`);
    const found = this.#folders.get(folder) ?? { handle: this.#open(folder), uses: 0 };
    // the map keeps the order in which its keys came
    this.#folders.delete(folder);
    this.#folders.set(folder, found);
    found.uses++;
    try {
      return await work(`/proc/self/fd/${(await found.handle).fd}`);
    } finally {
      found.uses--;
      await this.#letGo();
    }
  }

  async #letGo(): Promise<void> {
    for (const [path, { handle, uses }] of this.#folders) {
      if (this.#folders.size <= MOST_OPEN) return;
      if (uses > 0) continue;
      this.#folders.delete(path);
      await (await handle).close();
    }
  }

  async #open(folder: string): Promise<FileHandle> {
    try {
      const opened = await open(`/proc/self/fd/${this.#root.fd}/${folder}`, O_PATH | O_DIRECTORY | O_NOFOLLOW);
      try {
        if ((await pathOf(opened)) !== `${this.#base === '/' ? '' : this.#base}/${folder}`) throw changed(folder);
        return opened;
      } catch (error) {
        await opened.close();
        throw error;
      }
    } catch (error) {
      this.#folders.delete(folder);
      throw error;
    }
  }
}

/** The folder that a path is in, and the name there. */
function splitPath(path: string): readonly [string, string] {
  const end = path.lastIndexOf('/');
  return [path.slice(0, Math.max(0, end)), path.slice(end + 1)];
}

/** What Node says of a path below `/proc/self/fd`, said of the path that was meant. */
function ofPath(path: string, error: unknown): unknown {
  return systemError(`read ${path || '/'}`, error);
}

function changed(path: string): NacelleError {
  return new NacelleError(`read ${path}: it was changed while it was read`, { code: 'ERR_CHANGED' });
}

/** Where an open file is, by the kernel's word. */
function pathOf(file: FileHandle): Promise<string> {
  return readlink(`/proc/self/fd/${file.fd}`);
}

function textOf(name: Buffer, folder: string): string {
  const text = name.toString();
  if (Buffer.from(text).equals(name)) return text;
  throw new NacelleError(`read the folder ${folder || '/'}: the name ${JSON.stringify(text)} is not UTF-8`, { code: 'EILSEQ' });
}

/** As the kernel's limit (path_resolution(7)). */
const MOST_LINKS = 40;
/** Of a path and of the links in it: the kernel has no longer path. */
const MOST_NAMES = 4096;

/**
 * Finds the path that a path leads to, its links followed below the tree's root. What is not there is part of the path that comes back.
 *
 * @throws NacelleError ELOOP
 */
export async function resolveIn(
  tree: Pick<FileTree, 'get' | 'readLink'>,
  path: string,
): Promise<{ readonly path: string; readonly entry: TreeEntry | null }> {
  const open = path.split('/').reverse();
  let links = 0;
  const at: string[] = [];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at.pop();
      continue;
    }
    const next = [...at, name].join('/');
    const entry = await tree.get(next);
    if (entry?.kind !== 'link') {
      at.push(name);
      continue;
    }
    links++;
    if (links > MOST_LINKS) throw new NacelleError(`follow ${path}: too many links`, { code: 'ELOOP' });
    const target = await tree.readLink(next);
    if (target.startsWith('/')) at.length = 0;
    open.push(...target.split('/').reverse());
    if (open.length > MOST_NAMES) throw new NacelleError(`follow ${path}: too many names`, { code: 'ENAMETOOLONG' });
  }
  const found = at.join('/');
  return { path: found, entry: await tree.get(found) };
}
