import { types } from 'node:util';
import { invalidOption } from '../../errors.js';
import { type ParsedOptions, parseRunOptions } from '../options/container-options.js';
import type { RunOptions } from '../options/container-types.js';
import { usesPlugins } from '../start/container-networks.js';

/** How a pool is kept. */
export interface PoolOptions {
  /**
   * How many containers wait for a run, 1 to 256. Each has some 150 KB of memory in its group. Where each has addresses or ids of its own, those of up to
   * eight more are taken ahead. Default: 2.
   */
  ready?: number | undefined;
}

/** The options of {@link ContainerPool.run}: what may be another in each run. */
export const RUN_NAMES = [
  'command',
  'env',
  'input',
  'copyIn',
  'copyOut',
  'stdin',
  'stdout',
  'stderr',
  'tty',
  'timeout',
  'cpuTimeLimit',
  'maxBuffer',
  'cancelSignal',
  'reject',
  'labels',
  'ports',
  'encoding',
  'buffer',
] as const satisfies readonly (keyof RunOptions)[];

/** In the place of a command that each run brings. */
export const NO_COMMAND: readonly string[] = ['-'];

/**
 * Checks the options of a pool. A command may be missing, since each run may have its own.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`: as `Container.run`, or an option that a pool can't have
 */
export function parsePooled(options: Readonly<Record<string, unknown>>): ParsedOptions {
  const { command, entrypoint } = options;
  const isSilent = command === undefined && entrypoint === undefined;
  const parsed = parseRunOptions(isSilent ? { ...options, command: NO_COMMAND } : options);
  for (const [option, why] of refusals(parsed)) throw invalidOption(option, `can't go with a pool: ${why}`);
  return parsed;
}

/** Whether a pool can have containers with these options. */
export function isPoolable(options: ParsedOptions): boolean {
  return refusals(options).next().done === true;
}

/** Deeper than any option has anything. */
const DEEPEST = 16;

/** A copy that no change of arrays, plain objects or bytes of the caller's changes. Streams, images and signals are the caller's own. */
export function copyOfOptions(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...options }).map(([name, value]) => [name, copyOf(value, 1)]));
}

function copyOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth > DEEPEST) return value;
  if (types.isUint8Array(value)) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map((item) => copyOf(item, depth + 1));
  const isPlain = Object.getPrototypeOf(value) === Object.prototype && Object.getOwnPropertySymbols(value).length === 0;
  return isPlain ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copyOf(item, depth + 1)])) : value;
}

/** What is of one container, or would be another after a wait, with the reasons. */
function* refusals(options: ParsedOptions): Generator<readonly [option: string, why: string]> {
  const { namespaces, root, process } = options;
  if (options.name !== null) yield ['name', 'a name is of one container'];
  if (options.detached !== null) yield ['detach', 'its containers end with this process'];
  if (options.restart !== null) yield ['restart', 'each container is one run'];
  if (typeof options.healthcheck === 'object' && options.healthcheck !== null)
    yield ['healthcheck', 'nobody asks for the health of one run'];
  if (options.isolation === 'landlock') yield ['isolation', "'landlock' makes nothing that could be made before the program"];
  for (const [type, namespace] of Object.entries(namespaces)) {
    if (typeof namespace !== 'string') yield [`namespaces.${type}`, "must be 'new' or 'host'"];
  }
  if (options.timeOffsets !== null || namespaces.time === 'new') yield ['timeOffsets', 'the clocks would run while a container waits'];
  for (const { ip, mac, optionPrefix } of options.networks) {
    if (ip !== null) yield [`${optionPrefix}ip`, 'an address is of one container'];
    if (mac !== null) yield [`${optionPrefix}mac`, 'an address is of one container'];
  }
  if (usesPlugins(options)) yield ['network', "links that plugins of CNI make can't be there before their container"];
  if (options.ports.length > 0) yield ['ports', 'a port is of one container: give them to a run'];
  if (options.cgroup !== null) yield ['cgroup', 'your group would have processes that you do not know of'];
  if (options.cgroupParent !== null) yield ['cgroupParent', 'your group would have processes that you do not know of'];
  if (root.type === 'image' && root.upper === 'disk') yield ['upper', "must be 'tmpfs': a folder on disk is noted before it is made"];
  if (process.cancelSignal !== null) yield ['cancelSignal', 'give it to a run'];
}

/** The options of one run, laid over those of the pool. @throws NacelleError `ERR_INVALID_OPTION` for one that is the pool's */
export function runOptionsOf(options: object, given: unknown): object {
  if (typeof given !== 'object' || given === null) throw invalidOption('options', 'must be an object');
  const names: readonly string[] = RUN_NAMES;
  const other = Object.keys(given).find((name) => !names.includes(name));
  if (other !== undefined) throw invalidOption(other, `is for Container.pool: a run may have ${RUN_NAMES.join(', ')}`);
  return { ...options, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}
