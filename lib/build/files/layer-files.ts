import { InstructionProblem } from '../language/build-error.js';
import type { IgnoreRules, Matched } from '../language/ignore-file.js';
import { cleanPath, hasWildcard, wildcardTest } from '../language/ignore-pattern.js';
import type { ChangeMode } from './chmod.js';
import type { Owner } from './chown.js';
import { type FileTree, resolveIn, type TreeEntry } from './file-tree.js';
import type { TarEntry } from './tar-header.js';

/** A file of a layer, and where its bytes come from. */
export interface LayerFile extends TarEntry {
  readonly bytes: { readonly tree: FileTree; readonly path: string } | { readonly content: Buffer } | null;
}

export interface CopyRequest {
  /** What is copied from, and what of it is left out. */
  readonly from: FileTree;
  readonly ignored: IgnoreRules | null;
  /** Each as it is written, its variables expanded. */
  readonly sources: readonly string[];
  /** Contents that are written in the Dockerfile. */
  readonly inline: readonly { readonly name: string; readonly content: string }[];
  /** The files that are there already. */
  readonly onto: FileTree;
  /** Absolute; a '/' at its end means a folder. */
  readonly target: string;
  readonly excludes: IgnoreRules;
  /** `null`: as the source has it. */
  readonly owner: Owner | null;
  readonly chmod: ChangeMode | null;
  /** Of folders that are made on the way; seconds since the epoch. */
  readonly madeAt: number;
  /** Called with each source that is a file, before it is copied. */
  readonly onFile?: ((path: string) => Promise<void>) | undefined;
}

/**
 * What a COPY adds to the files that are there, folders before their content, as BuildKit copies.
 *
 * @throws InstructionProblem for a source that is missing, and for a file where a folder is and the other way round
 */
export async function layerFiles(request: CopyRequest): Promise<LayerFile[]> {
  const copier = new Copier(request);
  for (const source of request.sources) await copier.copy(source);
  for (const { name, content } of request.inline) await copier.write(name, Buffer.from(content));
  return copier.files;
}

class Copier {
  readonly files: LayerFile[] = [];
  readonly #request: CopyRequest;
  /** What this instruction has made, over what was there. */
  readonly #made = new Map<string, LayerFile['type']>();
  /** The first name of each file that has several, and the other way round. */
  readonly #inodes = new Map<string, string>();
  readonly #inodeAt = new Map<string, string>();

  constructor(request: CopyRequest) {
    this.#request = request;
  }

  async copy(source: string): Promise<void> {
    const clean = cleanPath(`/${source}`).slice(1);
    const found = hasWildcard(clean) ? await this.#matches(clean) : [clean];
    for (const path of found) await this.#copyOne(path);
  }

  async write(name: string, content: Buffer): Promise<void> {
    const target = await this.#targetOf(name, false);
    await this.#file(target, { mode: 0o644, uid: 0, gid: 0, mtime: this.#request.madeAt, size: content.length }, { content });
  }

  async #copyOne(source: string): Promise<void> {
    const { from, ignored } = this.#request;
    const { path, entry } = await resolveIn(from, source);
    const isHidden = path !== '' && ignored?.test(path).isIgnored === true;
    const reachable = isHidden && entry?.kind === 'folder' && ignored?.mayReachInto(path) === true;
    if (!entry || (isHidden && !reachable))
      throw new InstructionProblem(`${JSON.stringify(`/${source}`)}: not found${isHidden ? ': the ignore file leaves it out' : ''}`);
    if (entry.kind === 'file') await this.#request.onFile?.(path);
    const target = await this.#targetOf(source, entry.kind === 'folder');
    if (entry.kind === 'folder') await this.#folder(path, target, { isTop: true, inside: '' });
    else await this.#entry(path, entry, target);
  }

  /** Where something goes, the folders above made. */
  async #targetOf(source: string, isFolder: boolean): Promise<string> {
    const { onto, target } = this.#request;
    const { path } = await resolveIn(onto, target);
    const kind = await this.#kindAt(path);
    const isInto = !isFolder && (target.endsWith('/') || kind === 'folder');
    if (isInto) await this.#makeFolders(path);
    else await this.#makeFolders(isFolder ? path : path.split('/').slice(0, -1).join('/'));
    const name = source.split('/').at(-1) ?? '';
    if (!isInto) return path;
    return path === '' ? name : `${path}/${name}`;
  }

  async #kindAt(path: string): Promise<'file' | 'folder' | 'link' | 'hardlink' | 'other' | null> {
    return this.#made.get(path) ?? (await this.#request.onto.get(path))?.kind ?? null;
  }

  async #makeFolders(path: string): Promise<void> {
    const names = path === '' ? [] : path.split('/');
    for (const index of names.keys()) {
      const folder = names.slice(0, index + 1).join('/');
      const kind = await this.#kindAt(folder);
      if (kind === 'folder') continue;
      if (kind !== null) throw new InstructionProblem(`cannot copy to non-directory: /${folder}`);
      const { uid, gid } = this.#request.owner ?? { uid: 0, gid: 0 };
      this.#add({ path: folder, type: 'folder', mode: 0o755, uid, gid, mtime: this.#request.madeAt, size: 0, target: '', bytes: null });
    }
  }

  async #folder(path: string, target: string, { isTop, inside, above, excluded }: Walk): Promise<void> {
    const { from, ignored, excludes } = this.#request;
    if (!isTop) await this.#folderEntry(path, target);
    for (const name of await from.list(path)) {
      const child = path === '' ? name : `${path}/${name}`;
      const relative = inside === '' ? name : `${inside}/${name}`;
      const entry = await from.get(child);
      if (!entry) throw new InstructionProblem(`/${child} was removed while it was copied`);
      const hidden = ignored?.test(child, above);
      const left = excludes.test(relative, excluded);
      const isOut = hidden?.isIgnored === true || left.isIgnored;
      const next = target === '' ? name : `${target}/${name}`;
      if (entry.kind !== 'folder') {
        if (!isOut) await this.#entry(child, entry, next);
        continue;
      }
      const mayReach = (hidden?.isIgnored && ignored?.mayReachInto(child)) || (left.isIgnored && excludes.mayReachInto(relative));
      if (isOut && !mayReach) continue;
      const walk = { isTop: false, inside: relative, above: hidden?.matched, excluded: left.matched };
      if (!isOut) await this.#folder(child, next, walk);
      // a folder that is left out, of which something is not, is there only for that
      else if (await this.#holdsAny(child, walk)) await this.#folder(child, next, walk);
    }
  }

  /** Whether something below a folder that is left out is copied. */
  async #holdsAny(path: string, { inside, above, excluded }: Walk): Promise<boolean> {
    const { from, ignored, excludes } = this.#request;
    for (const name of await from.list(path)) {
      const child = `${path}/${name}`;
      const relative = `${inside}/${name}`;
      const hidden = ignored?.test(child, above);
      const left = excludes.test(relative, excluded);
      if (hidden?.isIgnored !== true && !left.isIgnored) return true;
      const walk = { isTop: false, inside: relative, above: hidden?.matched, excluded: left.matched };
      if ((await from.get(child))?.kind === 'folder' && (await this.#holdsAny(child, walk))) return true;
    }
    return false;
  }

  async #folderEntry(path: string, target: string): Promise<void> {
    const entry = await this.#request.from.get(path);
    if (entry?.kind !== 'folder') throw new InstructionProblem(`/${path} was changed while it was copied`);
    const kind = await this.#kindAt(target);
    if (kind !== null && kind !== 'folder') throw new InstructionProblem(`cannot copy to non-directory: /${target}`);
    this.#add({
      path: target,
      type: 'folder',
      ...this.#ownerOf(entry),
      mode: this.#modeOf(entry, true),
      mtime: entry.mtime,
      size: 0,
      target: '',
      bytes: null,
    });
  }

  async #entry(path: string, entry: TreeEntry, target: string): Promise<void> {
    const { from } = this.#request;
    if (entry.kind === 'other') throw new InstructionProblem(`/${path} is a device, a FIFO or a socket: it can't be copied`);
    if (entry.kind === 'file') return this.#file(target, entry, { tree: from, path });
    await this.#refuseFolderAt(target);
    const link = await from.readLink(path);
    this.#add({ path: target, type: 'link', ...this.#ownerOf(entry), mode: 0o777, mtime: entry.mtime, size: 0, target: link, bytes: null });
  }

  async #file(
    target: string,
    entry: Omit<TreeEntry, 'kind' | 'inode'> & { readonly inode?: string | null },
    bytes: NonNullable<LayerFile['bytes']>,
  ): Promise<void> {
    await this.#refuseFolderAt(target);
    const common = { path: target, ...this.#ownerOf(entry), mode: this.#modeOf(entry, false), mtime: entry.mtime };
    const first = entry.inode ? this.#inodes.get(entry.inode) : undefined;
    if (first !== undefined) {
      this.#add({ ...common, type: 'hardlink', size: 0, target: first, bytes: null });
      return;
    }
    this.#add({ ...common, type: 'file', size: entry.size, target: '', bytes }, entry.inode);
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

  #add(file: LayerFile, inode: string | null = null): void {
    // what takes the place of a file is none that others are names of
    const before = this.#inodeAt.get(file.path);
    if (before !== undefined) this.#inodes.delete(before);
    this.#inodeAt.delete(file.path);
    if (inode !== null) {
      this.#inodes.set(inode, file.path);
      this.#inodeAt.set(file.path, inode);
    }
    this.#made.set(file.path, file.type);
    this.files.push(file);
  }

  /** The paths that a pattern matches, name by name: none is no error. Links are followed in the names before the first wildcard alone. */
  async #matches(pattern: string): Promise<string[]> {
    const { from, ignored } = this.#request;
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
          if (matches(name) && !(ignored?.test(path).isIgnored && !ignored.mayReachInto(path))) next.push(path);
        }
      }
      found = next;
    }
    return found;
  }
}

interface Walk {
  /** The folder that is copied itself: what is there in its place keeps its mode and owner. */
  readonly isTop: boolean;
  /** The path below what is copied. */
  readonly inside: string;
  readonly above?: Matched | undefined;
  readonly excluded?: Matched | undefined;
}
