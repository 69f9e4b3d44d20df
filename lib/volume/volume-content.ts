import { chmod } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, NacelleError, SyscallError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
import { privilege } from '../host/privilege.js';
import { storeRoot } from '../host/store-path.js';
import { binding, closeDescriptor, streamedPipe } from '../native/load-addon.js';
import { attempting } from '../native/system-errors.js';
import type { Task } from '../native/task.js';
import { readWorker } from '../native/worker-output.js';
import { deathOf, unpackPlan } from '../plan/unpack-plan.js';
import { publishTree } from '../store/publish-tree.js';
import { makeFolder } from '../store/store-root.js';
import { withTemporary } from '../store/temporary-folder.js';
import { packPlan, type Tree } from './tree-plan.js';
import { dataFolder } from './volume-folder.js';

/** A tar of a tree, as a stream. Destroying it ends the process that packs. */
export async function packTree(tree: Tree, what: string): Promise<Readable> {
  return readWorker({ what, on: await containerShim(), plan: (output) => packPlan(tree, output) });
}

/**
 * Fills an empty volume with what a tar has. The new files appear by one rename when all of them are on the disk. After any failure the
 * volume is as empty as before. The caller must have the volume's lock exclusively.
 *
 * @param signal its abort ends the work, with the signal's reason
 * @throws NacelleError `ERR_ARCHIVE` for a tar that can't be unpacked; SyscallError
 */
export async function fillFrom(name: string, source: Readable, signal?: AbortSignal): Promise<void> {
  await fill(name, (folder) => unpackInto(folder, source, { what: `fill the volume ${name}`, owner: 'keep', signal }));
}

/**
 * Unpacks a tar, which need not be trusted, into an empty folder.
 *
 * @param options.owner '0': all files are root's; of an ordinary user that user's own
 * @param options.signal its abort ends the work, with the signal's reason
 * @throws NacelleError `ERR_ARCHIVE` for a tar that can't be unpacked; what the source failed with
 */
export async function unpackInto(
  folder: string,
  source: Readable,
  options: { readonly what: string; readonly owner: 'keep' | '0'; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const { what, owner, signal } = options;
  const { stream: sink, other: output } = streamedPipe('write');
  try {
    const task = await startUnpacking(folder, output, owner).finally(() => closeDescriptor(output));
    const feeding = pipeline(source, sink, signal ? { signal } : {}).catch(async (error: unknown) => {
      // the process waits for bytes that will not come; how it ends then is of no interest
      await Promise.allSettled([task.close()]);
      throw error;
    });
    const [fed, ended] = await Promise.allSettled([feeding, endOf(task)]);
    signal?.throwIfAborted();
    // a process that refuses the archive breaks the pipe, and a source that fails ends the process
    const isBroken = fed.status === 'rejected' && !hasCode(fed.reason, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE');
    if (isBroken) throw fed.reason;
    if (ended.status === 'rejected') throw badArchive(what, ended.reason);
    if (fed.status === 'rejected') throw fed.reason;
  } finally {
    sink.destroy();
  }
}

/**
 * Fills an empty volume with a tree: files, owners, modes, extended attributes and hard links. A tree that is not there leaves the volume
 * as it is. Else as {@link fillFrom}.
 *
 * @throws SyscallError
 */
export async function fillFromTree(name: string, tree: Tree, signal?: AbortSignal): Promise<void> {
  await fill(name, (folder) => copyTree(tree, folder, signal)).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** Copies a tree into an empty folder of this user's, as {@link unpackInto}. @throws SyscallError; {@link isMissing} tells a tree that is not there */
export async function copyTree(tree: Tree, folder: string, signal?: AbortSignal): Promise<void> {
  const [output, input] = binding().pipe();
  const tasks: Task[] = [];
  const stop = (): void => {
    for (const task of tasks) void task.close().catch(() => undefined);
  };
  try {
    const { plan, slots } = packPlan(tree, input);
    try {
      tasks.push(await (await containerShim()).startPlan(plan, slots.descriptors));
    } finally {
      closeDescriptor(input);
    }
    tasks.push(await startUnpacking(folder, output, 'keep'));
  } catch (error) {
    stop();
    throw error;
  } finally {
    closeDescriptor(output);
  }
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  // each ends when the other does, for the pipe breaks: the first to fail in this order is the one to be told
  const [packed, unpacked] = await Promise.allSettled(tasks.map(endOf)).finally(() => signal?.removeEventListener('abort', stop));
  signal?.throwIfAborted();
  if (packed?.status === 'rejected' && !hasCode(packed.reason, 'EPIPE')) throw packed.reason;
  if (unpacked?.status === 'rejected') throw unpacked.reason;
  if (packed?.status === 'rejected') throw packed.reason;
}

/** Whether there is nothing at the path that was to be copied. */
export function isMissing(error: unknown): boolean {
  return error instanceof SyscallError && error.step === 'open_in_root' && error.code === 'ENOENT';
}

async function fill(name: string, work: (folder: string) => Promise<void>, root = storeRoot()): Promise<void> {
  const filling = async (folder: string): Promise<void> => {
    await attempting(`fill the volume ${name}`, async () => {
      await makeFolder(folder);
      await chmod(folder, 0o755);
    });
    await work(folder);
    await attempting(`fill the volume ${name}`, () => publishTree(folder, dataFolder(name, root)));
  };
  await withTemporary(filling, { root });
}

async function startUnpacking(folder: string, input: number, owner: 'keep' | '0'): Promise<Task> {
  const { plan, slots } = unpackPlan({ input, target: folder, lower: [], limits: {}, whiteouts: 'none', owner, by: privilege().kind });
  return (await containerShim()).startPlan(plan, slots.descriptors);
}

/** @throws the failure of the process's work */
async function endOf(task: Task): Promise<void> {
  const { exit } = await task.ended;
  if (exit.kind !== 'exited' || exit.value !== 0) throw new NacelleError(`copy files: ${deathOf(exit)}`, { code: 'ERR_CHILD' });
}

function badArchive(what: string, cause: unknown): unknown {
  if (!(cause instanceof SyscallError)) return cause;
  return new NacelleError(`${what}: ${cause.message}`, { code: 'ERR_ARCHIVE', cause });
}
