import { NacelleError } from '../errors.js';
import { type Holding, hold, undone } from '../filesystem/hold.js';
import { planWork } from '../filesystem/plan.js';
import { dropRecord, writeRecord } from '../host/journal.js';
import { closeDescriptor } from '../native/load.js';
import { ownerName, start } from '../native/shim.js';
import { ShimError } from '../native/shim-error.js';
import type { Task } from '../native/task.js';
import type { ParsedLimits } from '../plan/limits.js';
import { joinParts, NONE } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { unlessAborted } from '../process/abort.js';
import { Program } from '../process/program.js';
import type { Encoding } from '../process/types.js';
import { discard, makeAhead } from './ahead.js';
import { begun, type Made } from './begun.js';
import { groupEvidence, lethalLimits } from './evidence.js';
import { isMountedOver } from './mounts.js';
import type { ParsedOptions } from './options.js';
import { MOUNTED_OVER } from './plan/files.js';
import { planContainer } from './plan/plan.js';
import type { Prepared } from './prepare.js';
import { Written, type WrittenMount } from './written.js';

/** What a live container is made of. */
export interface Parts<E extends Encoding> {
  readonly prepared: Prepared;
  readonly program: Program<E>;
  readonly task: Task;
  readonly mountNamespace: number | null;
  /** What `copyOut` is read as; `null` where nothing is. */
  readonly user: number | null;
  readonly written: Written | null;
  readonly limits: LiveLimits;
}

/** They change while it lives, and its end is judged by the last ones. */
export interface LiveLimits {
  current: ParsedLimits;
}

/**
 * Makes a container up to its program, which runs with it or, with `park`, waits just before execve. What fails leaves nothing.
 *
 * @throws as `Container.run`
 */
export async function launch<E extends Encoding>(
  parsed: ParsedOptions,
  { park, callMs }: { park: boolean; callMs: number },
): Promise<Parts<E>> {
  parsed.process.cancelSignal?.throwIfAborted();
  const network = await parsed.networkOf?.namespace('net');
  try {
    const options = network ? { ...parsed, namespaces: { ...parsed.namespaces, net: network } } : parsed;
    return await launchIn<E>(options, { park, callMs });
  } finally {
    await network?.close();
  }
}

async function launchIn<E extends Encoding>(parsed: ParsedOptions, { park, callMs }: { park: boolean; callMs: number }): Promise<Parts<E>> {
  const program = new Program<E>(parsed.process, callMs);
  let made: Made;
  try {
    made = await unlessAborted(parsed.process.cancelSignal, () => begun(parsed), letGo);
  } catch (error) {
    program.stdio.close();
    throw error;
  }
  const { prepared, head, first, ahead } = made;
  const { slots, group, argv, id } = prepared;
  let [namespaceSlot, userSlot] = [NONE, NONE];
  let uppers: readonly number[] = [];
  const limits: LiveLimits = { current: prepared.limits };
  const facts = {
    id,
    command: argv,
    isConfined: true,
    processOne: !parsed.init && parsed.namespaces.pid === 'new',
    get limits() {
      return lethalLimits({ limits: limits.current }, prepared.filterKills);
    },
    notEnforced: prepared.notEnforced,
    readGroup: (reports: Parameters<typeof group.readUsage>[0]) => groupEvidence(group.readUsage(reports), limits.current.memory ?? null),
  };
  let disk: Holding[] = [];
  let forget: readonly Step[] = [];
  let task: Task;
  // written before the folder is made, and removed with it
  const path = prepared.root.type === 'recipe' ? prepared.root.disk : null;
  let record: Step[] = [];
  try {
    record = path === null ? [] : writeRecord(ownerName(), id, [{ kind: 'tree', path }]);
    if (park && path !== null) disk = [await hold(planWork(path, record))];
    // nothing in the path of a group below the caller's tells whose it is
    if (prepared.records.length > 0) forget = writeRecord(ownerName(), `${id}-group`, prepared.records);
    task = await program.launch(facts, (streams, cancelSignal) => {
      const recorded = { ...group, undo: [...group.undo, ...forget] };
      const plan = planContainer(head, { ...prepared, group: recorded, streams, park, journal: park ? [] : record });
      namespaceSlot = plan.mountNamespace;
      userSlot = plan.user;
      uppers = plan.uppers;
      return ahead
        ? ahead.beginning.goOn(plan.rest, slots.descriptors, cancelSignal)
        : start(joinParts(plan, { waits: false }), slots.descriptors, cancelSignal);
    });
    if (park && parsed.process.cancelSignal?.aborted) {
      await abandon(task);
      throw parsed.process.cancelSignal.reason;
    }
  } catch (error) {
    prepared.release();
    program.stdio.close();
    if (ahead) void discard(ahead);
    // one of what may still be there is for the next reap
    if (!(error instanceof ShimError) && !hasCleanupError(error)) dropRecord([...(park ? [] : record), ...forget]);
    throw await undone(disk, error);
  }
  if (first !== null) makeAhead(first, task.ended);
  const { descriptors } = task.started;
  const mountNamespace = descriptors.get(namespaceSlot) ?? null;
  const written = park
    ? writtenIn(
        prepared,
        uppers.map((slot) => descriptors.get(slot)),
        disk,
      )
    : null;
  return { prepared, program, task, mountNamespace, user: descriptors.get(userSlot) ?? null, written, limits };
}

function hasCleanupError(error: unknown): boolean {
  return error instanceof NacelleError && error.cleanupError !== undefined;
}

/** One that is parked, and that nobody will hear of. */
async function abandon(task: Task): Promise<void> {
  for (const fd of task.started.descriptors.values()) closeDescriptor(fd);
  await task.close();
}

/** What was prepared when nobody waited for it any more. */
function letGo({ prepared, ahead }: Made): void {
  prepared.release();
  if (ahead) void discard(ahead);
}

/** `null`: its root is a folder, which is written to itself. */
function writtenIn(
  { root, volumes, options }: Prepared,
  uppers: readonly (number | undefined)[],
  disk: readonly Holding[],
): Written | null {
  if (root.type !== 'recipe') return null;
  const mounts = root.recipe.mounts.map(({ target, lower }, index): WrittenMount => {
    const upper = uppers[index];
    if (upper === undefined) throw new NacelleError('the shim gave no upper folder', { code: 'ERR_PROTOCOL' });
    return { target, lower, upper };
  });
  // what lies in a mount of the caller's is none of the root's
  const covered = MOUNTED_OVER.filter((path) => !isMountedOver(path, options.mounts));
  return new Written(mounts, disk, { covered, volumes });
}
