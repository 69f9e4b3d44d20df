import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalidOption, UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { owner } from '../host/owner.js';
import { during } from '../native/host-work.js';
import { ownerName } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import type { ParsedLimits } from '../options/limits.js';
import { newId } from '../plan/id.js';
import { planOf, Slots } from '../plan/plan.js';
import { readGroupFile } from './files/group-files.js';
import { pathOf, planGroup } from './group-plan.js';
import { type GroupFiles, noFiles } from './limits/group-write.js';
import { uncertainControllers } from './limits/limit-writes.js';

/** Names of a group's files. */
type Files = ReadonlySet<string>;

/** The files that were found, by controller: they do not change while the machine runs. */
const known = new Map<string, Files>();

/**
 * Finds out which files a group has that not every kernel has, for the limits that need to know: an empty group is
 * made for a moment, as the top of a hierarchy lacks most of them. Once for each controller.
 */
export async function groupFiles(layout: GroupLayout, limits: ParsedLimits): Promise<GroupFiles> {
  const controllers = uncertainControllers(limits, layout).filter((name) => layout.controllers.has(name));
  if (controllers.length === 0) return noFiles;
  const asked = controllers.filter((name) => !known.has(name));
  if (asked.length > 0) for (const [name, files] of await look(layout, asked)) known.set(name, files);
  return {
    has: (controller, file) => known.get(controller)?.has(file) ?? false,
    read: (controller, file) => readAbove(layout, controller, file),
  };
}

/**
 * Reads a file of the group above a new one, for CPUs come and go: a new group has those of the owner's own group or, before that exists,
 * of the base.
 */
function readAbove(layout: GroupLayout, controller: string, file: string): string | null {
  const hierarchy = layout.controllers.get(controller);
  const base = hierarchy && layout.bases.get(hierarchy.mountPoint)?.path;
  if (!base) return null;
  return readGroupFile(join(pathOf(base, ownerName()), file)) ?? readGroupFile(join(base, file));
}

/** Finds the files of controllers. Where no group can be made it finds none: planning the limits then tells the reason. */
async function look(layout: GroupLayout, controllers: readonly string[]): Promise<[string, Files][]> {
  const slots = new Slots();
  const name = `${await owner(layout)}/${newId()}`;
  let group: ReturnType<typeof planGroup>;
  try {
    group = planGroup({ slots, layout, name, limits: {}, controllers });
  } catch (error) {
    if (error instanceof UnsupportedError) return [];
    throw error;
  }
  const { paths, prepare, undo } = group;
  return during(planOf({ prepare, undo }), slots.descriptors, async () =>
    controllers.flatMap((controller): [string, Files][] => {
      const folder = paths[controller];
      return folder === undefined ? [] : [[controller, filesIn(folder)]];
    }),
  );
}

function filesIn(folder: string): Files {
  const names = attempt(`list ${folder}`, () => readdirSync(folder)).filter(
    (name) => name !== KMEM || takesKernelMemory(join(folder, KMEM)),
  );
  return new Set(names);
}

const KMEM = 'memory.kmem.limit_in_bytes';

/** Whether a limit of kernel memory has an effect: from Linux 5.16 on the kernel refuses it, and later takes and forgets it. */
function takesKernelMemory(file: string): boolean {
  const value = '1073741824';
  try {
    writeFileSync(file, value);
  } catch {
    return false;
  }
  return readFileSync(file, 'utf8').trim() === value;
}

/**
 * Replaces paths of block devices by their numbers.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for what is no whole disk
 */
export function findDisks(limits: ParsedLimits): ParsedLimits {
  if (limits.ioMax === undefined) return limits;
  return { ...limits, ioMax: limits.ioMax.map((max) => ({ ...max, device: numbersOf(max.device) })) };
}

function numbersOf(device: string): string {
  const numbers = device.startsWith('/') ? lookUp(device) : device;
  if (isThere(`/sys/dev/block/${numbers}/partition`)) throw invalidOption('ioMax', `${device} is a partition: name the whole disk`);
  if (!isThere(`/sys/dev/block/${numbers}`)) throw invalidOption('ioMax', `there is no block device ${device}`);
  return numbers;
}

function lookUp(path: string): string {
  let status: ReturnType<typeof statSync>;
  try {
    status = statSync(path);
  } catch (cause) {
    throw invalidOption('ioMax', `${path} can't be looked up`, cause);
  }
  if (!status.isBlockDevice()) throw invalidOption('ioMax', `${path} is not a block device`);
  // makedev(3) of glibc
  const device = BigInt(status.rdev);
  return `${((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)}:${(device & 0xffn) | ((device >> 12n) & 0xffffff00n)}`;
}

/** @throws SyscallError for what can't be looked at */
export function isThere(path: string): boolean {
  return attempt(`look up ${path}`, () => statSync(path, { throwIfNoEntry: false })) !== undefined;
}
