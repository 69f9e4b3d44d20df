import { join } from 'node:path';
import { hasCode, NacelleError, SyscallError, toError, withCleanupError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import { containerShim } from '../../host/container-shim.js';
import { type DetachedLayout, leaveUnit, type ShimPlace } from '../../host/detached-layout.js';
import { type HostRecord, KEPT, writeRecord } from '../../host/journal.js';
import { EVIDENCE, ownBases, reapFirst, writeBases } from '../../host/reap.js';
import { withRecord } from '../../host/recorded.js';
import { storeRoot } from '../../host/store-path.js';
import { delay } from '../../native/clock.js';
import type { Connection } from '../../native/connection.js';
import { endOf } from '../../native/host-work.js';
import { isShimLost } from '../../native/shim-error.js';
import { attempting } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import { tellEgressRefusals } from '../../network/egress/egress-refusal.js';
import { O_PATH, OWN_NAME } from '../../plan/constants.js';
import { joinParts, NONE, type Plan } from '../../plan/plan.js';
import { comparedWith } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { LogPlan, Streams } from '../../process/streams/child-end.js';
import { type DenialListener, tellDenials } from '../../security/denials/denial-event.js';
import { handedLease } from '../../store/lease.js';
import { makeFolder } from '../../store/store-root.js';
import type { DetachOptions, ParsedOptions } from '../options/container-options.js';
import { isMountedOver } from '../options/mount-target.js';
import { type ContainerPlan, planContainer, planHead } from '../plan/container-plan.js';
import { mountpointsOf } from '../plan/mount-table.js';
import { type ContainerRecord, type DetachedRecord, recordOf } from '../start/container-record.js';
import { claimStep, giveBackStep, requireUsers } from '../start/container-users.js';
import { withNetwork } from '../start/joined-network.js';
import { abandon, beginPorts } from '../start/launch.js';
import { type Prepared, prepare } from '../start/prepare.js';
import { requireWithoutRoot } from '../start/without-root.js';
import { connectToShim, findContainer } from './attach.js';
import { containerFolder } from './container-folders.js';
import { makeNamesFolder, nameFile, nameTaken } from './names.js';
import { writeNote } from './note.js';
import { makePipes, type OwnPipes } from './own-pipes.js';
import { spareShim } from './spare-shim.js';

/** A detached container as the process has it that made it. */
export interface Launched {
  readonly record: ContainerRecord;
  readonly task: Task;
  readonly connection: Connection;
  readonly onDenied: DenialListener | null;
}

/**
 * Makes a container in a shim of its own, with its program parked just before execve. All that must be on the host is written down under the
 * container's own name before it is made, so whoever reaps after a crash finds it. A failure leaves nothing.
 *
 * @throws as `Container.create`; NacelleError `ERR_NAME_TAKEN`; the reason of `cancelSignal`
 */
export async function launchDetached(options: ParsedOptions, detach: DetachOptions): Promise<Launched> {
  options.process.cancelSignal?.throwIfAborted();
  requireUsers(options);
  requireWithoutRoot(options);
  return withNetwork(options, (joined) => launchInOwnShim(joined, detach));
}

async function launchInOwnShim(options: ParsedOptions, detach: DetachOptions): Promise<Launched> {
  await reapFirst(await containerShim());
  const { id, connection } = await spareShim.take();
  try {
    const { layout, moved } = await leaveUnit(connection);
    writeBases(id, ownBases(layout));
    const prepared = await prepare(options, { id, park: true, shim: connection, layout });
    try {
      const { cancelSignal } = options.process;
      cancelSignal?.throwIfAborted();
      const launched = await launchOn(connection, prepared, { detach, layout, moved });
      if (cancelSignal?.aborted) {
        await abandon(launched.task);
        throw cancelSignal.reason;
      }
      await noteHeld(prepared.networks, launched.task);
      await beginPorts(prepared.networks.ports, launched.task);
      spareShim.prepare();
      const { onDenied } = options;
      tellDenials(launched.task, onDenied);
      tellEgressRefusals(launched.task, options.egress?.onDenied ?? null);
      return { ...launched, connection, onDenied };
    } finally {
      prepared.release();
    }
  } catch (error) {
    connection.close();
    if (isShimLost(error)) throw await withoutContainer(id, error);
    const isTaken = options.name !== null && error instanceof SyscallError && error.step === 'link' && hasCode(error, 'EEXIST');
    throw isTaken ? nameTaken(options.name, error) : error;
  }
}

/** Others find now what the container's task has of networks. A failure ends it. */
async function noteHeld(networks: Prepared['networks'], task: Task): Promise<void> {
  try {
    await networks.note();
  } catch (error) {
    throw withCleanupError(error, await endOf(task));
  }
}

/** How long a shim may take to undo what it was making, in ms, and how often that is looked at. */
const UNDOING = { patience: 5000, every: 10 };

/**
 * Removes what a shim may have made that this process has lost: the shim goes on, and would keep the container and its name. One that was still
 * making it undoes that by itself, and is waited for: until then the name is taken.
 *
 * @returns the error to throw
 */
async function withoutContainer(id: string, error: unknown): Promise<unknown> {
  for (let waited = 0; ; waited += UNDOING.every) {
    try {
      const { task, connection } = await findContainer(id);
      const failure = await endOf(task);
      connection?.close();
      return failure ? withCleanupError(error, failure) : error;
    } catch (failure) {
      // the shim has died, and the next reap removes the rest
      if (isShimLost(failure)) return error;
      if (!hasCode(failure, 'ERR_NO_CONTAINER')) return withCleanupError(error, toError(failure));
      if (!serves(id)) return error;
      if (waited >= UNDOING.patience) return withCleanupError(error, toError(failure));
    }
    await delay(UNDOING.every);
  }
}

/** Whether the shim of a container, or of what is not yet one, is there. */
function serves(id: string): boolean {
  const connection = connectToShim(id);
  connection?.close();
  return connection !== null;
}

async function launchOn(
  connection: Connection,
  prepared: Prepared,
  { detach, layout, moved }: { detach: DetachOptions } & Pick<DetachedLayout, 'layout' | 'moved'>,
): Promise<{ readonly record: ContainerRecord; readonly task: Task }> {
  const { id, slots, options } = prepared;
  const disk = prepared.root.type === 'recipe' ? prepared.root.disk : null;
  const pipes = makePipes(options.process, slots);
  const lease = prepared.digests.length === 0 ? null : await handedLease(prepared.digests);
  try {
    const isLogged = pipes.outputs.length > 0 || options.process.tty !== null;
    const logs = isLogged ? join(await attempting('make the folder of logs', logsFolder), id) : null;
    if (options.name !== null) makeNamesFolder();
    const claim = prepared.lease?.claim ?? null;
    const onHost: OnHost = { id, name: options.name, disk, logs, lease: lease?.path ?? null, claim };
    const kept = writeRecord(id, KEPT, keptRecords(onHost));
    const trees = [disk, lease?.path ?? null, claim].flatMap((path) => (path === null ? [] : [{ kind: 'tree', path } as const]));
    const own = writeRecord(id, 'own', [...prepared.records, ...trees]);
    const group = { ...prepared.group, undo: [...prepared.group.undo, ...folderSteps(id, layout, moved)] };
    const log = logs === null ? null : { folder: slots.take(), pipes: pipes.outputs, bytes: detach.logBytes, segments: detach.logFiles };
    const streams = streamsOf(options.process, pipes, log);
    const plan = planContainer(planHead({ ...prepared, group }), { ...prepared, group, streams, park: true, journal: [] });
    const heldSlots = [...(lease === null ? [] : [lease.fd]), ...prepared.locks].map((fd) => slots.give(fd));
    const whole = keptPlan(plan, { prepared, detach, onHost, log, pipes, heldSlots, moved, forget: [...own, ...kept] });
    const record = recordOf(prepared, whole, detachedRecord(prepared, plan, { pipes, logs, detach }));
    return await withRecord([...own, ...kept], async () => {
      await prepared.networks.ready();
      writeNote(record);
      prepared.networks.handOver();
      return { record, task: await connection.startPlan(whole, slots.descriptors, options.process.cancelSignal) };
    });
  } finally {
    pipes.close();
    await lease?.close();
  }
}

function streamsOf({ tty }: ParsedProcess, { ends }: OwnPipes, log: LogPlan | null): Streams {
  return { ends, copies: [], ...(tty === null ? {} : { terminal: tty }), ...(log === null ? {} : { log }) };
}

async function logsFolder(): Promise<string> {
  return makeFolder(join(storeRoot(), 'logs'));
}

/** What a detached container has on the host beside its groups. */
interface OnHost {
  readonly id: string;
  readonly name: string | null;
  readonly disk: string | null;
  readonly logs: string | null;
  readonly lease: string | null;
  /** The file that keeps its ids from others. */
  readonly claim: string | null;
}

/** What stays after the end until the container is removed, whether its shim lives or not. */
function keptRecords({ id, name, logs }: OnHost): HostRecord[] {
  return [
    ...(name === null ? [] : [{ kind: 'name', path: nameFile(name), id } as const]),
    ...(logs === null ? [] : [{ kind: 'tree', path: logs } as const]),
    { kind: 'tree', path: containerFolder(id) },
  ];
}

/** The file of a name is there whole or not at all, and only one owner makes it. */
function nameSteps(name: string, id: string): Step[] {
  const whole = join(containerFolder(id), 'name');
  return [
    { op: 'put_file', host: true, at: NONE, path: whole, bytes: Buffer.from(id) },
    { op: 'link', host: true, target: whole, path: nameFile(name) },
  ];
}

/** Our own folders in each hierarchy, which are this container's alone: where the shim itself stays in one, its removal has the steps. */
function folderSteps(id: string, layout: GroupLayout, moved: readonly ShimPlace[]): Step[] {
  return ownBases(layout).flatMap((base): Step[] => [
    {
      op: 'remove_folder',
      host: true,
      at: NONE,
      path: `${base}/${OWN_NAME}/${id}`,
      wait: moved.some(({ folder }) => folder === base) ? 0 : 1,
    },
    { op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}`, wait: 0 },
  ]);
}

/** Steps by which the shim leaves the unit of this process, for a group of its own. */
function shimGroup({ folder }: ShimPlace, id: string): Step[] {
  const path = `${folder}/${OWN_NAME}/${id}/shim`;
  return [
    { op: 'make_group', host: true, out: NONE, at: NONE, path },
    { op: 'put', host: true, at: NONE, path: `${path}/cgroup.procs`, bytes: Buffer.from('0') },
  ];
}

/** Steps by which it leaves that group, so that the group can be removed: the top holds processes and groups alike. */
function leaveGroup({ folder: top, isTop }: ShimPlace, id: string): Step[] {
  // systemd removes a scope, with the groups in it, when the shim has ended
  if (!isTop) return [];
  const folder = `${top}/${OWN_NAME}/${id}`;
  return [
    { op: 'put', host: true, at: NONE, path: `${top}/cgroup.procs`, bytes: Buffer.from('0') },
    { op: 'remove_group', host: true, at: NONE, path: folder },
    { op: 'remove_folder', host: true, at: NONE, path: `${top}/${OWN_NAME}`, wait: 0 },
  ];
}

interface KeptPlanInput {
  readonly prepared: Prepared;
  readonly detach: DetachOptions;
  readonly onHost: OnHost;
  readonly log: LogPlan | null;
  readonly pipes: OwnPipes;
  /** Slots with descriptors that keep what the container uses of the store. */
  readonly heldSlots: readonly Slot[];
  /** Where the shim has a group of its own. */
  readonly moved: readonly ShimPlace[];
  readonly forget: readonly Step[];
}

/** The container's plan as a task that is kept. Pure. */
function keptPlan(parts: ContainerPlan, { prepared, detach, onHost, log, pipes, heldSlots, moved, forget }: KeptPlanInput): Plan {
  const { slots } = prepared;
  const { id, name, disk, logs, lease, claim } = onHost;
  const whole = joinParts(parts, { waits: false });
  const folder = slots.take();
  const owned = { mode: 0o700, uid: 0, gid: 0 };
  const prepare: Step[] = [
    ...moved.flatMap((place) => shimGroup(place, id)),
    ...(claim === null ? [] : [claimStep(claim)]),
    { op: 'open', host: true, out: folder, at: NONE, path: containerFolder(id), flags: O_PATH, mode: 0 },
    ...(name === null ? [] : nameSteps(name, id)),
    ...(disk === null ? [] : [{ op: 'mkdir', host: true, out: NONE, root: NONE, path: disk, ...owned } as const]),
    ...(logs === null || log === null ? [] : [{ op: 'mkdir', host: true, out: log.folder, root: NONE, path: logs, ...owned } as const]),
  ];
  const removal: Step[] = [
    // what is half removed is no container any more: whoever reaps then removes the rest
    { op: 'unlink', host: true, at: NONE, path: join(containerFolder(id), EVIDENCE) },
    // the end has removed the groups, unless somebody is left in them: then the trees that they use stay for the next reap
    ...whole.undo.filter(({ op }) => op === 'remove_group'),
    ...moved.flatMap((place) => leaveGroup(place, id)),
    ...(name === null ? [] : [{ op: 'unlink_if', host: true, at: NONE, path: nameFile(name), bytes: Buffer.from(id) } as const]),
    ...[logs, disk, containerFolder(id)].flatMap((path): Step[] =>
      path === null ? [] : [{ op: 'remove_tree', host: true, at: NONE, path }],
    ),
    ...(lease === null ? [] : [{ op: 'unlink', host: true, at: NONE, path: lease } as const]),
    ...(claim === null ? [] : [giveBackStep(claim)]),
    ...forget,
  ];
  return {
    ...whole,
    prepare: [...prepare, ...whole.prepare],
    // the shim keeps a given descriptor that is returned
    returns: [...whole.returns, ...(pipes.stdin === null ? [] : [pipes.stdin]), ...heldSlots],
    keep: { evidence: { at: folder, path: EVIDENCE }, removal, auto: detach.autoRemove },
  };
}

function detachedRecord(
  { root, volumes, table, options, slots }: Prepared,
  { uppers, mountNamespace, user, master }: ContainerPlan,
  { pipes, logs, detach }: { pipes: OwnPipes; logs: string | null; detach: DetachOptions },
): DetachedRecord {
  const { timeout, cpuTimeLimit, encoding, buffer, killSignal, forceKillAfterDelay } = options.process;
  const terminal = options.process.tty === null ? null : master;
  const isTyped = options.process.stdin.some(({ type }) => type === 'pipe');
  return {
    logs,
    stdin: pipes.stdin ?? (isTyped ? terminal : null),
    terminal,
    inside: { mountNamespace, user },
    changes:
      root.type === 'recipe'
        ? {
            mounts: root.recipe.mounts.map((mount, index) => ({
              target: mount.target,
              lower: comparedWith(mount),
              upper: upperOf(uppers, index),
            })),
            covered: mountpointsOf(table).filter((path) => !isMountedOver(path, options.mounts)),
            volumes,
            stubs: [...options.mounts, ...options.files].map(({ target }) => target),
          }
        : null,
    free: slots.take(),
    autoRemove: detach.autoRemove,
    process: { timeout, cpuTimeLimit, encoding, buffer, killSignal, forceKillAfterDelay },
  };
}

function upperOf(uppers: ContainerPlan['uppers'], index: number): number {
  const slot = uppers[index];
  if (slot === undefined) throw new NacelleError('the plan has no upper folder for a mount', { code: 'ERR_INTERNAL' });
  return slot;
}
