import { toError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { withUserNamespace } from '../../host/user-namespace.js';
import { closeDescriptor, streamedPipe } from '../../native/load-addon.js';
import type { Task } from '../../native/task.js';
import { confinedStage } from '../../plan/confined-worker.js';
import { CLONE, O_PATH, SIGKILL } from '../../plan/constants.js';
import { NONE, type Plan, planOf, Slots } from '../../plan/plan.js';
import { joinUsers, type UserMaps } from '../../plan/userns-maps.js';
import { describeSignal } from '../../process/options/signals.js';
import { KEEP_GROUPS } from '../../process/program-steps.js';
import { type CopiedOut, readCopied } from './copied-files.js';

/** Where, and as whom, files of a container are read: descriptors. */
export interface Inside {
  readonly mountNamespace: number;
  /** What the step `save_user` noted. */
  readonly user: number;
  /** Whether that user can't leave the groups of who starts the reader. */
  readonly keepsGroups: boolean;
  /** The maps of the container's user namespace; `null` where its ids are the host's. */
  readonly maps: UserMaps | null;
  /** Closes both, once. */
  close(): void;
}

export interface CopyOutOptions {
  /** Bytes, those of the records among them. */
  readonly max: number;
  readonly cancelSignal: AbortSignal | null;
  /** How many ms the reading may take when the run was cancelled before. */
  readonly graceMs: number;
}

/**
 * Reads files of a container that has ended, by a process that is confined to the container's mount namespace and has no right but its
 * user's. A missing path is left out; a folder gives the files below it. What can't be read is told in the result, whatever the reason: the
 * promise never rejects.
 */
export async function copyOut(inside: Inside, paths: readonly string[], options: CopyOutOptions): Promise<CopiedOut> {
  const chunks: Buffer[] = [];
  const failure = await read(inside, paths, options, chunks).catch((error: unknown) => toError(error).message);
  return readCopied(Buffer.concat(chunks), paths, { max: options.max, failure });
}

/** @returns why not everything was read; `null` when it was */
async function read(inside: Inside, paths: readonly string[], options: CopyOutOptions, chunks: Buffer[]): Promise<string | null> {
  const cancelSignal = options.cancelSignal?.aborted ? null : options.cancelSignal;
  const { stream, other: writeEnd } = streamedPipe('read');
  let task: Task | undefined;
  const cancel = (): void => void task?.kill({ cause: 'cancel', signal: SIGKILL, tree: true }).catch(() => stream.destroy());
  try {
    task = await withUserNamespace(inside.maps, async (users) => {
      const { plan, slots } = planCopyOut(inside, writeEnd, paths, { ...options, users });
      const shim = await containerShim();
      return shim.startPlan(plan, slots.descriptors, cancelSignal);
    }).finally(() => closeDescriptor(writeEnd));
    // whoever closes the namespace last waits for the mounts to go, with all that the program has put there: it must be the reading
    // process, not Node
    inside.close();
    cancelSignal?.addEventListener('abort', cancel, { once: true });
    if (cancelSignal?.aborted) cancel();
    for await (const chunk of stream) chunks.push(chunk);
    const { exit, cause } = await task.ended;
    if (cause === 'cancel' || cause === 'wall-time') return 'cancelSignal was aborted';
    if (exit.kind === 'signalled') return `the process that read it was killed by ${describeSignal(exit.value)}`;
    return exit.value === 0 ? null : `the process that read it exited with ${exit.value}`;
  } finally {
    cancelSignal?.removeEventListener('abort', cancel);
    stream.destroy();
  }
}

function planCopyOut(
  { mountNamespace, user, keepsGroups }: Inside,
  writeEnd: number,
  paths: readonly string[],
  { max, cancelSignal, graceMs, users }: CopyOutOptions & { readonly users: number | null },
): { plan: Plan; slots: Slots } {
  const slots = new Slots();
  const [ns, saved, to, root] = [slots.give(mountNamespace), slots.give(user), slots.give(writeEnd), slots.take()];
  const stage = confinedStage({
    namespaces: CLONE.net | CLONE.ipc | CLONE.uts,
    enter: [
      { op: 'setns', ns, type: 'mnt' },
      ...joinUsers(users === null ? NONE : slots.give(users)),
      { op: 'open', out: root, at: NONE, path: '/', flags: O_PATH, mode: 0 },
      ...(keepsGroups ? [KEEP_GROUPS] : []),
    ],
    capabilities: 0n,
    user: saved,
    work: { op: 'copy_out', root, paths: [...paths], to, max },
    output: to,
  });
  const plan = planOf({
    stages: [stage],
    // a run that was cancelled can't be cancelled again, so the reading gets a time limit
    ...(cancelSignal?.aborted ? { timeoutMs: Math.max(graceMs, 1) } : {}),
  });
  return { plan, slots };
}
