import { type Complaints, checkLimits } from '../../options/check-limits.js';
import { checkProcess } from '../../process/options/parsed-process.js';
import type { CheckedRun } from './container-schema.js';
import { checkDetach } from './detach-checks.js';
import { checkIsolation } from './landlock-options.js';
import { checkLifecycle } from './lifecycle.js';
import { endsAsFolder, MAKES_FILE, targetOf } from './mount-target.js';
import { numericUser } from './userns-option.js';
import { checkHostPorts, checkNetworks, wantedIn } from './wanted-networks.js';

type Wrong = (option: keyof CheckedRun, message: string, ...path: string[]) => void;

/** Options that are right by themselves and can't go together, each with its reason. */
export function checkContradictions(options: CheckedRun, context: Complaints): void {
  const wrong: Wrong = (option, message, ...path) => context.addIssue({ code: 'custom', path: [option, ...path], message });
  checkLimits(options, context);
  checkProcess(options, context);
  checkIsolation(options, wrong);
  checkRoot(options, wrong);
  checkCommand(options, wrong);
  checkNamespaces(options, wrong);
  checkUserns(options, wrong);
  checkNetwork(options, wrong);
  checkNetworks(options, wrong);
  checkHostPorts(options, wrong);
  if ((options.ports?.length ?? 0) > 0 && wantedIn(options).length === 0) {
    wrong('ports', "needs the option network: 'bridge', or another network with a bridge");
  }
  checkEgress(options, wrong);
  checkPasta(options, wrong);
  checkPlaces(options, wrong);
  checkDetach(options, wrong);
  checkLifecycle(options, wrong);
  if (options.onDenied !== undefined && options.seccomp === 'unconfined') {
    wrong('onDenied', "can't go with seccomp 'unconfined', which refuses nothing");
  }
  if (options.init && options.scheduler?.policy === 'deadline') {
    wrong('scheduler', "can't be 'deadline' with init: under it no process can start another");
  }
  if (options.cgroup !== undefined && options.cgroupParent !== undefined) {
    wrong('cgroup', "can't go with cgroupParent: the one is the container's group, the other what to make it in");
  }
}

function checkRoot(options: CheckedRun, wrong: Wrong): void {
  const { image, rootfs, pull } = options;
  if (image !== undefined && rootfs !== undefined) wrong('image', "can't go with rootfs: each is the whole root, give one of them");
  if (image === undefined && rootfs === undefined && options.isolation !== 'landlock')
    wrong('image', "is missing: give an image, such as 'host', or a rootfs");
  if (pull !== undefined && typeof image === 'object')
    wrong('pull', "can't go with an Image, which is there already: give the image's name");
  if (rootfs !== undefined) {
    for (const name of ['upper', 'upperSize'] as const) {
      if (options[name] !== undefined) wrong(name, "can't go with rootfs: a rootfs is written to as it is, nothing is laid over it");
    }
    if (pull !== undefined) wrong('pull', "can't go with rootfs: a folder is in no registry");
    for (const name of ['mounts', 'volumes'] as const) {
      const volume = options[name]?.find(({ type, source }) => type === 'volume' && source === null);
      if (volume)
        wrong(name, `has ${volume.target} as a volume without a name, which can't go with rootfs: nothing there goes with the container`);
    }
  }
}

function checkCommand({ image, rootfs, command, entrypoint, isolation }: CheckedRun, wrong: Wrong): void {
  const given = [...(entrypoint ?? []), ...(command ?? [])];
  // Only an image's configuration can say what to run; the host and a folder have none.
  const silent =
    rootfs !== undefined || isolation === 'landlock' || image === 'host' || (typeof image === 'string' && image.startsWith('dir:'));
  if (given.length === 0 && (silent || (command !== undefined && entrypoint !== undefined))) {
    wrong('command', 'is missing: there is nothing to run, and entrypoint is empty too');
  } else if (given[0] === '' && (entrypoint?.length || silent)) {
    wrong(entrypoint?.length ? 'entrypoint' : 'command', 'must name a program: its first item is empty');
  }
}

function checkNamespaces(options: CheckedRun, wrong: Wrong): void {
  const { namespaces = {}, hostname, domainname, timeOffsets } = options;
  const { mnt = 'new', uts = 'new', time } = namespaces;
  if (mnt !== 'new') {
    wrong(
      'namespaces',
      "must be 'new': the container's root is made in a mount namespace of its own. Namespace.run runs a program in another",
      'mnt',
    );
  }
  for (const [name, value] of Object.entries({ hostname, domainname })) {
    if (value === undefined || uts === 'new') continue;
    wrong(
      name === 'hostname' ? 'hostname' : 'domainname',
      `can't go with namespaces.uts: it would rename ${uts === 'host' ? 'the host' : 'others in that namespace'}`,
    );
  }
  if (timeOffsets !== undefined && time !== undefined && time !== 'new') {
    wrong('timeOffsets', "can't go with namespaces.time other than 'new': offsets are set before the first process");
  }
}

function checkUserns({ userns, namespaces, user, scheduler }: CheckedRun, wrong: Wrong): void {
  const given = namespaces?.user;
  if (given === 'new') wrong('namespaces', "must be 'host' or a Namespace: userns makes a new one, and says with which ids", 'user');
  if (userns !== undefined && given !== undefined) {
    wrong('userns', "can't go with namespaces.user: both say which user namespace it has, give one of them");
  }
  const isOwn = (userns ?? 'host') !== 'host' || typeof given === 'object';
  if (isOwn && scheduler?.policy === 'deadline') {
    wrong('scheduler', "can't be 'deadline' in a user namespace: only root of the host may choose it");
  }
  if (userns === 'keep-id') {
    const kept = numericUser(user ?? null);
    if (kept === null || kept.uid === 0) {
      wrong('userns', "is 'keep-id', which needs the option user with the number of the user to keep, such as '1000', and not root's");
    }
  }
}

function checkNetwork({ network, namespaces }: CheckedRun, wrong: Wrong): void {
  const net = namespaces?.net;
  const isOwn = network === 'none' || network === 'pasta' || wantedIn({ network }).length > 0;
  const agree = (isOwn && net === 'new') || (network === 'host' && net === 'host') || network === net;
  if (network !== undefined && net !== undefined && !agree) {
    wrong('network', "can't go with namespaces.net: both say which network it has, give one of them");
  }
}

/** A list is of a network namespace of the container's own, with no way out that this machine's rules don't see. */
function checkEgress(options: CheckedRun, wrong: Wrong): void {
  const { egress, network, namespaces, dns } = options;
  if (egress === undefined) return;
  const hasOwn = network === undefined || network === 'none' || wantedIn(options).length > 0;
  if (!hasOwn || (namespaces?.net ?? 'new') !== 'new')
    wrong('egress', "needs network: 'none', or networks with a bridge: nothing but what it allows may lead out of the container");
  if (dns !== undefined) wrong('egress', "can't go with dns: the names that it allows are told at 127.0.0.11 alone");
}

/** What gets around the rules that keep a program from this machine's loopback, or into the process that carries its packets. */
function checkPasta({ network, namespaces, capAdd = [] }: CheckedRun, wrong: Wrong): void {
  if (network !== 'pasta') return;
  const given = capAdd.map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  const tooMuch = given.find((name) => ['ALL', 'NET_ADMIN', 'NET_RAW'].includes(name));
  if (tooMuch !== undefined) {
    wrong(
      'capAdd',
      `can't have ${tooMuch} with network: 'pasta': with it a program sends to this machine's loopback. Give it the network 'bridge'`,
    );
  }
  if (namespaces?.pid === 'host')
    wrong('namespaces', "can't have the host's pid with network: 'pasta', whose process is not the container's to see", 'pid');
}

/** Two mounts at one place: the first would be hidden, which nobody wants. Keys that are paths are checked here, too. */
function checkPlaces(options: CheckedRun, wrong: Wrong): void {
  const seen = new Map<string, string>();
  const place = (path: string, from: 'mounts' | 'volumes' | 'tmpfs'): void => {
    const other = seen.get(path);
    if (other) wrong(from, `has ${path}, where ${other} has a mount already`);
    seen.set(path, from);
  };
  const key = (path: string, from: 'tmpfs' | 'copyIn'): string => targetOf(path, (problem) => wrong(from, problem, path)) ?? path;
  for (const mount of options.mounts ?? []) place(mount.target, 'mounts');
  for (const mount of options.volumes ?? []) place(mount.target, 'volumes');
  for (const path of Object.keys(options.tmpfs ?? {})) place(key(path, 'tmpfs'), 'tmpfs');
  for (const [path, { source }] of Object.entries(options.copyIn ?? {})) {
    key(path, 'copyIn');
    if (source === null && endsAsFolder(path)) wrong('copyIn', MAKES_FILE, path);
  }
}
