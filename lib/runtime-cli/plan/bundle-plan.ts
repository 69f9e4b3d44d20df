import { groundOf } from '../../container/plan/ground.js';
import { planProtection } from '../../container/plan/protect.js';
import { consoleSteps, planTerminal } from '../../container/plan/terminal-steps.js';
import { invalidOption } from '../../errors.js';
import type { BundleConfig, BundleLinux } from '../../oci-config/config-schema.js';
import { namespaceTypeOf } from '../../oci-config/namespace-names.js';
import { CLONE, O_PATH, O_RDWR, PROPAGATION, S_IFIFO } from '../../plan/constants.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { ANYWHERE, NONE, type Plan, planOf, REFUSE_DESCRIPTORS, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { resolveSysctls } from '../../security/sysctls.js';
import { GO, TOLD } from '../state/state-files.js';
import { hookSteps, withEnvironment } from './bundle-hooks.js';
import type { BundleInput } from './bundle-input.js';
import { type BundleMounts, planBundleMounts } from './bundle-mounts.js';
import { bundleProgramSteps, ENTERING_MS, findBundleUser, returnedTerminal, sendProcess, sendTerminal } from './bundle-process.js';
import { stagesOf } from './bundle-stages.js';
import { keyLabelSteps, labelOptions, programLabelSteps } from './label-steps.js';
import { netDeviceSteps } from './net-device-steps.js';
import { prioritySteps } from './priority-steps.js';
import { inAnswers, takeMount } from './take-mount.js';

/** Whether config.json has hooks that the runtime runs before the root is changed, while the process waits. */
export function hasRuntimeHooks({ hooks }: BundleConfig): boolean {
  return (hooks?.prestart.length ?? 0) + (hooks?.createRuntime.length ?? 0) > 0;
}

/**
 * A container of config.json as a list: it waits before its program until somebody starts it, and is handed over then. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for fields that can't go together
 */
export function planBundle(input: BundleInput): Plan {
  const { slots, config, process, groups, joined } = input;
  const isNew = newNamespaces(input);
  const root = slots.take();
  const start = planStart(input.folder, slots);
  const pid = joined.get('pid');
  const pidns = pid === undefined ? NONE : slots.give(pid);
  const ownMounts = input.maps === null ? NONE : slots.take();
  const mounts = planBundleMounts(config.mounts, root, slots, {
    ...{ ...input.mounts, makesDevices: input.makesDevices, maps: input.maps, pidns, ownMounts },
    takesBindsFirst: input.maps !== null || input.isInUsers || isShared(config),
  });
  const terminal = input.console === null ? null : planTerminal(input.console, slots, input.console);
  const streams = terminal === null ? givenStreams(input) : ([terminal.slave, terminal.slave, terminal.slave] as const);
  const passed = input.preserved.map((fd) => (fd === null ? NONE : slots.give(fd)));
  const [creating, created] = [slots.take(), slots.take()];
  const ofCreation = hookSteps('createContainer', config.hooks?.createContainer, creating, input.states.creating);
  const ofStart = hookSteps('startContainer', withEnvironment(config.hooks?.startContainer, process), created, input.states.created);
  // in a pid namespace that is joined the program's process is another one, which is not there yet
  const ofProcess = [...ofStart.describe, ...sendProcess(input.pidfdSocket, 'standard')];
  const protection = planBundleProtection(config.linux, mounts, slots, labelOptions(input.mounts.label, 'tmpfs', []));
  const listening = input.filter?.listener ? { slot: slots.take(), state: input.listenerState } : null;
  const cwd = { create: 1, ...groundOf(mounts.places, process.cwd) } as const;
  const leaving = leaveMounts(input);
  const program = bundleProgramSteps(
    { ...input, listening, linux: config.linux, streams, hasTerminal: terminal !== null, passed, maySchedule: input.maps === null },
    // what the root was made of is other mounts by then
    { cwd: leaving.length === 0 ? cwd : { create: 0, ...ANYWHERE }, wait: [start.wait, ...ofStart.run] },
  );
  const inside: Step[] = [
    ...namespaceSteps(input, isNew),
    ...rootSteps(input, { root, ownMounts }, mounts),
    ...protection.make,
    ...netDeviceSteps(input.netDevices, slots),
    ...ofCreation.describe,
    ...(pid === undefined ? ofProcess : []),
    ...(hasRuntimeHooks(config) ? [{ op: 'park' } as const] : []),
    // createContainer hooks begin in the root, as runc's do: so they find files of the image by relative paths
    ...(ofCreation.run.length === 0 ? [] : [{ op: 'enter_folder', folder: root } as const, ...ofCreation.run]),
    ...programLabelSteps(input.labels),
    ...(input.noPivot ? withoutPivot(root) : [{ op: 'pivot', root, between: 0 } as const]),
    ...propagationOf(config.linux, root),
    ...findBundleUser(process, groundOf(mounts.places, '/etc/passwd', '/etc/group'), input),
    ...(terminal === null ? [] : terminalSteps(input, terminal, { root, places: mounts.places })),
    ...mounts.finish,
    ...nameSteps(config, isNew('uts')),
    ...sysctlSteps(input, mounts.proc, isNew),
    ...protection.protect,
    // the folder to begin in is made while that can be done
    { op: 'chdir', path: process.cwd, ...cwd },
    // whoever starts an attached container waits until nobody has these pipes: the shim lives as long as the container
    ...(input.handsOver ? [] : start.letGo),
    ...(config.root.readonly
      ? [{ op: 'set_mount', mount: root, recursive: 0, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 } as const]
      : []),
    ...leaving,
  ];
  const kept = [...start.kept, created];
  return planOf({
    prepare: [...groups.prepare, ...start.make],
    stages: stagesOf(input, { outside: [...hostRightsSteps(input), ...mounts.outside], inside, pidns, program, ofProcess, kept }, isNew),
    ...(pid === undefined ? {} : { setUpMs: ENTERING_MS }),
    undo: groups.undo,
    ...(groups.killGroup === undefined ? {} : { killGroup: groups.killGroup }),
    ...(input.handsOver ? { handsOver: true } : {}),
    returns: returnedTerminal(terminal, input.console),
  });
}

/** Whether a namespace of a type is the container's own. */
function newNamespaces({ config, joined, isInUsers }: BundleInput): (type: NamespaceType) => boolean {
  const types = new Set<NamespaceType>((config.linux?.namespaces ?? []).map(({ type }) => namespaceTypeOf[type]));
  return (type) => types.has(type) && !joined.has(type) && !(type === 'user' && isInUsers);
}

interface StartPlan {
  readonly make: readonly Step[];
  readonly wait: Step;
  /** Steps by which the shim has the pipes no more, once the process does. */
  readonly letGo: readonly Step[];
  readonly kept: readonly Slot[];
}

/** The named pipes at which the process waits for its start, in the folder of its state. */
function planStart(path: string, slots: Slots): StartPlan {
  const [go, told, folder] = [slots.take(), slots.take(), slots.take()];
  return {
    make: [
      { op: 'open', host: true, out: folder, at: NONE, path, flags: O_PATH, mode: 0 },
      ...[GO, TOLD].map((name): Step => fifoStep(folder, name)),
      { op: 'open', host: true, out: go, at: folder, path: GO, flags: O_RDWR, mode: 0 },
      { op: 'open', host: true, out: told, at: folder, path: TOLD, flags: O_RDWR, mode: 0 },
      { op: 'close', host: true, slot: folder },
    ],
    wait: { op: 'await_start', go, told },
    letGo: [go, told].map((slot): Step => ({ op: 'close', host: true, slot })),
    kept: [go, told],
  };
}

function fifoStep(root: Slot, path: string): Step {
  return { op: 'mknod', host: true, root, path, mode: S_IFIFO | 0o600, major: 0, minor: 0, uid: 0, gid: 0 };
}

/** What only root of the host may do. */
function hostRightsSteps({ slots, process, joined, maps, limits }: BundleInput): Step[] {
  return [
    ...[...joined]
      .filter(([type]) => type !== 'pid' && type !== 'user' && type !== 'mnt')
      .map(([type, fd]): Step => ({ op: 'setns', ns: slots.give(fd), type })),
    ...(process.oomScoreAdj === undefined ? [] : [{ op: 'oom_score_adj', value: String(process.oomScoreAdj) } as const]),
    ...(maps === null ? [] : prioritySteps(process)),
    ...(maps === null ? [] : limits.map(({ name, resource, hard }): Step => ({ op: 'raise_limit', name, resource, hard }))),
  ];
}

/** What is mounted in the container stays there, but for what a bind of a mount that the host shares is asked to show the host too. */
const FROM_THE_HOST: Step = { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave };

/** Binds are to be peers of what they show: they are taken while the container's own mounts are that still. */
const isShared = ({ linux }: BundleConfig): boolean => linux?.rootfsPropagation === 'shared' || linux?.rootfsPropagation === 'rshared';

function namespaceSteps({ newKeyring, config, labels }: BundleInput, isNew: (type: NamespaceType) => boolean): Step[] {
  return [
    ...(isNew('cgroup') ? [{ op: 'unshare', flags: CLONE.cgroup } as const] : []),
    { op: 'setsid' },
    ...(newKeyring ? [...keyLabelSteps(labels), { op: 'keyring' } as const] : []),
    ...(isNew('net') ? [{ op: 'link_up', name: 'lo' } as const] : []),
    { op: 'unshare', flags: CLONE.mnt },
    ...(isShared(config) ? [] : [FROM_THE_HOST]),
  ];
}

/** The root lies on / then, so that nothing of the host is above it. */
function withoutPivot(root: Slot): Step[] {
  return [
    { op: 'attach_at', mount: root, at: NONE, path: '/' },
    { op: 'change_root', root },
  ];
}

/** The root with all of its mounts, at its path as with runc, where hooks look for it. */
function rootSteps(
  { rootfs, maps, keepsGroups, noPivot, config }: BundleInput,
  { root, ownMounts: ns }: { root: Slot; ownMounts: Slot },
  mounts: BundleMounts,
): Step[] {
  return [
    ...(ns === NONE ? [] : [{ op: 'open_namespace', host: true, out: ns, type: 'mnt' } as const]),
    takeMount({ out: root, path: rootfs, recursive: 1, ns }),
    { op: 'set_mount', mount: root, recursive: 1, set: 0, clear: 0, propagation: PROPAGATION.private },
    ...inAnswers(mounts.open),
    ...(ns === NONE ? [] : [{ op: 'close', host: true, slot: ns } as const]),
    ...(isShared(config) ? [FROM_THE_HOST] : []),
    // what is behind the root stays there: a proc that the host mounts later must not come to it
    ...(noPivot ? [{ op: 'set_propagation', path: '/', propagation: PROPAGATION.private } as const] : []),
    // until here the process could still go where root of the host may, to the sources of binds
    ...(maps === null ? [] : [{ op: 'become_root', groups: keepsGroups ? 0 : 1 } as const]),
    // Only a user namespace may be kept from the path, and nothing of the host is looked for after that there: from /, '..' leads to what is mounted on it, which
    // is the image's.
    { op: 'attach_at', mount: root, at: NONE, path: maps === null ? rootfs : '/' },
    ...mounts.attach,
  ];
}

/**
 * A container without a mount namespace of its own is set up in one all the same. Then the process takes its root along as a tree that is mounted nowhere, into
 * the namespace of others: in there nobody sees it, and the tree goes with the last process that has it as its root.
 */
function leaveMounts({ slots, joined }: BundleInput): Step[] {
  const mounts = joined.get('mnt');
  if (mounts === undefined) return [];
  const tree = slots.take();
  return [
    { op: 'clone_mount', out: tree, at: NONE, path: '/', recursive: 1 },
    { op: 'setns', ns: slots.give(mounts), type: 'mnt' },
    { op: 'enter_root', root: tree },
  ];
}

/** Masked and read-only paths: `make` before the root changes, `protect` after it. */
function planBundleProtection(
  linux: BundleLinux | undefined,
  mounts: BundleMounts,
  slots: Slots,
  folderOptions: readonly string[],
): { readonly make: readonly Step[]; readonly protect: readonly Step[] } {
  const { maskedPaths = [], readonlyPaths = [] } = linux ?? {};
  const nullDevice = slots.take();
  const { make, protect } = planProtection({ table: { maskedPaths, readonlyPaths }, slots, folderOptions });
  const open: Step[] = maskedPaths.length > 0 ? [{ op: 'open_in_root', out: nullDevice, ...mounts.nullDevice, flags: O_PATH }] : [];
  return { make: [...open, ...make], protect: protect(mounts.places, nullDevice) };
}

/** The terminal, which whoever listens at the socket gets. */
function terminalSteps(
  { slots, console, filter }: BundleInput,
  terminal: ReturnType<typeof planTerminal>,
  place: Parameters<typeof consoleSteps>[2],
): Step[] {
  // a filter's listener is handed over later, and nothing after that
  const last = filter?.listener ? [] : [REFUSE_DESCRIPTORS];
  return [...terminal.make, ...consoleSteps(terminal, slots, place), ...sendTerminal(terminal.master, console), ...last];
}

/** Names of the uts namespace, also of one that is joined. @throws NacelleError `ERR_INVALID_OPTION` for a sysctl that says another one */
function nameSteps({ linux, hostname, domainname }: BundleConfig, isNew: boolean): Step[] {
  const sysctl = linux?.sysctl?.[DOMAIN];
  if (sysctl !== undefined && !isNew)
    throw invalidOption('linux.sysctl', `${DOMAIN} is of the uts namespace, and this container's is not new`);
  if (sysctl !== undefined && domainname && sysctl !== domainname)
    throw invalidOption('linux.sysctl', `${DOMAIN} conflicts with domainname`);
  if (!linux?.namespaces.some(({ type }) => type === 'uts')) return [];
  const domain = domainname || sysctl;
  return [
    ...(hostname ? [{ op: 'sethostname', name: hostname } as const] : []),
    ...(domain ? [{ op: 'setdomainname', name: domain } as const] : []),
  ];
}

/** The sysctl that is the domain name of the uts namespace. */
const DOMAIN = 'kernel.domainname';

function givenStreams({ slots, streams }: BundleInput): readonly [Slot, Slot, Slot] {
  const [input, output, error] = streams ?? [0, 1, 2];
  return [slots.give(input), slots.give(output), slots.give(error)];
}

/** How mounts spread from and to the root, which itself is no peer of a mount of the host's. Those in it have what their options say. */
function propagationOf(linux: BundleLinux | undefined, root: Slot): Step[] {
  const name = linux?.rootfsPropagation?.replace(/^r/, '');
  if (name !== 'shared' && name !== 'slave' && name !== 'private' && name !== 'unbindable') return [];
  return [{ op: 'set_mount', mount: root, recursive: 0, set: 0, clear: 0, propagation: PROPAGATION[name] }];
}

/** As with runc, also those of a network or ipc namespace that engines have made and name by its path; not of the runtime's own. */
function sysctlSteps({ config, joined, runtimes }: BundleInput, proc: Slot, isNew: (type: NamespaceType) => boolean): Step[] {
  const { [DOMAIN]: _, ...others } = config.linux?.sysctl ?? {};
  const sysctls = resolveSysctls(others, (type) => isNew(type) || (type !== 'user' && joined.has(type) && !runtimes.has(type)));
  if (sysctls.length > 0 && proc === NONE) throw invalidOption('linux.sysctl', 'needs a mount of proc on /proc');
  return sysctls.map((sysctl): Step => ({ op: 'sysctl', proc, ...sysctl }));
}
