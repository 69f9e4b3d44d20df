import { doAll } from '../errors.js';
import { processSeen } from '../host/process-identity.js';
import { carryOut } from '../native/host-work.js';
import { ensureShim } from '../native/shim.js';
import type { Task, TaskOutput } from '../native/task.js';
import type { BundleConfig } from '../oci-config/config-schema.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { NONE, type Plan, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import type { Caller } from './caller/caller.js';
import { mayMakeDevices } from './caller/rights.js';
import { keepsGroups } from './config/process-facts.js';
import { NO_CONTAINER, refusal } from './config/runtime-error.js';
import { type CreateFacts, type CreateRequest, createFacts, type KnownBefore, needsSetgroupsDenied } from './create-facts.js';
import { IS_THERE, SETTING_UP, WAITS } from './debug-words.js';
import { writePlans } from './front/write-plans.js';
import { listenerState } from './listener-state.js';
import { type MakingShim, makingShim } from './making-shim.js';
import { openMountMaps } from './mapped-mounts.js';
import { makeNotifyFolder } from './notify-socket.js';
import { type GroupFolder, homeOfGroup, planBundleGroups } from './plan/bundle-groups.js';
import type { BundleInput } from './plan/bundle-input.js';
import type { MappedMount, MountFacts } from './plan/bundle-mounts.js';
import { hasRuntimeHooks, planBundle } from './plan/bundle-plan.js';
import { standardStreams } from './preserved-descriptors.js';
import { runHooks } from './run-hooks.js';
import { closeAll, openShared, ownTypes, procsOf } from './runtime-machine.js';
import {
  type ContainerRecord,
  type ContainerStatus,
  makeStateFolder,
  noteGroups,
  type RecordSeen,
  recordText,
  removeStateFolder,
  type StateFolder,
  seenRecord,
  stateFolder,
  stateOf,
  withoutEnd,
  writeRecordText,
  writeWhole,
} from './state/container-state.js';
import { inTurn } from './state/state-lock.js';
import { inScope, stopUnits } from './systemd-scopes.js';
import { hasLostShim, undoneAfter } from './undone-after.js';

/** A container that waits for its start. */
export interface MadeContainer {
  readonly folder: StateFolder;
  readonly record: ContainerRecord;
  /** The file of the record. */
  readonly seen: RecordSeen;
  readonly config: BundleConfig;
  readonly task: Task;
  /** The program's terminal, where it is shown at the caller's own. */
  readonly terminal: number | null;
  /** Waits until the shim has gone, so that the process belongs to whoever is the subreaper above. */
  endShim(): Promise<void>;
  /** As {@link MakingShim.letGo}. */
  letGoShim(): Promise<void>;
}

/** A container, and what was done with it. */
interface Created<T> {
  readonly made: MadeContainer;
  readonly result: T;
}

/** Leaves beside the record what the front does for later commands. They are done by Node as long as there is nothing. @throws SyscallError */
export function leavePlans({ folder, record, seen, config }: MadeContainer): void {
  writePlans(folder, record, seen, config);
}

/**
 * Makes a container, whose process then waits for `start`: it is nobody's child but the runtime's, until the runtime has ended. When a step fails nothing
 * is left, but for the folder of its state where the shim has gone.
 *
 * @param begin what is done with it before other commands have their turn: see {@link leavePlans}
 * @param onTask hears of the process as soon as it waits
 * @throws NacelleError, with the field of config.json or the step that failed
 */
export async function createContainer<T>(
  request: CreateRequest,
  begin: (made: MadeContainer) => Promise<T> | T,
  onTask: (task: Task) => void = () => undefined,
): Promise<Created<T>> {
  const facts = await createFacts(request);
  const joined = openShared(facts.config.linux, (type) => type !== 'user' || !request.rights.isUser);
  let procs: ReadonlyMap<number, number> = new Map();
  let mapped: ReadonlyMap<number, MappedMount> = new Map();
  let shim: MakingShim | null = null;
  try {
    procs = await procsOf(facts.config, joined.get('pid'));
    mapped = await openMountMaps(facts.mountMaps);
    const planned = plannedContainer(request, facts, { joined, procs, mapped });
    await ensureShim();
    const making = await makingShim(request.rights.isUser ? facts.maps : null, facts.config.linux);
    shim = making;
    const folder = makeStateFolder(request.root, request.id);
    return await inTurn(folder, async () => {
      let isSent = false;
      const hasSent = (): void => {
        isSent = true;
      };
      try {
        noteGroups(folder, facts.folders);
        if (facts.known.notifies) makeNotifyFolder(folder);
        return await makeContainer(request, facts, { folder, planned, shim: making, hasSent, begin, onTask });
      } catch (error) {
        // nobody hears what a shim that was lost has undone: `delete --force` looks, by what is noted here
        if (hasLostShim(error)) throw error;
        throw await undoneAfter(error, () =>
          // with `--keep` the plan leaves its groups; before the plan was sent, groups of these names are another container's
          doAll([
            () => (request.keep && isSent ? removeGroups(facts.folders, request.caller) : undefined),
            () => removeStateFolder(folder),
          ]),
        );
      }
    });
  } catch (error) {
    throw await undoneAfter(error, () => shim?.end());
  } finally {
    closeAll(new Set([...joined.values(), ...procs.values(), ...[...mapped.values()].map(({ users }) => users)]));
  }
}

/** What a plan refers to by descriptors, which are closed when the container is made. */
interface Opened {
  readonly joined: ReadonlyMap<NamespaceType, number>;
  readonly procs: ReadonlyMap<number, number>;
  readonly mapped: MountFacts['mapped'];
}

/** What is to be carried out, and the descriptors that it takes. */
interface PlannedContainer {
  readonly plan: Plan;
  readonly slots: Slots;
  readonly limits: BundleInput['groups']['limits'];
}

function plannedContainer(request: CreateRequest, facts: CreateFacts, opened: Opened): PlannedContainer {
  const slots = new Slots();
  const input = planInput(request, facts, { ...opened, slots });
  return { plan: planBundle(input), slots, limits: input.groups.limits };
}

/** What a container is made with: its folder, its plan, who carries that out, and who hears of it. */
interface Making<T> {
  readonly folder: StateFolder;
  readonly planned: PlannedContainer;
  readonly shim: MakingShim;
  /** Called when the plan is sent. */
  readonly hasSent: () => void;
  readonly begin: (made: MadeContainer) => Promise<T> | T;
  readonly onTask: (task: Task) => void;
}

/** Carries the plan out. When a step fails, nothing is left but the folder. */
async function makeContainer<T>(request: CreateRequest, facts: CreateFacts, making: Making<T>): Promise<Created<T>> {
  const { folder, shim } = making;
  const { plan, slots, limits } = making.planned;
  const { config, folders } = facts;
  // once the process waits for its start, the shim knows of it no more, and it goes with its group
  let isShims = !request.detach || hasRuntimeHooks(config);
  const undo = (task: Task): Promise<void> => (isShims ? endTask(task, folders, request.caller) : removeGroups(folders, request.caller));
  request.debug(`${SETTING_UP}: ${request.id} in ${facts.rootfs}`);
  const make = (): Promise<Task> => {
    making.hasSent();
    return shim.start(plan, slots.descriptors);
  };
  const whenMade = inScope({ name: facts.scope, id: request.id, limits, caller: request.caller }, { make, undo });
  // while the shim makes it
  const textOf = recordText(facts.known);
  const task = await whenMade;
  try {
    const record = (): ContainerRecord => ({ ...facts.known, pid: task.pid, startTime: processSeen(task.pid)?.startTime ?? '' });
    let given: TaskOutput = task.started;
    if (hasRuntimeHooks(config)) {
      const { bundle: cwd } = facts.known;
      const forHooks = { state: JSON.stringify(stateOf(record(), 'creating')), env: request.caller.env, cwd };
      await runHooks('prestart', config.hooks?.prestart ?? [], forHooks);
      await runHooks('createRuntime', config.hooks?.createRuntime ?? [], forHooks);
      await task.release();
      // the terminal is that of the container's /dev/pts, which comes after these hooks
      if (plan.returns.length > 0) given = await task.call([], { returns: plan.returns });
      isShims = !request.detach;
    }
    making.onTask(task);
    const noted = record();
    if (request.pidFile !== null) writeWhole(request.caller.absolute(request.pidFile), String(noted.pid));
    writeRecordText(folder, textOf(noted));
    const seen = seenRecord(folder);
    if (seen === null) throw refusal(NO_CONTAINER);
    request.debug(`${IS_THERE}: ${noted.pid}`);
    request.debug(WAITS);
    const made = { folder, record: noted, seen, config, task, terminal: terminalOf(given), endShim: shim.end, letGoShim: shim.letGo };
    return { made, result: await making.begin(made) };
  } catch (error) {
    throw await undoneAfter(error, () => undo(task));
  }
}

/** The one descriptor that a plan gives back. */
export function terminalOf({ descriptors }: Pick<TaskOutput, 'descriptors'>): number | null {
  const [terminal = null] = descriptors.values();
  return terminal;
}

/** Ends a container whose shim is still there, which removes its groups. */
async function endTask(task: Task, folders: readonly GroupFolder[], caller: Pick<Caller, 'env'>): Promise<void> {
  await doAll([() => task.close(), () => stopUnits(folders, caller)]);
}

function planInput(
  { root, id, newKeyring, noPivot, pidfdSocket, detach, keep, caller, rights }: CreateRequest,
  { config, program, groups, folders, shown, sources, known, mountLabel, scope: _, mountMaps: __, ...facts }: CreateFacts,
  { joined, procs, mapped, slots }: Opened & { readonly slots: Slots },
): BundleInput {
  const { linux } = config;
  const creating = stateAround(known, 'creating');
  const listener = facts.filter?.listener ?? null;
  const hasCgroupNamespace = linux?.namespaces.some(({ type, path }) => type === 'cgroup' && !path) ?? false;
  return {
    ...{ ...facts, slots, config, process: program, joined, runtimes: ownTypes(joined), newKeyring, noPivot },
    folder: stateFolder(root, id).path,
    maps: rights.isUser ? null : facts.maps,
    makesDevices: !rights.isConfined && (facts.maps === null || mayMakeDevices(caller.pid)),
    isInUsers: rights.isUser,
    keepsGroups: keepsGroups(config, rights) || needsSetgroupsDenied(rights, facts.maps),
    pidfdSocket: pidfdSocket === null ? null : caller.absolute(pidfdSocket),
    groups: planBundleGroups({ ...groups, slots, folders, keep, resources: linux?.resources }),
    mounts: {
      ...{ sources, procs, mapped, groups: shown, mode: groups.layout.mode, hasCgroupNamespace },
      ...{ devices: linux?.devices ?? [], label: mountLabel },
    },
    streams: facts.console === null ? standardStreams(caller) : null,
    handsOver: detach,
    listenerState: listener === null ? [] : listenerState(listener, [creating.before, creating.after]),
    states: { creating, created: stateAround(known, 'created') },
  };
}

/** Kills what is in the groups of a container, and removes them. Groups that are gone are success. @throws the first failure, when all were tried */
export async function removeGroups(folders: readonly GroupFolder[], caller: Pick<Caller, 'env'>): Promise<void> {
  const home = homeOfGroup(folders);
  if (home === null) return;
  const kill: Step = { op: 'kill_group', host: true, at: NONE, path: home.path };
  const remove = folders.map(({ path }): Step => ({ op: 'remove_group', host: true, at: NONE, path }));
  await doAll([() => carryOut(planOf({ undo: [kill, ...remove] })), () => stopUnits(folders, caller)]);
}

/** The state that hooks read, cut at the place of the pid, which the shim knows first. */
function stateAround(known: KnownBefore, status: ContainerStatus): { before: string; after: string } {
  const { pid: _, ...rest } = stateOf({ ...known, pid: 0 }, status);
  return { before: `${withoutEnd(JSON.stringify(rest))},"pid":`, after: '}' };
}
