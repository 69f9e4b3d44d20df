import { UnsupportedError } from '../../errors.js';
import type { RunOptions } from './container-types.js';
import { tidied } from './tidied.js';

/** The names of the option `profile`. */
export const profileNames = ['untrusted'] as const;
export type ProfileName = (typeof profileNames)[number];

/** The options of a caller, before they are checked. */
type Given = Readonly<Record<string, unknown>>;

/** One default of a profile. */
export interface ProfileDefault {
  readonly option: keyof RunOptions;
  readonly value: unknown;
  /** For docs/security.md. */
  readonly why: string;
  /** Where something else that is given says the same, or can't go with it: the default is left out. */
  readonly isLeftOut?: (given: Given) => boolean;
  /** Each of its keys is a default by itself. */
  readonly byKey?: boolean;
  /** Programs that `exec` runs have it too, each for itself. */
  readonly forExec?: boolean;
}

/** Who is nobody, on every machine. */
export const NOBODY = 65_534;
/** The folder that can be written to. */
export const SCRATCH = '/tmp';
/**
 * What the users of a profile's new user namespace may have, by the names in /proc/sys/user (namespaces(7)): the kernel counts these for the owner of
 * the namespace too, so that one container could use up all that the host's root may have.
 */
export const USER_COUNTS = { max_inotify_instances: 16, max_inotify_watches: 8192 } as const;
/** Of binds, volumes and images that are mounted. */
export const MOUNT_FLAGS = ['nosuid', 'nodev'] as const;

/** The defaults for strangers' code. docs/security.md has this table, and a test holds it to this one. */
export const untrusted: readonly ProfileDefault[] = [
  {
    option: 'userns',
    value: 'auto',
    why: 'its ids are nobody’s on the host. An ordinary user’s containers have a user namespace of that user’s ids anyway',
    isLeftOut: ({ namespaces }) => hasKey(namespaces, 'user'),
  },
  {
    option: 'network',
    value: 'none',
    why: 'the loopback alone',
    isLeftOut: ({ namespaces }) => hasKey(namespaces, 'net'),
  },
  { option: 'readOnly', value: true, why: 'nothing fills a disk, and one run leaves nothing for another in the root' },
  {
    option: 'tmpfs',
    value: { [SCRATCH]: 'size=128m,nr_inodes=16384,mode=1777,exec' },
    why: 'the one place to write, for compilers too; `memory` counts what lies there',
    isLeftOut: (given) => placesOf(given).includes(SCRATCH),
    byKey: true,
  },
  { option: 'init', value: true, why: 'orphans are reaped, and signals work as the program expects' },
  { option: 'capDrop', value: ['ALL'], why: 'no capability, also not over its own namespaces' },
  { option: 'memory', value: '512m', why: 'with /tmp, /dev/shm and the page cache; and no swap' },
  { option: 'pidsLimit', value: 128, why: 'a fork bomb ends there' },
  {
    option: 'ulimits',
    value: { core: 0, nofile: 1024 },
    why: 'no core file, of the program’s secrets or a disk’s worth; files, pipes and sockets open in one process',
    byKey: true,
  },
  {
    option: 'timeout',
    value: 30_000,
    why: 'of wall time, ms. Not with `restart`',
    isLeftOut: isStartedAgain,
    forExec: true,
  },
  {
    option: 'cpuTimeLimit',
    value: 10_000,
    why: 'of processor time of the whole tree, ms. Not with `restart`',
    isLeftOut: isStartedAgain,
    forExec: true,
  },
  {
    option: 'maxBuffer',
    value: '16m',
    why: 'of each output, wherever it goes. A detached container has `logging` in its place',
    isLeftOut: ({ detach }) => detach === true,
    forExec: true,
  },
  { option: 'copyOutMax', value: '16m', why: 'of what `copyOut` brings' },
];

const profiles: Readonly<Record<ProfileName, readonly ProfileDefault[]>> = { untrusted };

/**
 * Options with the defaults of their profile. What is given wins; `undefined` counts as not given. Pure.
 *
 * @param value what a caller gave, unchecked
 * @param isRoot whether its containers are root's: an ordinary user's have a user namespace of that user's ids already
 */
export function withProfile(value: unknown, isRoot: () => boolean): unknown {
  const profile = profileOf(value);
  if (profile === null || !isObject(value)) return value;
  const rows = profiles[profile].filter(({ option }) => option !== 'userns' || isRoot());
  return filledIn(value, rows);
}

/** The same for options of `exec` in a container of that profile. */
export function withExecProfile(value: unknown, profile: ProfileName | null): unknown {
  if (profile === null || (value !== undefined && !isObject(value))) return value;
  return filledIn(
    value ?? {},
    profiles[profile].filter(({ forExec }) => forExec),
  );
}

/** The profile that is asked for; under Landlock none can be. */
function profileOf(value: unknown): ProfileName | null {
  if (!isObject(value) || value.isolation === 'landlock') return null;
  return profileNames.find((name) => name === value.profile) ?? null;
}

/**
 * An error about what a profile asks for says so, and how to do without. Pure.
 *
 * @param error what a container could not be made for
 */
export function toldOfProfile(error: unknown, profile: ProfileName | null): unknown {
  if (profile === null || !(error instanceof UnsupportedError)) return error;
  const { feature, reason, fix } = error;
  const option = feature.replace(/^limit /, '');
  if (!profiles[profile].some((row) => row.option === option)) return error;
  const without = option === 'userns' ? "give userns: 'host'" : "give onUnsupported: 'report', and the result lists it";
  const whole = `${fix === undefined ? '' : `${fix} `}The profile '${profile}' asks for it: to do without, ${without}.`;
  return new UnsupportedError(feature, reason, whole, { cause: error });
}

function filledIn(given: Given, rows: readonly ProfileDefault[]): Given {
  const defaults = rows
    .filter(({ option, isLeftOut, byKey }) => (byKey ? isMergeable(given[option]) : given[option] === undefined) && !isLeftOut?.(given))
    .map(({ option, value, byKey }) => [option, byKey ? { ...Object(value), ...Object(given[option] ?? {}) } : value] as const);
  return { ...given, ...Object.fromEntries(defaults) };
}

/** What is none of both is wrong, and said so later. */
function isMergeable(value: unknown): boolean {
  return value === undefined || isObject(value);
}

/** Where the caller has mounts. What is no path is found wrong later. */
function placesOf({ mounts, volumes, tmpfs }: Given): string[] {
  const targets = [
    ...listOf(mounts).map((mount) => (isObject(mount) ? mount.target : undefined)),
    ...listOf(volumes).map((volume) => (typeof volume === 'string' ? (volume.split(':')[1] ?? volume) : undefined)),
    ...(isObject(tmpfs) ? Object.keys(tmpfs) : []),
  ];
  return targets.flatMap((path) => (typeof path === 'string' ? [tidied(path)] : []));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isStartedAgain({ restart, healthcheck }: Given): boolean {
  return restart !== undefined || (isObject(healthcheck) && healthcheck.then === 'restart');
}

function hasKey(value: unknown, key: string): boolean {
  return isObject(value) && value[key] !== undefined;
}

function isObject(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
