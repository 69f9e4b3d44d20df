import { join } from 'node:path';
import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { deviceFilter } from '../host/device-filter.js';
import { nativeError } from '../native/failure.js';
import { start } from '../native/shim.js';
import { O_PATH } from '../plan/constants.js';
import type { ParsedDeviceRule, ParsedLimits } from '../plan/limits.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { deviceWrites } from './devices.js';
import { readGroupFile, writeGroupFile } from './files.js';
import { parseNumber } from './keyed.js';
import { controllersOf, limitWrites } from './limits.js';
import { moveAll } from './move.js';
import { filterSteps, planGroup } from './plan.js';
import { previousValue } from './previous.js';
import { findDisks, groupFiles } from './probe.js';
import { realTimeAbove } from './real-time.js';
import type { CurrentMemory, Write } from './write.js';

const EBUSY = 16;

/** A group that lives, and what is to hold from now on. */
export interface UpdateRequest {
  readonly layout: GroupLayout;
  readonly name: string;
  /** Its folders, by controller and 'unified'. */
  readonly paths: Readonly<Record<string, string>>;
  /** Those not named stay. */
  readonly limits: ParsedLimits;
  /** All of them: they take the place of those before. */
  readonly deviceRules: readonly ParsedDeviceRule[] | undefined;
}

/**
 * Changes the limits of a group with processes in it. Where it is in no hierarchy of a controller yet, it comes to be there
 * with all of them. When one value is refused, those before it are put back.
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
  const filtered = deviceRules !== undefined && !('devices' in request.paths) ? await requireFilter(request) : undefined;
  const devices = deviceRules === undefined || filtered ? [] : deviceWrites(deviceRules, { reset: true });
  const above = realTimeAbove(layout, name, limits).map(
    ({ path, value }): Step => ({ op: 'put', host: true, at: NONE, path, bytes: Buffer.from(value) }),
  );
  const missing = controllersOf(limits, layout).filter((controller) => !(controller in request.paths));
  const paths = missing.length > 0 ? await enter(request, missing) : { ...request.paths };
  if (above.length > 0) await carryOut(above);
  if (filtered && deviceRules) await carryOut(hangFilter(filtered, deviceRules));
  writeAll(`of the cgroup ${name}`, paths, [...writes, ...devices]);
  return paths;
}

/** What the order of memory's writes depends on. */
function currentMemory(read: (controller: string, file: string) => string | null): CurrentMemory {
  const of = (file: string): number => parseNumber(read('memory', file) ?? '') ?? Number.POSITIVE_INFINITY;
  return { memory: of('memory.limit_in_bytes'), memorySwap: of('memory.memsw.limit_in_bytes') };
}

/** @throws UnsupportedError where the unified tree can't confine devices either */
async function requireFilter({ paths }: UpdateRequest): Promise<string> {
  const feature = await deviceFilter();
  if (paths.unified !== undefined && feature.available) return paths.unified;
  throw new UnsupportedError('limit deviceRules', feature.reason ?? 'the group is not on the unified tree', feature.fix);
}

function hangFilter(folder: string, rules: readonly ParsedDeviceRule[]): Step[] {
  const [group, program] = [0, 1];
  return [
    { op: 'open', host: true, out: group, at: NONE, path: folder, flags: O_PATH, mode: 0 },
    ...filterSteps(rules, { group, program }),
  ];
}

/** Makes the group in more hierarchies, v1's with all its processes; on v2 the controllers are handed on to it. */
async function enter({ layout, name, paths }: UpdateRequest, controllers: readonly string[]): Promise<Record<string, string>> {
  const slots = new Slots();
  const group = planGroup({ slots, layout, name, limits: {}, controllers });
  await carryOut(group.prepare);
  const before = new Set(Object.values(paths));
  for (const folder of new Set(Object.values(group.paths))) if (!before.has(folder)) moveAll(paths, folder);
  return { ...paths, ...group.paths };
}

async function carryOut(prepare: readonly Step[]): Promise<void> {
  await (await start(planOf({ prepare }), new Map())).close();
}

function writeAll(whose: string, paths: Readonly<Record<string, string>>, writes: readonly Write[]): void {
  const undo: (() => void)[] = [];
  try {
    for (const { controller, file, value } of writes) {
      const path = join(paths[controller] ?? '', file);
      // v1's device files are for writing alone; a rule that is gone is the safer side
      const before = controller === 'devices' ? null : previousValue(file, value, readGroupFile(path));
      if (file === 'memory.max') reclaim(whose, paths.memory ?? '', Number(value));
      writeGroupFile(`set ${file} ${whose} to ${value}`, path, value);
      if (before !== null) undo.push(() => writeGroupFile(`put ${file} ${whose} back to ${before}`, path, before));
    }
  } catch (error) {
    for (const back of undo.reverse()) back();
    throw error;
  }
}

/** v2 would kill when a limit is set below what is in use. v1 refuses; so do we, after the kernel has freed what it can. */
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
