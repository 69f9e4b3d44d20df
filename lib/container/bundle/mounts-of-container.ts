import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { MountRow } from '../plan/mount-table.js';
import type { NotedMount } from '../start/bundle-facts.js';
import type { MountForm } from './config-form.js';

const NAMES = [
  ['ro', MOUNT_ATTR.RDONLY],
  ['nosuid', MOUNT_ATTR.NOSUID],
  ['nodev', MOUNT_ATTR.NODEV],
  ['noexec', MOUNT_ATTR.NOEXEC],
] as const;

/** What every container gets, as mounts of config.json. Devices are no mounts there: a runtime makes those that the spec names by itself. Pure. */
export function mountsOfTable(rows: readonly MountRow[]): MountForm[] {
  return rows.filter(({ target }) => !/^\/dev\/(?!pts$|shm$|mqueue$)/.test(target)).map(mountOfRow);
}

function mountOfRow(row: MountRow): MountForm {
  const flags = NAMES.flatMap(([name, bit]) => ((row.attributes & bit) === 0 ? [] : [name]));
  if (row.type === 'bind')
    return { destination: row.target, type: 'bind', source: row.source, options: [row.recursive ? 'rbind' : 'bind', ...flags] };
  const type = row.type === 'cgroup2' ? 'cgroup' : row.type;
  const data = row.type === 'proc' ? [] : row.options;
  return { destination: row.target, type, source: type, options: [...flags, ...data] };
}

/** A mount of the caller's; `null` for one that config.json can't say. Pure. */
export function mountOfCaller({ type, source, target, recursive, propagation, flags, data }: NotedMount): MountForm | null {
  if (type === 'image' || type === 'volume') return null;
  // as the option `readOnly` has it, with the mounts below
  const below = recursive && flags.includes('ro') ? ['rro'] : [];
  if (type === 'bind')
    return { destination: target, type, source: source ?? '', options: [recursive ? 'rbind' : 'bind', ...flags, ...below, propagation] };
  return { destination: target, type, source: source ?? type, options: [...flags, ...data, propagation] };
}
