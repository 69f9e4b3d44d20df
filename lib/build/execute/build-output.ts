import { createWriteStream } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { invalidOption } from '../../errors.js';
import { mounter, privilege } from '../../host/privilege.js';
import { type Platform, platformName } from '../../image/formats/platform.js';
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

/** An image's layers, and the platform that the image is for. */
interface Built {
  readonly layers: Layers;
  readonly platform: Platform;
}

/**
 * Writes the files of an image, or of each platform of an index. What appears under the name of a folder or a file is whole: until then it has another name
 * beside.
 *
 * @param built several with a folder alone
 * @throws NacelleError; SyscallError; what a stream fails with; the signal's reason
 */
export async function writeOutput(built: readonly Built[], output: Output, signal: AbortSignal): Promise<void> {
  if ('directory' in output) return writeFolder(built, output.directory, signal);
  for (const { layers } of built) await withTar(layers, signal, (tar) => writeTar(tar, output.tar, signal));
}

/** Does something with the tar of an image's files. */
async function withTar(layers: Layers, signal: AbortSignal, use: (tar: Readable) => Promise<void>): Promise<void> {
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
      await use(tar);
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

async function writeFolder(built: readonly Built[], directory: string, signal: AbortSignal): Promise<void> {
  await writtenAside(outputPlace('output.directory', directory), async (temporary) => {
    const what = `write the output of a build into ${directory}`;
    await mkdir(temporary, { mode: 0o700 });
    for (const { layers, platform } of built) {
      const folder = built.length === 1 ? temporary : join(temporary, folderOf(platform));
      if (folder !== temporary) await mkdir(folder, { mode: 0o700 });
      await withTar(layers, signal, (tar) => unpackInto(folder, tar, { what, owner: '0', signal }));
      // the caller's alone: programs that are set-user-ID may be in there
      await attempting(what, () => chmod(folder, 0o700));
    }
  });
}

/** As BuildKit's local exporter names it. */
function folderOf(platform: Platform): string {
  return platformName(platform).replaceAll('/', '_');
}

async function writeTar(tar: Readable, path: string | Writable, signal: AbortSignal): Promise<void> {
  if (typeof path !== 'string') return pipeline(tar, path, { signal });
  await writtenAside(outputPlace('output.tar', path), (temporary) =>
    pipeline(tar, createWriteStream(temporary, { flags: 'wx' }), { signal }),
  );
}
