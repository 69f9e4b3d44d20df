import type { ContainerRecord } from '../start/container-record.js';

type Kind = 'text' | 'number' | 'flag' | 'list' | 'texts' | 'object' | 'text or none' | 'object or none';

/** What each part of a noted record is. */
const SHAPE = {
  id: 'text',
  name: 'text or none',
  labels: 'texts',
  command: 'list',
  image: 'object or none',
  createdAt: 'number',
  limits: 'object',
  notEnforced: 'list',
  devices: 'list',
  group: 'object',
  mounts: 'list',
  networks: 'list',
  links: 'object or none',
  ports: 'object or none',
  sharedNetworks: 'list',
  guarded: 'list',
  program: 'object',
  namespaces: 'object',
  userns: 'object or none',
  mayRefuseNull: 'flag',
  processOne: 'flag',
  filterKills: 'flag',
  stopSignal: 'number',
  restart: 'object or none',
  isRestartable: 'flag',
  isChecked: 'flag',
  copyOut: 'list',
  copyOutMax: 'number',
  options: 'object or none',
  bundle: 'object or none',
  detached: 'object',
} as const satisfies Record<keyof ContainerRecord, Kind>;

/** What came later: a record of an older version of this library may lack it. */
const LATER: readonly string[] = ['networks', 'links', 'ports', 'sharedNetworks', 'guarded', 'options', 'userns', 'bundle'];

const PARTS: readonly (readonly [string, Kind])[] = Object.entries(SHAPE);

/**
 * What is wrong with a record that was read; `null` for nothing. Whoever can write a note is this user, so only accidents are looked for, and
 * not everything below the first level.
 */
export function wrongIn(record: object, id: string): string | null {
  for (const [key, kind] of PARTS) {
    const value: unknown = Reflect.get(record, key);
    if (value === undefined ? !LATER.includes(key) : !isOf(kind, value)) return `${key} is not what it must be`;
  }
  const { group, id: noted } = record as Pick<ContainerRecord, 'group' | 'id'>;
  if (noted !== id) return `it is of the container ${noted}`;
  return isOf('texts', group.paths) && isOf('texts', group.bases) ? null : 'group is not what it must be';
}

function isOf(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'flag':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value);
    case 'texts':
      return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
    case 'object':
      return isObject(value);
    case 'text or none':
      return value === null || typeof value === 'string';
    case 'object or none':
      return value === null || isObject(value);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
