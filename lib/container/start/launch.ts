import { countersSince, readUsage } from '../../cgroup/stats/usage.js';
import { NacelleError, withCleanupError } from '../../errors.js';
import { planWork } from '../../filesystem/overlay-plan.js';
import { writeRecord } from '../../host/journal.js';
import { dropRecordUnlessLeft } from '../../host/recorded.js';
import type { Image } from '../../image/image.js';
import { endOf, type Holding, hold, undone } from '../../native/host-work.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { Shim } from '../../native/shim.js';
import type { Task, TaskEnd } from '../../native/task.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import { type Parts as NetworkParts, releaseAll } from '../../network/bridge/parts.js';
import { tellEgressRefusals } from '../../network/egress/egress-refusal.js';
import { joinParts, needsShim } from '../../plan/plan.js';
import { comparedWith } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Program, ProgramFacts } from '../../process/program.js';
import type { GroupEvidence } from '../../process/result.js';
import { describeCall } from '../../security/denials/call-name.js';
import { type DenialListener, tellDenials } from '../../security/denials/denial-event.js';
import type { ParsedOptions } from '../options/container-options.js';
import { isMountedOver } from '../options/mount-target.js';
import { planContainer } from '../plan/container-plan.js';
import { mountpointsOf } from '../plan/mount-table.js';
import { isTidiedLater } from '../plan/tidied-later.js';
import type { Inside } from '../result/copy-out.js';
import { groupEvidence, lethalLimits } from '../result/group-evidence.js';
import { type ChangedMount, RootChanges } from '../result/root-changes.js';
import { type ContainerRecord, type LiveRecord, recordOf } from './container-record.js';
import { type Claim, claimOf, requireUsers } from './container-users.js';
import { withNetwork } from './joined-network.js';
import type { LaunchOptions } from './launch-options.js';
import { letGo, type PlannedStart, planStart } from './planned-start.js';
import type { Prepared } from './prepare.js';
import { prewarm } from './prewarm.js';
import { requireWithoutRoot } from './without-root.js';

/** The part of a container that is open, runs or must be released: only this process has it. */
export interface Held<E extends Encoding> {
  readonly program: Program<E>;
  readonly task: Task;
  /** A slot of the container's task, for a descriptor that the shim opens and sends to Node. */
  readonly slot: Slot;
  readonly image: Image | null;
  /** Where, and as whom, files are read and written; `null` for a run without `copyOut`. */
  readonly inside: Inside | null;
  /** Where the shim has what `inside` is, for each run; `null` for a container that runs once. */
  readonly insideSlots: { readonly mountNamespace: Slot; readonly user: Slot } | null;
  /** Files can be read and written until the container is removed. */
  readonly keepsInside: boolean;
  /** `null` for a run, whose root goes with its end, and for a root that is a folder, which the program writes to itself. */
  readonly changes: RootChanges | null;
  /** Hears of refused calls, also of programs that join; `null`: nobody does in this process. */
  readonly onDenied: DenialListener | null;
  /** See `isTidiedLater` of plans. */
  readonly isTidiedLater: boolean;
  /** What this process has of each of its networks, by their names; none of a detached container. */
  readonly networks: Map<string, NetworkParts>;
  /** Releases the image's layers. */
  release(): void;
}

/** What a live container is made of. */
export interface Parts<E extends Encoding> {
  readonly record: LiveRecord;
  readonly held: Held<E>;
}

/**
 * Makes a container with its program, which then runs or, with `park`, waits just before execve. A failure leaves nothing but the program's
 * streams, which the caller closes.
 *
 * @throws as `Container.run`; the reason of `cancelSignal`
 */
export async function launch<E extends Encoding>(program: Program<E>, parsed: ParsedOptions, options: LaunchOptions): Promise<Parts<E>> {
  const { cancelSignal } = parsed.process;
  cancelSignal?.throwIfAborted();
  requireUsers(parsed);
  requireWithoutRoot(parsed);
  return withNetwork(parsed, async (joined) => {
    const planned = await unlessAborted(cancelSignal, () => planStart(joined, options), letGo);
    try {
      return await launchPlanned(program, planned, options);
    } catch (error) {
      letGo(planned);
      throw error;
    }
  });
}

async function launchPlanned<E extends Encoding>(program: Program<E>, planned: PlannedStart, options: LaunchOptions): Promise<Parts<E>> {
  const onHost = await makeOnHost(planned.prepared, options);
  try {
    return await launchOn(program, planned, onHost, options);
  } catch (error) {
    throw await leave(onHost, error);
  }
}

async function launchOn<E extends Encoding>(
  program: Program<E>,
  { prepared, head, first, prewarmed }: PlannedStart,
  onHost: OnHost,
  { park, prewarms = true }: LaunchOptions,
): Promise<Parts<E>> {
  const { slots, group, shim } = prepared;
  const { cancelSignal } = prepared.options.process;
  const streams = await program.open({ isConfined: true });
  const { made, undone: removed } = onHost.claim;
  const recorded = { ...group, prepare: [...made, ...group.prepare], undo: [...group.undo, ...removed, ...onHost.groupRecord] };
  const plan = planContainer(head, { streams, park, journal: park ? [] : onHost.diskRecord, ...prepared, group: recorded });
  await unlessAborted(
    cancelSignal,
    () => prepared.networks.ready(),
    () => undefined,
  );
  prepared.networks.handOver();
  const starting = prewarmed
    ? prewarmed.beginning.goOn(plan.rest, slots.descriptors, cancelSignal)
    : shim.startPlan(joinParts(plan, { waits: false }), slots.descriptors, cancelSignal);
  // sent right behind, so that the shim is at it while this container's process sets itself up
  if (first !== null && prewarms)
    prewarm.hasSent(first, { alike: prepared.options.alike, starting, shim, isShimFree: !needsShim(plan.rest) });
  const { record, task } = await begunWith(program, starting, () => recordOf(prepared, plan.rest));
  if (park && cancelSignal?.aborted) {
    await abandon(task);
    throw cancelSignal.reason;
  }
  tellDenials(task, prepared.options.onDenied);
  tellEgressRefusals(task, prepared.options.egress?.onDenied ?? null);
  const { descriptors } = task.started;
  const { ports } = prepared.networks;
  // the shim has duplicates of these sockets, which hold the ports
  for (const { slot } of ports?.record?.list ?? []) {
    const fd = descriptors.get(slot);
    if (fd !== undefined) closeDescriptor(fd);
  }
  program.connect(descriptors.get(plan.master));
  const uppers = plan.uppers.map((slot) => descriptors.get(slot));
  const inside = insideOf(record, descriptors.get(plan.mountNamespace), descriptors.get(plan.user));
  const networks = new Map(prepared.networks.parts);
  const held: Held<E> = {
    program,
    task,
    slot: slots.take(),
    image: prepared.image,
    inside,
    insideSlots: park ? { mountNamespace: plan.mountNamespace, user: plan.user } : null,
    keepsInside: park,
    changes: park ? changesIn(prepared, uppers, onHost.disk) : null,
    onDenied: prepared.options.onDenied,
    isTidiedLater: isTidiedLater(plan, prepared.options),
    networks,
    release() {
      releaseAll([...networks.values(), prepared], true);
    },
  };
  await beginPorts(ports, task);
  return { record, held };
}

/** The last of what makes a container. A failure ends it. */
export async function beginPorts(ports: JoinedNetworks['ports'], task: Task): Promise<void> {
  try {
    await ports?.begun(task);
  } catch (error) {
    throw withCleanupError(error, await endOf(task));
  }
}

/** The facts by which the program's end is judged. */
export function factsOf(record: LiveRecord): ProgramFacts {
  return new RecordedFacts(record);
}

/** A class, since V8 is slow with an object that has getters of its own: each is made with a new shape. */
class RecordedFacts implements ProgramFacts {
  readonly id: string;
  readonly command: readonly string[];
  readonly processOne: boolean;
  readonly notEnforced: ProgramFacts['notEnforced'];
  readonly describeCall = describeCall;
  readonly #record: LiveRecord;
  readonly #group: ContainerRecord['group'];

  constructor(record: LiveRecord) {
    const { id, command, processOne, notEnforced, group } = record.current;
    this.id = id;
    this.command = command;
    this.processOne = processOne;
    this.notEnforced = notEnforced;
    this.#record = record;
    this.#group = group;
  }

  /** The limits when they are asked for, which is when the program has ended: they change while it runs. */
  get limits(): ProgramFacts['limits'] {
    const { limits, filterKills } = this.#record.current;
    return lethalLimits(limits, filterKills);
  }

  readGroup(end: Pick<TaskEnd, 'reports' | 'reportsBefore'>): GroupEvidence {
    return evidenceOf({ group: this.#group, limits: this.#record.current.limits }, end);
  }
}

/** What its groups counted in a run of its program: a run is judged by that, and its groups may be older. */
export function evidenceOf(
  { group, limits }: Pick<ContainerRecord, 'limits'> & { readonly group: Pick<ContainerRecord['group'], 'usage'> },
  { reports, reportsBefore }: Pick<TaskEnd, 'reports' | 'reportsBefore'>,
): GroupEvidence {
  const counted = readUsage(group.usage, reports);
  const ofRun = reportsBefore.length === 0 ? counted : { ...counted, ...countersSince(readUsage(group.usage, reportsBefore), counted) };
  return groupEvidence(ofRun, limits.memory ?? null);
}

export function insideOf({ current }: LiveRecord, mountNamespace: number | undefined, user: number | undefined): Inside | null {
  if (mountNamespace === undefined || user === undefined) return null;
  const open = new Set([mountNamespace, user]);
  const close = (): void => {
    for (const fd of open) closeDescriptor(fd);
    open.clear();
  };
  return { mountNamespace, user, keepsGroups: current.program.keepsGroups ?? false, maps: current.userns, close };
}

/** What a container has on the host beside its groups. It is written down in records before it is made. */
interface OnHost {
  /** The folder of the container's upper, where that must outlive the program. */
  readonly disk: readonly Holding[];
  /** Steps that remove the records: of the folder, and of groups whose path does not tell their owner. */
  readonly diskRecord: readonly Step[];
  readonly groupRecord: readonly Step[];
  /** Steps that make and remove the container's claim to its ids. */
  readonly claim: Claim;
}

async function makeOnHost({ id, root, records, lease, shim }: Prepared, { park }: LaunchOptions): Promise<OnHost> {
  const path = root.type === 'recipe' ? root.disk : null;
  const diskRecord = path === null ? [] : writeRecord(shim.owner, id, [{ kind: 'tree', path }]);
  let made: OnHost = { disk: [], diskRecord: park ? [] : diskRecord, groupRecord: [], claim: { made: [], undone: [] } };
  try {
    if (park && path !== null) made = { ...made, disk: [await holdFolder(path, diskRecord, shim)] };
    made = { ...made, claim: claimOf(lease, id, shim) };
    return { ...made, groupRecord: records.length > 0 ? writeRecord(shim.owner, `${id}-group`, records) : [] };
  } catch (error) {
    throw await leave(made, error);
  }
}

function holdFolder(path: string, record: readonly Step[], on: Shim): Promise<Holding> {
  const { plan, slots, removal } = planWork(path, record);
  return hold(plan, slots.descriptors, { removal, on });
}

/** Removes what is on the host for a container that could not be made. @returns the error to throw */
async function leave({ disk, diskRecord, groupRecord, claim }: OnHost, error: unknown): Promise<unknown> {
  dropRecordUnlessLeft([...diskRecord, ...groupRecord, ...claim.undone], error);
  return undone(disk, error);
}

/** The record of a container, made while the shim is at work on its plan, and its task. Where one can't be had, the other is not left. */
export async function begunWith(
  program: Pick<Program<Encoding>, 'sent'>,
  starting: Promise<Task>,
  make: () => ContainerRecord,
): Promise<{ readonly record: LiveRecord; readonly task: Task }> {
  try {
    const record: LiveRecord = { current: make() };
    return { record, task: await program.sent(factsOf(record), starting) };
  } catch (error) {
    await starting.then(abandon, () => undefined);
    throw error;
  }
}

/** Ends a container that is parked, and that the caller never gets. */
export async function abandon(task: Task): Promise<void> {
  for (const fd of task.started.descriptors.values()) closeDescriptor(fd);
  // nobody needs to hear of a failed undo: the record of what is left is kept for the next reap
  await endOf(task);
}

/** The changes to the root; `null` for a root that is a folder, which the program writes to itself. */
function changesIn(
  { root, volumes, table, options }: Prepared,
  uppers: readonly (number | undefined)[],
  disk: readonly Holding[],
): RootChanges | null {
  if (root.type !== 'recipe') return null;
  const mounts = root.recipe.mounts.map((mount, index): ChangedMount => {
    const upper = uppers[index];
    if (upper === undefined) throw new NacelleError('the shim gave no upper folder', { code: 'ERR_PROTOCOL' });
    return { target: mount.target, lower: comparedWith(mount), upper };
  });
  // a place in a mount of the caller's does not belong to the root
  const covered = mountpointsOf(table).filter((path) => !isMountedOver(path, options.mounts));
  return new RootChanges(mounts, disk, { covered, volumes, stubs: [...options.mounts, ...options.files].map(({ target }) => target) });
}
