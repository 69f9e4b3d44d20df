import { isLimit } from '../../options/limit-fields.js';
import { processFields } from '../../process/options/process-fields.js';
import type { CheckedRun } from './container-schema.js';
import type { MountFlag, ParsedMount } from './mount-flags.js';
import { tidied } from './tidied.js';

type Wrong = (option: keyof CheckedRun, message: string, ...path: string[]) => void;

/** What a program under Landlock can have beside limits and options of a process. All else needs a namespace, a mount, or to outlive this process. */
const ALLOWED: ReadonlySet<string> = new Set([
  ...['isolation', 'image', 'command', 'entrypoint', 'name', 'labels', 'network', 'tcpPorts', 'mounts', 'volumes', 'readOnly'],
  ...['noNewPrivileges', 'seccomp', 'cgroup', 'cgroupParent', 'oomScoreAdj', 'onUnsupported', 'onProgress'],
]);

function isAllowed(name: string): boolean {
  return ALLOWED.has(name) || Object.hasOwn(processFields, name) || (isLimit(name) && name !== 'deviceRules');
}

/** Why not, for those that one might try. */
const REASONS: Readonly<Record<string, string>> = {
  profile: 'it lacks most of what the profile sets. Give memory, pidsLimit, timeout and the like themselves',
  rootfs: "it has no root of its own, and sees the host's files",
  copyIn: 'it has no root of its own: give it a folder with volumes',
  copyOut: 'it has no root of its own: give it a folder with volumes',
  tmpfs: 'nothing is mounted: it has a folder of its own, in HOME and TMPDIR',
  namespaces: "all of its namespaces are the host's",
  bandwidth: 'it has no link of its own',
  egress: 'it has no network of its own: give tcpPorts',
  hostname: "the host's name is its own",
  hostPorts: "the host's network is its own: give tcpPorts",
  ports: "its ports are the host's: give tcpPorts",
  init: 'it has no pid namespace of its own, and what it leaves running is ended anyway',
  capAdd: 'it has no capabilities',
  capDrop: 'it has no capabilities',
  devices: 'it has /dev/null, zero, full, random and urandom',
  deviceRules: 'it has /dev/null, zero, full, random and urandom',
  maskedPaths: 'nothing is mounted over a path: what no rule allows is denied',
  readonlyPaths: 'nothing is mounted over a path: what no rule allows is denied',
  sysctls: 'they would be those of the host',
  tty: 'a terminal would be one of the host',
  detach: 'it ends with this process',
};

const CANT = "can't go with isolation: 'landlock'";

/** What can't go with `isolation: 'landlock'`, and what needs it. */
export function checkIsolation(options: CheckedRun, wrong: Wrong): void {
  if (options.isolation !== 'landlock') {
    if (options.tcpPorts !== undefined) wrong('tcpPorts', "needs isolation: 'landlock'");
    return;
  }
  for (const name of Object.keys(options) as (keyof CheckedRun)[]) {
    if (options[name] !== undefined && !isAllowed(name)) wrong(name, `${CANT}: ${REASONS[name] ?? 'it needs namespaces'}`);
  }
  const { image, network, noNewPrivileges, seccomp, tcpPorts, mounts = [], volumes = [] } = options;
  if (image !== undefined && image !== 'host') wrong('image', `${CANT}, but for 'host': it sees the host's files`);
  if (network !== undefined && network !== 'none' && network !== 'host')
    wrong('network', `${CANT}, but for 'none' and 'host': it enters no namespace`);
  if (tcpPorts !== undefined && network !== undefined) wrong('tcpPorts', "can't go with network: the ports are all that it has of it");
  if (noNewPrivileges === false) wrong('noNewPrivileges', `must be true with isolation: 'landlock'`);
  if (seccomp !== undefined && seccomp !== 'default')
    wrong('seccomp', "must be 'default' with isolation: 'landlock': it closes what Landlock leaves open");
  for (const mount of mounts) checkMount(mount, (message) => wrong('mounts', message));
  for (const mount of volumes) checkMount(mount, (message) => wrong('volumes', message));
}

const FLAGS: ReadonlySet<MountFlag> = new Set(['ro', 'noexec', 'nosuid', 'nodev']);

function checkMount(mount: ParsedMount, wrong: (message: string) => void): void {
  const { type, source, target, recursive, propagation, flags } = mount;
  if (type !== 'bind') {
    wrong(`has ${target} as a ${type}, which ${CANT}: nothing is mounted, and only paths of the host can be given`);
  } else if (source === null || tidied(source) !== target) {
    wrong(`has ${source} at ${target}, which ${CANT}: nothing is mounted, so both must be the same path`);
  }
  const unknown = [...flags].find((flag) => !FLAGS.has(flag));
  if (unknown !== undefined) wrong(`has ${target} with '${unknown}', which ${CANT}`);
  if (type === 'bind' && !recursive) wrong(`has ${target} with recursive: false, which ${CANT}: a rule holds for all that is below`);
  if (propagation !== 'rprivate') wrong(`has ${target} with '${propagation}', which ${CANT}: nothing is mounted`);
}
