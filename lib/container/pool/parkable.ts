import { isDeepStrictEqual } from 'node:util';
import { parseReference } from '../../image/formats/reference.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { ParsedOptions } from '../options/container-options.js';
import { isPoolable, NO_COMMAND } from './pool-options.js';

/** What of a parsed option parking needs: it is each run's own, or one for the shape; or the shape may have it so, and is not parked otherwise. */
type Rule = 'own' | 'shape' | ((options: ParsedOptions) => boolean);

/**
 * All options, so that nobody adds one without a word on it here. A container that is parked though nobody has asked for it shows nothing of the
 * caller's but its root, by which it would hold a file system or layers for a while, has nothing for itself alone, which others would miss or see, and nothing
 * that is looked up at the time of the run but the name of an image.
 */
const RULES: Readonly<Record<keyof ParsedOptions, Rule>> = {
  alike: 'own',
  command: 'own',
  labels: 'own',
  copyIn: 'own',
  copyOut: 'own',
  copyOutMax: 'own',
  process: 'shape',
  root: isUnwritten,
  mounts: ({ mounts }) => mounts.every(({ type }) => type === 'tmpfs'),
  anonymousVolumes: ({ anonymousVolumes }) => anonymousVolumes.length === 0,
  devices: ({ devices }) => devices.length === 0,
  files: ({ files }) => files.length === 0,
  namespaces: areItsOwn,
  userns: ({ userns }) => userns === 'host',
  // before the run begins nothing of them is taken but an address, with a link, which this thread gives to whoever else asks for it. A setting may be of a
  // link, which isn't there then
  networks: ({ networks, sysctls }) => networks.length === 0 || Object.keys(sysctls).length === 0,
  networkOf: ({ networkOf }) => networkOf === null,
  pasta: ({ pasta }) => !pasta,
  hostPorts: ({ hostPorts }) => hostPorts.length === 0,
  egress: ({ egress }) => egress === null,
  seccomp: ({ seccomp }) => typeof seccomp !== 'object' || !('file' in seccomp),
  onDenied: ({ onDenied }) => onDenied === null,
  onProgress: ({ onProgress }) => onProgress === null,
  limits: ({ limits }) => OF_THE_MOMENT.every((limit) => limits[limit] === undefined),
  // what a pool refuses of these is refused here too
  name: 'shape',
  ports: 'shape',
  detached: 'shape',
  restart: 'shape',
  healthcheck: 'shape',
  isolation: 'shape',
  timeOffsets: 'shape',
  cgroup: 'shape',
  cgroupParent: 'shape',
  profile: 'shape',
  readOnly: 'shape',
  entrypoint: 'shape',
  hostname: 'shape',
  domainname: 'shape',
  init: 'shape',
  bandwidth: 'shape',
  sharedNetworks: 'shape',
  sharedGuards: 'shape',
  sharesEgress: 'shape',
  sharesPasta: 'shape',
  dns: 'shape',
  extraHosts: 'shape',
  capAdd: 'shape',
  capDrop: 'shape',
  noNewPrivileges: 'shape',
  maskedPaths: 'shape',
  readonlyPaths: 'shape',
  sysctls: 'shape',
  oomScoreAdj: 'shape',
  tcpPorts: 'shape',
  onUnsupported: 'shape',
};

/** Limits that are planned by what the machine or a group above has at the time. */
const OF_THE_MOMENT = ['cpuRtRuntime', 'cpuRtPeriod', 'cpusetCpus', 'cpusetMems', 'deviceRules', 'ioMax', 'netPriorities'] as const;

/** The options of how a program runs that are each run's own, as one has them that is for no run. */
const NO_PROGRAM = {
  env: {},
  stdin: [],
  stdout: [],
  stderr: [],
  tty: null,
  encoding: 'utf8',
  buffer: true,
  timeout: null,
  cpuTimeLimit: null,
  input: null,
  maxBuffer: null,
  cancelSignal: null,
  reject: false,
} as const satisfies Partial<ParsedProcess>;

const isOwn = (name: string): boolean => 'own' === Reflect.get(RULES, name);
const isOfProgram = (name: string): boolean => Object.hasOwn(NO_PROGRAM, name);

/** Whether a container that is made for one of two runs is as the other would have it, but for what a run has of its own. */
export function haveOneShape(one: ParsedOptions, other: ParsedOptions): boolean {
  return areSame(one, other, (name) => name === 'process' || isOwn(name)) && areSame(one.process, other.process, isOfProgram);
}

/** Compares the fields of one with the other's: options that were parsed have all of them. */
function areSame<T extends object>(one: T, other: T, isIgnored: (name: string) => boolean): boolean {
  return Object.entries(one).every(([name, value]) => isIgnored(name) || isDeepStrictEqual(value, Reflect.get(other, name)));
}

/** Whether a container with these options may be parked though nobody has asked for that. */
export function isParkable(options: ParsedOptions): boolean {
  const { process } = options;
  // a pool has none, but its runs may have one each
  const shape = { ...options, process: { ...process, cancelSignal: null } };
  return isPoolable(shape) && Object.values(RULES).every((rule) => typeof rule === 'string' || rule(shape));
}

/**
 * The folders to be mounted on are made in a `rootfs` itself, which may be removed when the last run is over. A layout or an archive would have to be read
 * again for each run.
 */
function isUnwritten({ root }: ParsedOptions): boolean {
  if (root.type !== 'image') return false;
  const { image, pull } = root;
  // one of the host's files is not known by what it was opened with
  if (typeof image !== 'string') return image.digest !== '';
  const { kind } = parseReference(image);
  return kind === 'registry' ? pull !== 'always' : kind === 'host' || kind === 'dir' || kind === 'digest';
}

/** No one else knows them. */
function areItsOwn({ namespaces: { mnt, pid, net, ipc, uts, user, cgroup, time } }: ParsedOptions): boolean {
  return [mnt, pid, net, ipc, uts, cgroup].every((namespace) => namespace === 'new') && user === 'host' && time === 'host';
}

/** Options of a run without what is that run's own: a container that is parked keeps nothing of it. */
export function withoutRun(options: ParsedOptions): ParsedOptions {
  const process: ParsedProcess = { ...options.process, ...NO_PROGRAM };
  return { ...options, command: NO_COMMAND, labels: {}, copyIn: [], copyOut: [], copyOutMax: 0, process };
}
