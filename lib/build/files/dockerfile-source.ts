import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { hasCode, invalidOption, isNacelleError, NacelleError } from '../../errors.js';
import { wordsOf } from '../../native/system-errors.js';
import { type Dockerfile, parseDockerfile } from '../language/dockerfile.js';
import { IgnoreRules, parseIgnoreFile } from '../language/ignore-file.js';
import { type FileTree, resolveIn } from './file-tree.js';

/** The largest Dockerfile, and ignore file, that is read. */
const LARGEST = 16 * 1024 * 1024;
const { O_RDONLY, O_NONBLOCK } = constants;

export interface DockerfileSource {
  readonly file: Dockerfile;
  /** By the ignore file beside the Dockerfile, or else by the context's. */
  readonly ignored: IgnoreRules;
}

/** Where the Dockerfile is, or its text, with the lines in which steps begin that it is written from. */
export type DockerfileOption = string | { readonly content: string; readonly steps?: readonly number[] };

/** The text of a file by its path; `null`: there is none. */
type Read = (path: string) => Promise<string | null>;

/**
 * Reads the Dockerfile and what belongs to it. A path below the context is followed as all paths of the context are, so that no link in there shows
 * a file of this machine's.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`; BuildError
 */
export async function readDockerfile(
  { context: folder, dockerfile }: { readonly context: string; readonly dockerfile: DockerfileOption },
  context: FileTree,
): Promise<DockerfileSource> {
  const inside = reader(async (path) => openIn(context, path));
  const ofContext = async (): Promise<IgnoreRules> => (await contextRules(context)) ?? new IgnoreRules([]);
  if (typeof dockerfile !== 'string') {
    const { content, steps } = dockerfile;
    return { file: steps ? parseDockerfile(content, 'steps', steps) : parseDockerfile(content), ignored: await ofContext() };
  }
  const below = relative(resolve(folder), resolve(folder, dockerfile));
  const isInside = below.split('/')[0] !== '..';
  // a FIFO is not waited for
  const read = isInside ? inside : reader((path) => open(path, O_RDONLY | O_NONBLOCK));
  const path = isInside ? below : resolve(folder, dockerfile);
  const content = await read(path);
  if (content === null) throw invalidOption('dockerfile', `${JSON.stringify(dockerfile)}: there is no such file`);
  return { file: parseDockerfile(content, dockerfile), ignored: (await rulesAt(`${path}.dockerignore`, read)) ?? (await ofContext()) };
}

/** What the ignore file of a context leaves out; `null`: there is none. @throws NacelleError `ERR_INVALID_OPTION`; BuildError */
export async function contextRules(context: FileTree): Promise<IgnoreRules | null> {
  return rulesAt(
    '.dockerignore',
    reader((path) => openIn(context, path)),
  );
}

async function rulesAt(path: string, read: Read): Promise<IgnoreRules | null> {
  const content = await read(path);
  return content === null ? null : parseIgnoreFile(content, basename(path));
}

async function openIn(context: FileTree, path: string): Promise<FileHandle | null> {
  const { path: found, entry } = await resolveIn(context, path);
  if (entry === null) return null;
  if (entry.kind !== 'file') throw new NacelleError('it is no file', { code: 'ERR_INVALID_OPTION' });
  return context.open(found);
}

/** @throws NacelleError `ERR_INVALID_OPTION`, which names the path, for what is no file, too large, or can't be read */
function reader(openFile: (path: string) => Promise<FileHandle | null>): Read {
  return async (path) => {
    try {
      const file = await openFile(path);
      return file === null ? null : await textOf(file);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      throw invalidOption('dockerfile', `${JSON.stringify(path)}: ${isNacelleError(error) ? error.message : wordsOf(error)}`, error);
    }
  };
}

async function textOf(file: FileHandle): Promise<string> {
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new NacelleError('it is no file', { code: 'ERR_INVALID_OPTION' });
    // one byte more, since somebody may write to the file meanwhile
    const content = await text(file.createReadStream({ autoClose: false, end: LARGEST }));
    if (Buffer.byteLength(content) > LARGEST) throw new NacelleError(`it is larger than ${LARGEST} bytes`, { code: 'ERR_INVALID_OPTION' });
    return content;
  } finally {
    await file.close();
  }
}
