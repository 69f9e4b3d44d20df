import { closeSync, constants, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { containerShim } from '../host/container-shim.js';
import { privilege } from '../host/privilege.js';
import { attempt } from '../native/system-errors.js';
import { goneWorker, readWorker } from '../native/worker-output.js';
import { clampOf, type LayerOptions } from '../options/layer-options.js';
import { type Change, ChangeParser } from './change.js';
import { planRead, type ReadRequest } from './overlay-plan.js';

/** What there is to read; the rest is the reader's own. */
type Wanted = Omit<ReadRequest, 'output' | 'userxattr'>;

/** What a reading process writes, as a stream: see {@link readWorker}. */
export async function readChanges(request: Wanted): Promise<Readable> {
  const what = request.work === 'pack' ? 'pack the changes' : 'list the changes';
  const userxattr = privilege().kind === 'user';
  return readWorker({ what, on: await containerShim(), plan: (output) => planRead({ ...request, userxattr, output }) });
}

/** Packs a folder as a layer. An overlay that is mounted on the folder is not in the layer. */
export async function packFolder(path: string, target: string | null, options: LayerOptions = {}): Promise<Readable> {
  const clampMtime = clampOf(options);
  const folder = attempt(`open the folder ${path}`, () => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  try {
    return await readChanges({ work: 'pack', lower: [], target, changes: folder, clampMtime });
  } finally {
    closeSync(folder);
  }
}

/** The changes that a process lists. Leaving the loop early ends the process. */
export async function* listChanges(request: Omit<Wanted, 'work'>): AsyncGenerator<Change, void, undefined> {
  const parser = new ChangeParser();
  const stream = await readChanges({ ...request, work: 'changes' });
  try {
    for await (const piece of stream) yield* parser.push(piece);
    parser.end();
  } finally {
    await goneWorker(stream);
  }
}
