import { closeSync, constants, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ChildOutput } from '../native/child-output.js';
import { binding, closeDescriptor, streamOf } from '../native/load-addon.js';
import { start } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { clampOf, type LayerOptions } from '../options/layer-options.js';
import { type Change, ChangeParser } from './change.js';
import { planRead, type ReadRequest } from './overlay-plan.js';

/** What a reading process writes, as a stream: a {@link ChildOutput}. */
export async function readChanges(request: Omit<ReadRequest, 'output'>): Promise<Readable> {
  const [output, input] = binding().pipe();
  // a socket gets the descriptor at once, and closes it whatever fails
  const pipe = streamOf(output, { readable: true, writable: false });
  try {
    const { plan, slots } = planRead({ ...request, output: input });
    const task = await start(plan, slots.descriptors);
    return new ChildOutput(pipe, task, request.work === 'pack' ? 'pack the changes' : 'list the changes');
  } catch (error) {
    pipe.destroy();
    throw error;
  } finally {
    closeDescriptor(input);
  }
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
export async function* listChanges(request: Omit<ReadRequest, 'output' | 'work'>): AsyncGenerator<Change, void, undefined> {
  const parser = new ChangeParser();
  const stream = await readChanges({ ...request, work: 'changes' });
  try {
    for await (const piece of stream) yield* parser.push(piece);
    parser.end();
  } finally {
    await gone(stream);
  }
}

/** Resolves when the process behind the stream has ended. */
async function gone(stream: Readable): Promise<void> {
  stream.destroy();
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
}
