import { join } from 'node:path';
import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { deviceFilter } from '../host/device-filter-support.js';
import { carryOut } from '../native/host-work.js';
import { nativeError } from '../native/system-errors.js';
import type { ParsedDeviceRule, ParsedLimits } from '../options/limits.js';
import { O_PATH } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { devicesAbove } from './devices-above.js';
import { groupsIn, readGroupFile, writeGroupFile } from './files/group-files.js';
import { parseNumber } from './files/interface-file-formats.js';
import { previousValue } from './files/value-before.js';
import { filterSteps, planGroup, shownInside } from './group-plan.js';
import { findDisks, groupFiles } from './group-probe.js';
import { deviceSteps, deviceWrites } from './limits/device-rules.js';
import type { CurrentMemory, Write } from './limits/group-write.js';
import { controllersOf, limitWrites } from './limits/limit-writes.js';
import { moveAll } from './move-processes.js';
import { realTimeAbove } from './real-time.js';

const EBUSY = 16;

/** A live group, and the limits that it is to have from now on. */
export interface UpdateRequest {
  readonly layout: GroupLayout;
  readonly name: string;
  /** The group's folders, by controller and 'unified'. */
  readonly paths: Readonly<Record<string, string>>;
  /** Limits that are not named stay as they are. */
  readonly limits: ParsedLimits;
  /** All rules: they replace those given before. */
  readonly deviceRules: readonly ParsedDeviceRule[] | undefined;
  /** The name of the group below it in which programs look for their limits; `null` or not given: there is none. */
  readonly leaf?: string | null;
  /** Carries out the steps that make folders, unless the group has gone. Default: in any case. */
  readonly make?: (steps: readonly Step[]) => Promise<unknown>;
}

/**
 * Changes the limits of a group with processes in it. Where the group is not yet in the hierarchy of a controller, it is made there, with
 * all its processes. When a value is refused, those before it are put back.
 *
 * @returns its folders, which may be more than before
 * @throws UnsupportedError before anything is changed; SyscallError, EBUSY when more memory is in use than can be freed
 */
export async function updateGroup(request: UpdateRequest): Promise<Record<string, string>> {
  const { layout, name, deviceRules } = request;
  const limits = findDisks(request.limits);
  const read = (controller: string, file: string): string | null => {
    const folder = request.paths[controller];
    return folder === undefined ? null : readGroupFile(join(folder, file));
  };
  const writes = limitWrites(limits, { layout, files: await groupFiles(layout, limits), current: currentMemory(read) });
  const devices = deviceRules === undefined ? undefined : await planDevices(request, deviceRules);
  const above = realTimeAbove(layout, name, limits).map(
    ({ path, value }): Step => ({ op: 'put', host: true, at: NONE, path, bytes: Buffer.from(value) }),
  );
  const needed = [...controllersOf(limits, layout), ...(devices?.controllers ?? [])];
  const missing = needed.filter((controller) => !(controller in request.paths));
  const paths = missing.length > 0 ? await enter(request, missing) : { ...request.paths };
  if (above.length > 0) await makeByItself(above);
  const putBack = writeAll(`of the cgroup ${name}`, [...placedIn(paths, writes), ...placedInside(paths, request.leaf ?? null, writes)]);
  try {
    if (devices) await makeByItself(devices.steps(paths));
  } catch (error) {
    putBack();
    throw error;
  }
  return paths;
}

/** How device rules are changed: by which controllers, and the steps in the group's folders. */
interface DeviceChange {
  readonly controllers: readonly string[];
  steps(paths: Readonly<Record<string, string>>): Step[];
}

/**
 * Plans new device rules: in v1's controller where the group has rules there, or where there is no unified tree; else by a BPF program.
 *
 * @throws UnsupportedError
 */
async function planDevices({ layout, name, paths }: UpdateRequest, rules: readonly ParsedDeviceRule[]): Promise<DeviceChange> {
  const [group, program] = [0, 1];
  const open = (path = ''): Step => ({ op: 'open', host: true, out: group, at: NONE, path, flags: O_PATH, mode: 0 });
  const isOfV1 = layout.controllers.get('devices')?.version === 1;
  if (!('devices' in paths) && (layout.unified || !isOfV1)) {
    const folder = await requireFilter(paths);
    return { controllers: [], steps: () => [open(folder), ...filterSteps(rules, { group, program })] };
  }
  if (groupsIn(paths.devices ?? '').length > 0)
    throw new UnsupportedError('limit deviceRules', 'groups are below it, and v1 sets rules anew only while none is', 'Set them before.');
  const writes = deviceWrites(rules, { reset: true, above: devicesAbove(layout, name, rules) });
  return { controllers: ['devices'], steps: ({ devices }) => [open(devices), ...deviceSteps(writes, group)] };
}

/** The limits on which the order of memory's writes depends. */
function currentMemory(read: (controller: string, file: string) => string | null): CurrentMemory {
  const of = (file: string): number => parseNumber(read('memory', file) ?? '') ?? Number.POSITIVE_INFINITY;
  return { memory: of('memory.limit_in_bytes'), memorySwap: of('memory.memsw.limit_in_bytes') };
}

/** @throws UnsupportedError where the unified tree can't confine devices either */
async function requireFilter({ unified }: UpdateRequest['paths']): Promise<string> {
  const feature = await deviceFilter();
  if (unified !== undefined && feature.available) return unified;
  throw new UnsupportedError('limit deviceRules', feature.reason ?? 'the group is not on the unified tree', feature.fix);
}

/** Makes the group in more hierarchies, v1's with all its processes; on v2 the controllers are handed on to it. */
async function enter(
  { layout, name, paths, make = makeByItself }: UpdateRequest,
  controllers: readonly string[],
): Promise<Record<string, string>> {
  const group = planGroup({ slots: new Slots(), layout, name, limits: {}, controllers });
  // the slots of the group's own task are others, so these steps fill none
  await make(group.prepare.map((step): Step => (step.op === 'make_group' ? { ...step, out: NONE } : step)));
  const before = new Set(Object.values(paths));
  const added = new Set(Object.values(group.paths).filter((folder) => !before.has(folder)));
  for (const folder of added) await moveAll(`the processes of the cgroup ${name}`, paths, folder);
  return { ...paths, ...group.paths };
}

async function makeByItself(prepare: readonly Step[]): Promise<void> {
  await carryOut(planOf({ prepare }));
}

/** A value for a file in a folder. */
export interface PlacedWrite extends Write {
  readonly folder: string;
}

function placedIn(paths: Readonly<Record<string, string>>, writes: readonly Write[]): PlacedWrite[] {
  return writes.map((write) => ({ ...write, folder: paths[write.controller] ?? '' }));
}

/** The same limits in the group below, as when the two were made. */
function placedInside(paths: Readonly<Record<string, string>>, leaf: string | null, writes: readonly Write[]): PlacedWrite[] {
  const { unified } = paths;
  if (leaf === null || unified === undefined) return [];
  const onUnified = Object.keys(paths).filter((controller) => paths[controller] === unified);
  const shown = shownInside(writes, onUnified);
  if (shown.writes.length === 0) return [];
  const control = join(unified, 'cgroup.subtree_control');
  // the limits may be the first ones of their controller
  writeGroupFile(`hand ${shown.enable} on in ${unified}`, control, shown.enable);
  return shown.writes.map((write) => ({ ...write, folder: join(unified, leaf) }));
}

/**
 * Writes values in their order; when one is refused, those before it are put back.
 *
 * @param whose for errors: 'of the cgroup x'
 * @returns a function that puts all values back
 * @throws SyscallError
 */
export function writeAll(whose: string, writes: readonly PlacedWrite[]): () => void {
  const undo: (() => void)[] = [];
  const putBack = (): void => {
    for (const back of undo.reverse()) back();
  };
  try {
    for (const { folder, file, value } of writes) {
      const path = join(folder, file);
      const before = previousValue(file, value, readGroupFile(path));
      if (file === 'memory.max') reclaim(whose, folder, Number(value));
      writeGroupFile(`set ${file} ${whose} to ${value}`, path, value);
      if (before !== null) undo.push(() => writeGroupFile(`put ${file} ${whose} back to ${before}`, path, before));
    }
  } catch (error) {
    putBack();
    throw error;
  }
  return putBack;
}

/**
 * v2 would kill processes when a limit is set below what is in use. v1 refuses such a limit; so do we, after the kernel has freed what it
 * can.
 */
function reclaim(whose: string, folder: string, limit: number): void {
  const used = (): number => parseNumber(readGroupFile(join(folder, 'memory.current')) ?? '') ?? 0;
  if (used() <= limit) return;
  const high = join(folder, 'memory.high');
  const before = readGroupFile(high)?.trim() ?? 'max';
  const what = `set memory.max ${whose} to ${limit}`;
  writeGroupFile(what, high, String(limit));
  const still = used();
  writeGroupFile(what, high, before);
  if (still > limit) throw nativeError(`${what}: ${still} bytes are in use`, 'write', EBUSY, join(folder, 'memory.max'));
}
