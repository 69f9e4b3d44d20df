import { createWriteStream } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { invalidOption } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import { attempting } from '../../native/system-errors.js';
import { freeFolder, outputPlace } from '../../store/output-place.js';
import { writtenAside } from '../../store/written-aside.js';
import { packTree, unpackInto } from '../../volume/volume-content.js';
import type { ParsedBuild } from './build-options.js';
import { imageOf, type Layers } from './stage-state.js';

type Output = NonNullable<ParsedBuild['output']>;

/**
 * Refuses a folder that has something, and a place where nothing can be, or others could put something else.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export async function requireFree(output: Output): Promise<void> {
  if ('directory' in output) await freeFolder('output.directory', output.directory);
  else if (typeof output.tar === 'string') outputPlace('output.tar', output.tar);
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
  await writtenAside(outputPlace('output.directory', directory), async (temporary) => {
    const what = `write the output of a build into ${directory}`;
    await mkdir(temporary);
    await unpackInto(temporary, tar, { what, owner: '0', signal });
    // the caller's alone: programs that are set-user-ID may be in there
    await attempting(what, () => chmod(temporary, 0o700));
  });
}

async function writeFile(tar: Readable, path: string, signal: AbortSignal): Promise<void> {
  await writtenAside(outputPlace('output.tar', path), (temporary) =>
    pipeline(tar, createWriteStream(temporary, { flags: 'wx' }), { signal }),
  );
}
