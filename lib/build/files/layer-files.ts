import { DEFAULT_LIMITS } from '../../image/formats/default-limits.js';
import { nextTurn } from '../../native/clock.js';
import { InstructionProblem } from '../language/build-error.js';
import { IgnoreRules } from '../language/ignore-file.js';
import { cleanPath, hasWildcard, wildcardTest } from '../language/ignore-pattern.js';
import { type ArchiveEntry, unpackOnto } from './archive-files.js';
import type { ChangeMode } from './chmod.js';
import type { Owner } from './chown.js';
import { childOf, type FileFacts, type Found, type Look, NOTHING_LEFT_OUT, nameOf, type Walk } from './copy-walk.js';
import type { FetchedFile, NotedFile } from './fetch-file.js';
import { type FileTree, resolveIn } from './file-tree.js';
import type { FolderListing } from './folder-listing.js';
import type { CopiedFolder, LaidFiles } from './laid-files.js';
import { Landing } from './landing.js';
import type { LayerFile } from './layer-file.js';
import type { TreeEntry } from './tree-entry.js';

export interface CopyRequest {
  /** What is copied from, and what of it is left out. */
  readonly from: FileTree;
  readonly ignored: IgnoreRules | null;
  /** Each as it is written, its variables expanded, or what was fetched for it, or what is known of that. */
  readonly sources: readonly (string | FetchedFile | NotedFile | OwnFolder)[];
  /** Contents that are written in the Dockerfile. */
  readonly inline: readonly { readonly name: string; readonly content: string }[];
  /** The files that are there already. */
  readonly onto: FileTree;
  /** Absolute; a '/' at its end means a folder. */
  readonly target: string;
  readonly excludes: IgnoreRules;
  /** Sources keep the folders that they are in: `--parents`. */
  readonly parents?: boolean | undefined;
  /** `null`: as the source has it. */
  readonly owner: Owner | null;
  readonly chmod: ChangeMode | null;
  /** Of folders that are made on the way, and the time of these in seconds since the epoch. */
  readonly folderMode: number;
  readonly madeAt: number;
  readonly signal?: AbortSignal | undefined;
  /** How many files a layer may have. Default: as many as are unpacked again (docs/images.md#limits). */
  readonly most?: number | undefined;
  /** What is in a source that is an archive, which is unpacked then; `null`: it is none, and is copied. */
  readonly openArchive?: ((source: ArchiveSource) => Promise<readonly ArchiveEntry[] | null>) | undefined;
}

/** A folder of our own that nobody else changes, of which the content is copied. */
export interface OwnFolder {
  readonly tree: FileTree;
  readonly path: string;
}

/** A file of the tree that is copied from, or one that was fetched. */
export type ArchiveSource = { readonly path: string; readonly size: number } | FetchedFile;

/**
 * What a COPY adds to the files that are there, folders before their content, as BuildKit copies.
 *
 * @throws InstructionProblem for a source that is missing, and for a file where a folder is and the other way round
 */
export async function layerFiles(request: CopyRequest): Promise<LaidFiles> {
  const landing = new Landing(request.onto);
  const copier = new Copier(request, landing);
  for (const source of request.sources) {
    if (typeof source === 'string') await copier.copy(source);
    else if ('url' in source) await copier.place(source);
    else await new Copier({ ...request, from: source.tree, ignored: null }, landing, true).copyContent(source.path);
  }
  for (const { name, content } of request.inline) await copier.write(name, Buffer.from(content));
  return landing.files;
}

/** Others have their turn after so many entries. */
const AT_A_TIME = 256;

class Copier {
  readonly #request: CopyRequest;
  readonly #landing: Landing;

  /** The tree is one that nobody else changes. */
  readonly #isOwn: boolean;

  /** Entries of folders so far. */
  #seen = 0;

  /** Of files so far. */
  #bytes = 0;

  constructor(request: CopyRequest, landing: Landing, isOwn = false) {
    this.#request = request;
    this.#landing = landing;
    this.#isOwn = isOwn;
  }

  get files(): LaidFiles {
    return this.#landing.files;
  }

  async copy(source: string): Promise<void> {
    if (this.#request.parents) return this.#copyParents(source);
    const clean = cleanPath(`/${source}`).slice(1);
    const found = hasWildcard(clean) ? await this.#matches(clean) : [clean];
    for (const path of found) await this.#copyOne(path);
  }

  async copyContent(folder: string): Promise<void> {
    await this.#folder(folder, await this.#targetOf('', true), { inside: '' });
  }

  async write(name: string, content: Buffer): Promise<void> {
    const target = await this.#targetOf(name, false);
    await this.#file(target, { mode: 0o644, uid: 0, gid: 0, mtime: this.#request.madeAt, size: content.length }, { content });
  }

  /** Puts a file that was fetched where it belongs, or unpacks it. */
  async place(fetched: FetchedFile | NotedFile): Promise<void> {
    const archive = 'file' in fetched ? await this.#request.openArchive?.(fetched) : null;
    if (archive) return this.#unpack(archive);
    const { name, mtime, size, hash } = fetched;
    const target = await this.#targetOf(name, false);
    const bytes = 'file' in fetched ? { file: fetched.file, at: 0, hash } : { hash };
    await this.#file(target, { mode: 0o600, uid: 0, gid: 0, mtime, size }, bytes);
  }

  async #copyOne(source: string): Promise<void> {
    const { path, entry } = await resolveIn(this.#request.from, source);
    const isLeftOut = entry !== null && (await this.#isLeftOut(path, entry));
    if (!entry || isLeftOut)
      throw new InstructionProblem(`${JSON.stringify(`/${source}`)}: not found${isLeftOut ? ': the ignore file leaves it out' : ''}`);
    const archive = entry.kind === 'file' ? await this.#request.openArchive?.({ path, size: entry.size }) : null;
    if (archive) return this.#unpack(archive);
    const target = await this.#targetOf(source, entry.kind === 'folder');
    if (entry.kind === 'folder') await this.#folder(path, target, { inside: '' });
    else await this.#entry(path, { entry, xattrs: await this.#request.from.attributes(path) }, target);
  }

  /** Copies what a path matches with the folders that it is in, from the root on, or from what is before '/./'. */
  async #copyParents(source: string): Promise<void> {
    const { from } = this.#request;
    const pivot = source.indexOf('/./');
    const [root, rest] = pivot < 0 ? ['', source] : [source.slice(0, pivot), source.slice(pivot + 2)];
    const top = cleanPath(`/${root}`).slice(1);
    const pattern = cleanPath(`/${rest}`).slice(1);
    const parents = new IgnoreRules([pattern]);
    const before = this.files.length;
    let made = 0;
    for (const path of hasWildcard(top) ? await this.#matches(top) : [top]) {
      const found = await resolveIn(from, path);
      if (found.entry?.kind !== 'folder') continue;
      const start = this.files.length;
      const target = await this.#targetOf(path, true);
      made += this.files.length - start;
      await this.#folder(found.path, target, { inside: '', parents });
    }
    const isPlain = pattern !== '' && !hasWildcard(top) && !hasWildcard(pattern);
    if (isPlain && this.files.length === before + made) throw new InstructionProblem(`${JSON.stringify(`/${source}`)}: not found`);
  }

  async #unpack(entries: readonly ArchiveEntry[]): Promise<void> {
    const { target, owner, madeAt, signal } = this.#request;
    const { path } = await resolveIn(this.#landing, target);
    // --chmod changes nothing of what is unpacked, nor where
    await this.#makeFolders(path, 0o755);
    await unpackOnto(this.#landing, entries, { folder: path, owner, madeAt, signal });
  }

  /** Where something goes, the folders above made. */
  async #targetOf(source: string, isFolder: boolean): Promise<string> {
    const { target } = this.#request;
    const { path } = await resolveIn(this.#landing, target);
    const kind = await this.#kindAt(path);
    const isInto = !isFolder && (target.endsWith('/') || kind === 'folder');
    if (isInto) await this.#makeFolders(path);
    else await this.#makeFolders(isFolder ? path : path.split('/').slice(0, -1).join('/'));
    const name = source.split('/').at(-1) ?? '';
    if (!isInto) return path;
    return path === '' ? name : `${path}/${name}`;
  }

  async #kindAt(path: string): Promise<TreeEntry['kind'] | null> {
    return (await this.#landing.get(path))?.kind ?? null;
  }

  async #makeFolders(path: string, mode = this.#request.folderMode): Promise<void> {
    const { owner, madeAt } = this.#request;
    await this.#landing.makeFolders(path, { ...(owner ?? { uid: 0, gid: 0 }), mode, mtime: madeAt });
  }

  async #folder(path: string, target: string, walk: Walk): Promise<void> {
    const listing = await this.#request.from.folder(path);
    const copied = this.#copiedFolder(path, target, listing);
    // where nothing was, nothing is looked for: there are the files of this folder, which have different names
    const isNew = this.#landing.beginIn(target);
    for (let place = 0; place < listing.count; place++) {
      if (++this.#seen % AT_A_TIME === 0) await this.#pause();
      const name = listing.name(place);
      const child = childOf(path, name);
      const entry = listing.entry(place);
      if (!entry) throw new InstructionProblem(`/${child} was removed while it was copied`);
      const { isOut, mayHold, below } = this.#look(child, name, walk);
      const next = childOf(target, name);
      const found = { entry, xattrs: listing.attributes.get(name), isNew };
      if (!isOut) this.#requireRoom();
      if (entry.kind === 'file') {
        if (isOut) continue;
        if (isNew && entry.inode === null) {
          this.#requireBytes(entry.size);
          this.#landing.addFrom(copied, place, next);
          continue;
        }
        if (!isNew && !this.#landing.isFree(next)) await this.#refuseFolderAt(next);
        this.#addFile(next, { ...entry, xattrs: found.xattrs, isNew }, this.#bytesAt(child));
        continue;
      }
      if (entry.kind !== 'folder') {
        if (!isOut) await this.#entry(child, found, next);
        continue;
      }
      // a folder that is left out, of which something is not, is there only for that
      if (isOut && !(mayHold && (await this.#holdsAny(child, below)))) continue;
      await this.#folderEntry(next, { ...found, isOnTheWay: below.isOnTheWay === true });
      await this.#folder(child, next, below);
    }
  }

  /** The files of a folder as they are copied, each of which has one name. */
  #copiedFolder(path: string, target: string, { name, entry: entryAt, attributes }: FolderListing): CopiedFolder {
    const file = (place: number): LayerFile => {
      const own = name(place);
      const child = childOf(path, own);
      const entry = entryAt(place);
      // whoever asks was told before that something is there
      if (!entry) throw new InstructionProblem(`/${child} was removed while it was copied`);
      return this.#fileOf(childOf(target, own), entry, attributes.get(own), this.#bytesAt(child));
    };
    return { target, name, file };
  }

  /** @throws InstructionProblem */
  #requireRoom(): void {
    const { most = DEFAULT_LIMITS.maxEntries } = this.#request;
    if (this.files.length < most) return;
    throw new InstructionProblem(`more than ${most.toLocaleString('en')} files are copied, which is more than a layer may have`);
  }

  /** @throws InstructionProblem */
  #requireBytes(size: number): void {
    this.#bytes += size;
    if (this.#bytes <= DEFAULT_LIMITS.maxBytes) return;
    const most = `${DEFAULT_LIMITS.maxBytes / 1024 ** 3} GiB`;
    throw new InstructionProblem(`files of more than ${most} are copied, which is more than a layer may have`);
  }

  /** Others have their turn. @throws the reason of `signal` */
  async #pause(): Promise<void> {
    await nextTurn();
    this.#request.signal?.throwIfAborted();
  }

  /** Whether something in a folder is left out, and whether what is below it may not be. */
  #look(child: string, name: string, { inside, above, excluded, parents, included }: Walk): Look {
    const { ignored, excludes } = this.#request;
    if (!parents && excludes.isEmpty && (ignored === null || ignored.isEmpty)) return NOTHING_LEFT_OUT;
    const relative = inside === '' ? name : `${inside}/${name}`;
    const hidden = ignored?.test(child, above);
    const left = excludes.test(relative, excluded);
    const wanted = parents?.test(relative, included);
    const isOut = hidden?.isIgnored === true || left.isIgnored || wanted?.isIgnored === false;
    const mayHold =
      (!hidden?.isIgnored || ignored?.mayReachInto(child) === true) &&
      (!left.isIgnored || excludes.mayReachInto(relative)) &&
      (wanted?.isIgnored !== false || parents?.mayMatchInto(relative) === true);
    const below: Walk = {
      ...{ inside: relative, parents, isOnTheWay: left.isIgnored || wanted?.isIgnored === false },
      ...{ above: hidden?.matched, excluded: left.matched, included: wanted?.matched },
    };
    return { isOut, mayHold, below };
  }

  /** Whether the ignore file leaves something out, and all that is in it. */
  async #isLeftOut(path: string, { kind }: Pick<TreeEntry, 'kind'>): Promise<boolean> {
    const { from, ignored } = this.#request;
    if (path === '' || ignored?.test(path).isIgnored !== true) return false;
    if (kind !== 'folder' || !ignored.mayReachInto(path)) return true;
    for (const name of await from.list(path)) {
      const entry = await from.get(`${path}/${name}`);
      if (entry && !(await this.#isLeftOut(`${path}/${name}`, entry))) return false;
    }
    return true;
  }

  /** Whether something below a folder that is left out is copied. */
  async #holdsAny(path: string, walk: Walk): Promise<boolean> {
    for (const name of await this.#request.from.list(path)) {
      const child = path === '' ? name : `${path}/${name}`;
      const { isOut, mayHold, below } = this.#look(child, name, walk);
      if (!isOut) return true;
      if (mayHold && (await this.#request.from.get(child))?.kind === 'folder' && (await this.#holdsAny(child, below))) return true;
    }
    return false;
  }

  async #folderEntry(target: string, { entry, isOnTheWay, xattrs, isNew }: Found & { readonly isOnTheWay: boolean }): Promise<void> {
    const before = isNew ? null : await this.#landing.get(target);
    if (before !== null && before.kind !== 'folder') throw new InstructionProblem(`cannot copy to non-directory: /${target}`);
    // of a folder that is there, one that only leads to what is copied changes the mode alone
    const { uid, gid, mtime } = before && isOnTheWay ? before : { ...this.#ownerOf(entry), mtime: entry.mtime };
    const mode = before && isOnTheWay ? entry.mode : this.#modeOf(entry, true);
    const folder = { path: target, type: 'folder', ...{ mode, uid, gid, mtime }, size: 0, target: '', bytes: null, xattrs } as const;
    if (before) this.#landing.add(folder);
    else this.#landing.addNewFolder(folder, isNew);
  }

  async #entry(path: string, { entry, xattrs, isNew = false }: Found, target: string): Promise<void> {
    const { from } = this.#request;
    if (entry.kind === 'other') throw new InstructionProblem(`/${path} is a device, a FIFO or a socket: it can't be copied`);
    if (entry.kind === 'file') return this.#file(target, { ...entry, xattrs }, this.#bytesAt(path));
    if (!isNew) await this.#refuseFolderAt(target);
    const link = await from.readLink(path);
    const common = { path: target, type: 'link', ...this.#ownerOf(entry), mode: 0o777, mtime: entry.mtime } as const;
    this.#landing.add({ ...common, size: 0, target: link, bytes: null }, null, isNew);
  }

  async #file(
    target: string,
    entry: FileFacts & { readonly inode?: string | null },
    bytes: NonNullable<LayerFile['bytes']>,
  ): Promise<void> {
    await this.#refuseFolderAt(target);
    this.#addFile(target, entry, bytes);
  }

  #bytesAt(path: string): NonNullable<LayerFile['bytes']> {
    const { from: tree } = this.#request;
    return this.#isOwn ? { tree, path, isOwn: true } : { tree, path };
  }

  #addFile(
    target: string,
    entry: FileFacts & { readonly inode?: string | null; readonly isNew?: boolean },
    bytes: NonNullable<LayerFile['bytes']>,
  ): void {
    const first = entry.inode ? this.#landing.firstName(entry.inode) : undefined;
    if (first === undefined) this.#requireBytes(entry.size);
    const file = this.#fileOf(target, entry, entry.xattrs, bytes);
    if (first === undefined) this.#landing.add(file, entry.inode, entry.isNew);
    else this.#landing.add(nameOf(file, first), null, entry.isNew);
  }

  #fileOf(path: string, entry: Omit<FileFacts, 'xattrs'>, xattrs: FileFacts['xattrs'], bytes: NonNullable<LayerFile['bytes']>): LayerFile {
    const { uid, gid } = this.#request.owner ?? entry;
    const mode = this.#modeOf(entry, false);
    return { path, type: 'file', mode, uid, gid, mtime: entry.mtime, size: entry.size, target: '', bytes, xattrs };
  }

  async #refuseFolderAt(target: string): Promise<void> {
    if (target === '' || (await this.#kindAt(target)) === 'folder')
      throw new InstructionProblem(`cannot replace to directory /${target} with file`);
  }

  #ownerOf({ uid, gid }: { readonly uid: number; readonly gid: number }): Owner {
    return this.#request.owner ?? { uid, gid };
  }

  #modeOf({ mode }: { readonly mode: number }, isFolder: boolean): number {
    return this.#request.chmod?.(mode, isFolder) ?? mode;
  }

  /** The paths that a pattern matches, name by name: none is no error. Links are followed in the names before the first wildcard alone. */
  async #matches(pattern: string): Promise<string[]> {
    const { from } = this.#request;
    const parts = pattern.split('/');
    const first = parts.findIndex(hasWildcard);
    let found = [(await resolveIn(from, parts.slice(0, first).join('/'))).path];
    for (const part of parts.slice(first)) {
      const matches = wildcardTest(part);
      const next: string[] = [];
      for (const folder of found) {
        if ((await from.get(folder))?.kind !== 'folder') continue;
        for (const name of await from.list(folder)) {
          const path = folder === '' ? name : `${folder}/${name}`;
          const entry = matches(name) ? await from.get(path) : null;
          if (entry && !(await this.#isLeftOut(path, entry))) next.push(path);
        }
      }
      found = next;
    }
    return found;
  }
}
