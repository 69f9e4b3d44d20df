import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { invalidOption, isNacelleError, withCleanupError } from '../../errors.js';
import { formatReference, parseRegistryName } from '../../image/formats/reference.js';
import { Image } from '../../image/image.js';
import { now } from '../../native/clock.js';
import { wordsOf } from '../../native/system-errors.js';
import { temporaryFolder } from '../../store/temporary-folder.js';
import type { ArchiveEntry } from '../files/archive-files.js';
import { Spools } from '../files/archive-spool.js';
import { writeContext } from '../files/context-folder.js';
import { contextRules } from '../files/dockerfile-source.js';
import { type FileTree, FolderTree } from '../files/file-tree.js';
import type { Warn } from '../files/host-program.js';
import { keepAttributes } from '../files/kept-attributes.js';
import { InstructionProblem } from '../language/build-error.js';
import type { ContextTree } from '../mounts/bind-sources.js';
import { closeAll } from '../mounts/given-mounts.js';
import type { ParsedBuild } from './build-options.js';
import type { ContextFiles, FilesByPath } from './context-options.js';

/** What a name means that the caller has given: an image, one that has another name, or a folder. */
export type NamedContext = Image | ImageName | LayoutImage | ContextTree;

/** An image of the store or of a registry. */
export interface ImageName {
  readonly imageName: string;
}

/** An image of an OCI layout, which may be for several platforms: a reference, as of `Image.open`. */
export interface LayoutImage {
  readonly layout: string;
}

export interface Contexts {
  /** Where the files of the context are. */
  readonly folder: string;
  readonly tree: FileTree;
  readonly named: ReadonlyMap<string, NamedContext>;
  /** @returns what could not be closed or removed */
  close(): Promise<Error | undefined>;
}

/**
 * Opens what COPY takes files from. Files that are given, or come as a stream, are in a folder of the store until it is closed.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`; BuildError for an ignore file that is malformed; the reason of `cancelSignal`
 */
export async function openContexts(
  { context, contexts, cancelSignal, wanted }: Pick<ParsedBuild, 'context' | 'contexts' | 'cancelSignal' | 'wanted'>,
  warn: Warn,
): Promise<Contexts> {
  const closers: (() => Promise<void>)[] = [];
  const closed = (): Promise<Error | undefined> => closeAll(closers.splice(0).map((close) => ({ close })));
  try {
    const writing = { signal: cancelSignal, warn };
    const folder =
      typeof context === 'string' ? resolve(context) : await writtenFolder(context, { ...writing, option: 'context' }, closers);
    const tree = await openFolder(folder, 'context', closers);
    const named = new Map<string, NamedContext>();
    for (const [name, value] of Object.entries(contexts)) {
      const option = `contexts.${name}`;
      if (typeof value !== 'string' && isImage(value)) {
        named.set(name, value);
        continue;
      }
      const image = typeof value === 'string' ? await imageContext(option, value, wanted.asked !== null) : null;
      if (image) {
        named.set(name, image);
        continue;
      }
      const given = typeof value === 'string' ? resolve(value) : await writtenFolder(value, { ...writing, option }, closers);
      const opened = await openFolder(given, option, closers);
      named.set(name, { tree: opened, ignored: await contextRules(opened) });
    }
    return { folder, tree, named, close: closed };
  } catch (error) {
    throw withCleanupError(error, await closed());
  }
}

/** An image by a name of docker's clients. @returns `null` for a folder @throws NacelleError `ERR_INVALID_OPTION` */
async function imageContext(option: string, value: string, hasPlatform: boolean): Promise<ImageName | LayoutImage | null> {
  const [scheme = '', rest = ''] = /^([a-z][a-z-]*):\/\/(.*)$/s.exec(value)?.slice(1) ?? [];
  if (scheme === '') return null;
  if (scheme === 'docker-image') return { imageName: formatReference(parseRegistryName(rest, option)) };
  if (scheme !== 'oci-layout')
    throw invalidOption(option, `${JSON.stringify(value)} must be a folder, 'docker-image://NAME' or 'oci-layout://FOLDER:TAG'`);
  try {
    const layout = `oci:${rest}`;
    // what is wrong is to be known at once, as far as it doesn't depend on the platform of a stage
    if (!hasPlatform) await Image.open(layout);
    return { layout };
  } catch (error) {
    throw invalidOption(option, `${JSON.stringify(value)}: ${wordsOf(error)}`, error);
  }
}

/** The image of a name that the caller has given, or what it is called; `null`: the name is none of these. @throws InstructionProblem for a folder */
export function imageNamedIn(named: Contexts['named'], name: string): Image | ImageName | LayoutImage | null {
  const found = named.get(name);
  if (found && 'tree' in found) throw new InstructionProblem(`the context ${JSON.stringify(name)} is a folder: there is no image in it`);
  return found ?? null;
}

/** The folder of a name that the caller has given; `null`: the name is none of these. */
export function folderNamedIn(named: Contexts['named'], name: string): ContextTree | null {
  const found = named.get(name);
  return found && 'tree' in found ? found : null;
}

async function openFolder(path: string, option: string, closers: (() => Promise<void>)[]): Promise<FolderTree> {
  try {
    // all that comes from the context is root's, whoever owns it here
    const tree = await FolderTree.open(path, { ids: { uid: () => 0, gid: () => 0 }, attributes: keepAttributes(() => 0) });
    closers.push(() => tree.close());
    return tree;
  } catch (error) {
    throw invalidOption(option, `${JSON.stringify(path)}: ${wordsOf(error)}`, error);
  }
}

interface Writing {
  /** What the caller has given them as. */
  readonly option: string;
  readonly signal: AbortSignal | undefined;
  readonly warn: Warn;
}

async function writtenFolder(files: ContextFiles, writing: Writing, closers: (() => Promise<void>)[]): Promise<string> {
  const { path, close } = await temporaryFolder((folder) => writeFiles(folder, files, writing));
  closers.push(close);
  return path;
}

async function writeFiles(folder: string, files: ContextFiles, { option, signal, warn }: Writing): Promise<void> {
  const spools = new Spools(warn);
  try {
    const began = Math.floor(now() / 1000);
    const entries = isStream(files) ? await spools.entriesOf(files, 'the context', signal) : entriesOf(files, began);
    if (entries === null) throw new InstructionProblem('it is no tar archive');
    await writeContext(folder, entries, began, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (isNacelleError(error) && error.code === 'ERR_INVALID_OPTION') throw error;
    throw invalidOption(option, wordsOf(error), error);
  } finally {
    await spools.close();
  }
}

function entriesOf(files: Exclude<ContextFiles, Readable>, mtime: number): ArchiveEntry[] {
  return Object.entries(files).map(([path, given]) => {
    const content = typeof given === 'string' ? Buffer.from(given) : Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    return { path, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime, size: content.length, target: '', bytes: { content } };
  });
}

/** No file's content is a list, or `null` as of the host's image. */
function isImage(value: FilesByPath | Image): value is Image {
  return value.layers === null || Array.isArray(value.layers);
}

function isStream(files: ContextFiles): files is Readable {
  return Symbol.asyncIterator in files;
}
