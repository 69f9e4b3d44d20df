import { existsSync, fstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readGroupFile } from '../cgroup/files/group-files.js';
import { writeAll } from '../cgroup/update-limits.js';
import { UnsupportedError } from '../errors.js';
import { inspectGroups } from '../host/cgroup-base.js';
import { setUnitProperties, withSystemd } from '../host/systemd-units.js';
import { ensureShim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { type Resources, resourcesSchema } from '../oci-config/resources-schema.js';
import type { Caller } from './caller/caller.js';
import type { Flags } from './command-line.js';
import { checkedFile, textOfFile } from './config/read-config.js';
import { NOT_RUNNING, refusal, usageError } from './config/runtime-error.js';
import { type GroupFolder, rooted } from './plan/bundle-groups.js';
import { unitProperties } from './plan/unit-properties.js';
import { updateWrites } from './plan/update-writes.js';
import { standardStreams } from './preserved-descriptors.js';
import { madeRecord, type StateFolder, statusOf } from './state/container-state.js';
import { ownSystemd } from './systemd-scopes.js';
import { undoneAfter } from './undone-after.js';
import { resourcesOfFlags } from './update-flags.js';

/** What the command line of `update` asks for: a file with linux.resources, '-' for standard input, or flags. @throws NacelleError; SyscallError */
export function askedResources(flags: Flags, caller: Pick<Caller, 'absolute' | 'descriptor' | 'hasOwnStreams'>): Resources {
  const file = flags.value('resources');
  const named = resourcesOfFlags(flags);
  if (file !== null && named !== null) throw usageError('--resources names all limits: it can not go with flags for some');
  if (file === null) return named ?? resourcesSchema.parse({});
  if (file !== '-') return checkedFile(file, textOfFile(caller.absolute(file), caller.hasOwnStreams), resourcesSchema);
  const [input] = standardStreams(caller);
  // of another process the front has read what is there, into a file
  if (!caller.hasOwnStreams && !fstatSync(input).isFile()) throw usageError('standard input is no regular file');
  return checkedFile(
    'standard input',
    attempt('read standard input', () => readFileSync(input, 'utf8')),
    resourcesSchema,
  );
}

/**
 * Changes limits of a container that lives. When one is refused, those before it are put back.
 *
 * @throws NacelleError: 'container not running'; UnsupportedError; SyscallError; DBusError
 */
export async function updateContainer(folder: StateFolder, resources: Resources, caller: Pick<Caller, 'env'>): Promise<void> {
  const record = madeRecord(folder);
  if (statusOf(folder, record) === 'stopped') throw refusal(NOT_RUNNING);
  const layout = rooted(inspectGroups(), record.groups);
  const paths = pathsOf(record.groups);
  const pathOf = (controller: string, file: string): string | null => {
    const path = paths.get(controller);
    return path === undefined ? null : join(path, file);
  };
  const read = (controller: string, file: string): string | null => {
    const path = pathOf(controller, file);
    return path === null ? null : readGroupFile(path);
  };
  const has = (controller: string, file: string): boolean => existsSync(pathOf(controller, file) ?? '');
  // what CPUs there are is asked of the group above
  const readAbove = (controller: string, file: string): string | null => {
    const path = paths.get(controller);
    return path === undefined ? null : readGroupFile(join(dirname(path), file));
  };
  const writes = updateWrites(resources, { layout, files: { has, read: readAbove }, read });
  const placed = writes.map((write) => {
    const path = paths.get(write.controller);
    if (path === undefined) throw new UnsupportedError(`the cgroup controller ${write.controller}`, 'the container has no group of it');
    return { ...write, folder: path };
  });
  const write = () => writeAll(`of the container ${record.id}`, placed);
  await ensureShim();
  const units = record.groups.flatMap(({ unit }) => unit ?? []);
  if (units.length === 0) {
    write();
    return;
  }
  const [owner = 'machine'] = record.groups.flatMap(({ unitOf }) => unitOf ?? []);
  await withSystemd(ownSystemd(owner, caller), async (systemd) => {
    // the kernel says first whether the limits can be had
    const putBack = write();
    try {
      for (const unit of units) await setUnitProperties(systemd, unit, unitProperties(writes));
      // what systemd has written itself is rounded
      write();
    } catch (error) {
      throw await undoneAfter(error, putBack);
    }
  });
}

/** A container's folders by controller and 'unified', which on v2 has all controllers. */
export function pathsOf(groups: readonly GroupFolder[]): ReadonlyMap<string, string> {
  return new Map(
    groups.flatMap(({ path, version, controllers }) => [...(version === 2 ? ['unified'] : []), ...controllers].map((name) => [name, path])),
  );
}
