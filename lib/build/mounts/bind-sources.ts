import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { digestOf } from '../../image/formats/digest.js';
import type { Image } from '../../image/image.js';
import { makeFolder } from '../../store/store-root.js';
import { type OpenFolder, temporaryFolder } from '../../store/temporary-folder.js';
import { unpackInto } from '../../volume/volume-content.js';
import { copiedContent } from '../files/copied-content.js';
import { EMPTY_TREE, type FileTree, resolveIn } from '../files/file-tree.js';
import { openImageRoot } from '../files/image-root.js';
import { layerFiles } from '../files/layer-files.js';
import { layerTar } from '../files/layer-tar.js';
import { RememberedTree } from '../files/remembered-tree.js';
import type { TreeEntry } from '../files/tree-entry.js';
import { InstructionProblem } from '../language/build-error.js';
import { IgnoreRules } from '../language/ignore-file.js';
import { cleanPath } from '../language/ignore-pattern.js';

/** Where a bind is from. */
export interface BindSource {
  /** A digest of what the bind shows: names, kinds, modes, owners, bytes; not of times. */
  readonly content: string;
  /** What RUN sees of it, at a path of this machine. What is written there is gone when it is closed. */
  open(signal: AbortSignal | undefined): Promise<OpenFolder>;
}

/** The files of a context, without those that are ignored. */
export interface ContextTree {
  readonly tree: FileTree;
  readonly ignored: IgnoreRules | null;
}

const NOTHING = new IgnoreRules([]);

/** A path as a source of COPY that names nothing else. */
function literally(source: string): string {
  // in a name without a wildcard, a backslash is a character as any other
  if (!/[*?[]/.test(source)) return source;
  return source.replaceAll(/[*?[\\]/g, (character) => (character === '\\' ? '\\\\' : `[${character}]`));
}

async function found(tree: FileTree, source: string): Promise<{ readonly path: string; readonly entry: TreeEntry }> {
  const { path, entry } = await resolveIn(tree, source);
  if (!entry) throw new InstructionProblem(`${JSON.stringify(`/${source.replace(/^\/+/, '')}`)}: not found`);
  if (entry.kind !== 'folder' && entry.kind !== 'file')
    throw new InstructionProblem(`/${path} is neither a file nor a folder: it can't be mounted`);
  return { path, entry };
}

/**
 * A bind of the context: a copy of what it selects, since the context is the caller's own folder, which has files that are ignored.
 *
 * @throws InstructionProblem for what is missing or ignored
 */
export async function contextSource({ tree: files, ignored }: ContextTree, source: string, signal?: AbortSignal): Promise<BindSource> {
  const tree = new RememberedTree(files);
  const { path, entry } = await found(tree, source);
  const copy = { from: tree, ignored, sources: [literally(path)], inline: [], excludes: NOTHING, chmod: null };
  const { digest, bytes } = await copiedContent({ ...copy, hasOwner: false, signal });
  return {
    content: digestOf(Buffer.from(JSON.stringify([digest, entry.kind, entry.mode]))),
    open: async (cancelled) => {
      const entries = await layerFiles({
        ...copy,
        onto: EMPTY_TREE,
        target: '/',
        owner: null,
        folderMode: 0o755,
        madeAt: 0,
        signal: cancelled,
      });
      const folder = await temporaryTree(async (target) => {
        const tar = Readable.from(layerTar(entries, null, bytes), { objectMode: false });
        await unpackInto(target, tar, { owner: 'keep', what: 'copy the context', signal: cancelled });
        if (entry.kind === 'folder') await chmod(target, entry.mode);
      });
      return entry.kind === 'folder' ? folder : { ...folder, path: join(folder.path, path.split('/').at(-1) ?? '') };
    },
  };
}

/** A digest of all files of an image. @param image `null`: it has no files */
export function contentOfAll(image: Image | null): string {
  return digestOf(Buffer.from(JSON.stringify(image?.withLayers('mount').config.rootfs.diff_ids ?? [])));
}

/**
 * A bind of an image, or of the files of a stage.
 *
 * @param image `null`: it has no files
 * @param withFiles does something with the files, to be read
 * @throws InstructionProblem for what is missing
 */
export async function imageSource(
  image: Image | null,
  {
    source,
    readOnly,
    signal,
    withFiles,
  }: { source: string; readOnly: boolean; signal?: AbortSignal | undefined } & {
    readonly withFiles: <T>(work: (tree: FileTree) => Promise<T>) => Promise<T>;
  },
): Promise<BindSource> {
  const look = async (tree: FileTree): Promise<{ path: string; content: string }> => {
    const { path: real, entry } = await found(tree, source);
    // all layers tell the whole root, which may have devices
    if (real === '') return { path: real, content: contentOfAll(image) };
    const from = new RememberedTree(tree);
    const copy = { from, ignored: null, sources: [literally(real)], inline: [], excludes: NOTHING, chmod: null };
    const { digest } = await copiedContent({ ...copy, hasOwner: false, signal });
    const { kind, mode, uid, gid } = entry;
    return {
      path: real,
      content: digestOf(Buffer.from(JSON.stringify([digest, kind, mode, uid, gid, ...(await ownAttributes(from, real))]))),
    };
  };
  // the layers tell the whole root without being there
  const isWhole = cleanPath(`/${source}`) === '/';
  const { path, content } = isWhole ? { path: '', content: contentOfAll(image) } : await withFiles(look);
  if (image === null) return { content, open: () => temporaryTree(async () => undefined) };
  const open = async (cancelled: AbortSignal | undefined): Promise<OpenFolder> => {
    const root = await openImageRoot(image, { readOnly, signal: cancelled });
    return { ...root, path: join(root.path, path) };
  };
  return { content, open };
}

/** The attributes of the folder that is shown itself: those of a file are part of its content. */
async function ownAttributes(tree: FileTree, path: string): Promise<string[]> {
  const found = await tree.attributes(path);
  return [...(found ?? [])].flatMap(([key, value]) => [key, value.toString('base64')]);
}

/** A folder of the store that is root's of the containers. */
async function temporaryTree(fill: (folder: string) => Promise<void>): Promise<OpenFolder> {
  return temporaryFolder(async (path) => {
    await makeFolder(path);
    await chmod(path, 0o755);
    await fill(path);
  });
}
