import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { NacelleError } from '../errors.js';
import { now } from '../native/clock.js';
import { carryOut } from '../native/host-work.js';
import { start } from '../native/shim.js';
import type { Task } from '../native/task.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { requireMapped, userMapsOf } from './config/bundle-user-maps.js';
import { capabilitySets, processLimits } from './config/process-facts.js';
import { readConfig } from './config/read-config.js';
import { refuseUnsupported } from './config/refused-fields.js';
import { consoleOf } from './console-request.js';
import { freezerOf, type GroupFolder, groupFolders, homeOfGroup, planBundleGroups } from './plan/bundle-groups.js';
import { hasRuntimeHooks, planBundle } from './plan/bundle-plan.js';
import { preservedDescriptors } from './preserved-descriptors.js';
import { runHooks } from './run-hooks.js';
import { closeAll, filterOf, groupFacts, openJoined, procsOf, rootOf, sourcesOf } from './runtime-machine.js';
import {
  type ContainerRecord,
  type ContainerStatus,
  makeStateFolder,
  noteGroups,
  removeStateFolder,
  type StateFolder,
  stateOf,
  writeRecord,
  writeWhole,
} from './state/container-state.js';
import { processesIn } from './state/group-processes.js';
import { processSeen } from './state/process-identity.js';
import { inTurn } from './state/state-lock.js';
import { undoneAfter } from './undone-after.js';

export interface CreateRequest {
  readonly root: string;
  readonly id: string;
  readonly bundle: string;
  readonly pidFile: string | null;
  readonly consoleSocket: string | null;
  readonly newKeyring: boolean;
  /** How many descriptors from 3 on the program gets, after those of socket activation. */
  readonly preservedFds: number;
}

/** A container that waits for its start. */
interface MadeContainer {
  readonly folder: StateFolder;
  readonly record: ContainerRecord;
  readonly task: Task;
}

/**
 * Makes a container, whose process then waits for `start`: it is nobody's child but the runtime's, until the runtime has ended. When a step fails nothing
 * is left.
 *
 * @param isAttached the container ends with this process, which hears of its end by the task
 * @throws NacelleError, with the field of config.json or the step that failed
 */
export async function createContainer(
  request: CreateRequest,
  { isAttached = false }: { readonly isAttached?: boolean } = {},
): Promise<MadeContainer> {
  const bundle = resolve(request.bundle);
  const { config, json } = readConfig(bundle);
  refuseUnsupported(config);
  const { linux } = config;
  if (config.process === undefined)
    throw new NacelleError('process of config.json is missing: a container needs one', { code: 'ERR_INVALID_OPTION' });
  const { descriptors, env } = preservedDescriptors(request.preservedFds, process.env);
  const program = { ...config.process, env: [...config.process.env, ...env] };
  const maps = userMapsOf(linux);
  if (maps !== null) requireMapped(maps, program);
  const console = consoleOf(request.consoleSocket, program);
  const capabilities = capabilitySets(program);
  const limits = processLimits(program);
  const filter = filterOf(linux, capabilities);
  const rootfs = rootOf(bundle, config);
  const sources = sourcesOf(bundle, config);
  const facts = await groupFacts(linux?.resources);
  const folders = groupFolders(facts.layout, linux?.cgroupsPath, request.id);
  refuseUsedGroup(homeOfGroup(folders));
  const joined = openJoined(linux ?? { namespaces: [] });
  const known: KnownBefore = {
    ...{ format: 1, ociVersion: OCI_VERSION, id: request.id, bundle, rootfs, created: new Date(now()).toISOString() },
    ...{ owner: userInfo().username, annotations: config.annotations ?? {}, groups: folders },
    ...{ home: homeOfGroup(folders).path, freezer: freezerOf(folders), config: json },
  };
  const procs = new Map<number, number>();
  const make = async (folder: StateFolder): Promise<MadeContainer> => {
    try {
      noteGroups(folder, folders);
      const slots = new Slots();
      const hasCgroupNamespace = linux?.namespaces.some(({ type, path }) => type === 'cgroup' && !path) ?? false;
      const plan = planBundle({
        ...{ slots, config, process: program, rootfs, joined, capabilities, limits, filter, console, folder: folder.path },
        groups: planBundleGroups({ ...facts, slots, folders, resources: linux?.resources }),
        mounts: { sources, procs, groups: folders, mode: facts.layout.mode, hasCgroupNamespace, devices: linux?.devices ?? [] },
        streams: console === null ? [0, 1, 2] : null,
        newKeyring: request.newKeyring,
        maps,
        preserved: descriptors,
        handsOver: !isAttached,
        states: { creating: stateAround(known, 'creating'), created: stateAround(known, 'created') },
      });
      const task = await start(plan, slots.descriptors);
      // once the process waits for its start, the shim knows of it no more, and it goes with its group
      let isShims = isAttached || hasRuntimeHooks(config);
      try {
        const noted = (): ContainerRecord => ({ ...known, pid: task.pid, startTime: processSeen(task.pid)?.startTime ?? '' });
        if (hasRuntimeHooks(config)) {
          const state = JSON.stringify(stateOf(noted(), 'creating'));
          await runHooks('prestart', config.hooks?.prestart ?? [], state);
          await runHooks('createRuntime', config.hooks?.createRuntime ?? [], state);
          await task.release();
          isShims = isAttached;
        }
        const record = noted();
        if (request.pidFile !== null) writeWhole(resolve(request.pidFile), String(record.pid));
        writeRecord(folder, record);
        return { folder, record, task };
      } catch (error) {
        throw await undoneAfter(error, () => (isShims ? task.close() : removeGroups(folders)));
      }
    } catch (error) {
      throw await undoneAfter(error, () => removeStateFolder(folder));
    }
  };
  try {
    for (const [index, proc] of await procsOf(config, joined.get('pid'))) procs.set(index, proc);
    const folder = makeStateFolder(request.root, request.id);
    return await inTurn(folder, () => make(folder));
  } finally {
    closeAll([...joined.values(), ...procs.values()]);
  }
}

/** What the record has before there is a process. */
type KnownBefore = Omit<ContainerRecord, 'pid' | 'startTime'>;

/** The newest version of the spec that this runtime follows. */
export const OCI_VERSION = '1.3.0';

/** Kills what is in the groups of a container, and removes them. Groups that are gone are success. @throws the first failure, when all were tried */
export async function removeGroups(
  folders: readonly Pick<GroupFolder, 'path' | 'version' | 'controllers' | 'mountPoint'>[],
): Promise<void> {
  if (folders.length === 0) return;
  const kill: Step = { op: 'kill_group', host: true, at: NONE, path: homeOfGroup(folders).path };
  const remove = folders.map(({ path }): Step => ({ op: 'remove_group', host: true, at: NONE, path }));
  await carryOut(planOf({ undo: [kill, ...remove] }));
}

/** Two containers in one group would stand still, and be killed, together. @throws NacelleError */
function refuseUsedGroup({ path }: GroupFolder): void {
  if (processesIn(path).length > 0) throw new NacelleError(`container's cgroup is not empty: ${path}`, { code: 'ERR_STATE' });
}

/** The state that hooks read, cut at the place of the pid, which the shim knows first. */
function stateAround(known: KnownBefore, status: ContainerStatus): { before: string; after: string } {
  const { pid: _, ...rest } = stateOf({ ...known, pid: 0 }, status);
  const text = JSON.stringify(rest);
  return { before: `${text.slice(0, -1)},"pid":`, after: '}' };
}
