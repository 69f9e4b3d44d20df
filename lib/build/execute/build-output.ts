import { createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, invalidOption, withCleanupError } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import { attempting, wordsOf } from '../../native/system-errors.js';
import { removeTrees } from '../../store/remove-tree.js';
import { packTree, unpackInto } from '../../volume/volume-content.js';
import type { ParsedBuild } from './build-options.js';
import { outputPlace } from './output-place.js';
import { imageOf, type Layers } from './stage-state.js';

type Output = NonNullable<ParsedBuild['output']>;

/**
 * Refuses a folder that has something, and a place where nothing can be, or others could put something else.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export async function requireFree(output: Output): Promise<void> {
  if (!('directory' in output)) {
    if (typeof output.tar === 'string') outputPlace('output.tar', output.tar);
    return;
  }
  const { directory } = output;
  outputPlace('output.directory', directory);
  const names = await readdir(directory).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw invalidOption('output.directory', `${JSON.stringify(directory)}: ${wordsOf(error)}`, error);
  });
  if (names.length > 0) throw invalidOption('output.directory', `${JSON.stringify(directory)} is not empty`);
}

/**
 * Writes the files of an image. What appears under the name of a folder or a file is whole: until then it has another name beside.
 *
 * @throws NacelleError; SyscallError; what a stream fails with; the signal's reason
 */
export async function writeOutput(layers: Layers, output: Output, signal: AbortSignal): Promise<void> {
  const image = imageOf(layers);
  if (!image) throw invalidOption('output', 'the image has no files');
  const used = await image.use({ signal, mounter: mounter(privilege()) });
  try {
    const tar = await packTree(
      { root: { type: 'recipe', recipe: used.recipe }, path: '/', form: 'contents' },
      'pack the output of a build',
    );
    try {
      signal.throwIfAborted();
      if ('directory' in output) await writeFolder(tar, output.directory, signal);
      else if (typeof output.tar === 'string') await writeFile(tar, output.tar, signal);
      else await pipeline(tar, output.tar, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      tar.destroy();
    }
  } finally {
    used.release();
  }
}

async function writeFolder(tar: Readable, directory: string, signal: AbortSignal): Promise<void> {
  await aside(outputPlace('output.directory', directory), async (temporary) => {
    const what = `write the output of a build into ${directory}`;
    await mkdir(temporary);
    await unpackInto(temporary, tar, { what, owner: '0', signal });
    // the caller's alone: programs that are set-user-ID may be in there
    await attempting(what, () => chmod(temporary, 0o700));
  });
}

async function writeFile(tar: Readable, path: string, signal: AbortSignal): Promise<void> {
  await aside(outputPlace('output.tar', path), (temporary) => pipeline(tar, createWriteStream(temporary, { flags: 'wx' }), { signal }));
}

/** Lets something be made beside its place, and puts it there when it is whole. */
async function aside(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const parent = dirname(path);
  await attempting(`make the folder ${parent}`, () => mkdir(parent, { recursive: true }));
  const beside = await attempting(`write ${path}`, () => mkdtemp(join(parent, `.${basename(path)}-`)));
  try {
    const temporary = join(beside, 'new');
    await make(temporary);
    await attempting(`write ${path}`, () => rename(temporary, path));
  } catch (error) {
    throw withCleanupError(error, await removeTrees([beside]));
  }
  const failed = await removeTrees([beside]);
  if (failed) throw failed;
}
