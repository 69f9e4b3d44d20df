import { groundOf } from '../../container/plan/ground.js';
import { planProtection } from '../../container/plan/protect.js';
import { consoleSteps, planTerminal } from '../../container/plan/terminal-steps.js';
import { invalidOption } from '../../errors.js';
import type { BundleConfig, BundleLinux, BundleProcess, Hook } from '../../oci-config/config-schema.js';
import { CLONE, O_PATH, O_RDWR, PROPAGATION, S_IFIFO } from '../../plan/constants.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { cloneStep, NONE, type Plan, planOf, REFUSE_DESCRIPTORS, type Slots, type Stage } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { mapSteps } from '../../plan/user-maps.js';
import { resolveSysctls } from '../../security/sysctls.js';
import type { UserMaps } from '../config/bundle-user-maps.js';
import { GO, TOLD } from '../state/state-files.js';
import type { BundleGroups } from './bundle-groups.js';
import { type MountFacts, planBundleMounts } from './bundle-mounts.js';
import { type BundleProgram, bundleProgramSteps, ENTERING_MS, enterBundlePid, findBundleUser } from './bundle-process.js';

/** Where a terminal's descriptor is sent. */
export interface ConsoleRequest {
  readonly socket: string;
  readonly columns: number;
  readonly rows: number;
}

/** Everything that the plan of a container depends on. */
export interface BundleInput extends Pick<BundleProgram, 'capabilities' | 'limits' | 'filter'> {
  readonly slots: Slots;
  readonly config: BundleConfig;
  readonly process: BundleProcess;
  /** An absolute path of the host. */
  readonly rootfs: string;
  readonly groups: BundleGroups;
  readonly mounts: Omit<MountFacts, 'pidns'>;
  /** Descriptors of the namespaces that are joined. */
  readonly joined: ReadonlyMap<NamespaceType, number>;
  /** The folder with the container's state, in which the named pipes are made. */
  readonly folder: string;
  /** The runtime's own descriptors that the program gets from 3 on. */
  readonly preserved: readonly number[];
  /** The runtime's own 0, 1 and 2 where the program has no terminal. */
  readonly streams: readonly [number, number, number] | null;
  readonly console: ConsoleRequest | null;
  readonly newKeyring: boolean;
  /** The ids of a user namespace of its own; `null`: it has none. */
  readonly maps: UserMaps | null;
  /** The container goes on without the runtime. */
  readonly handsOver: boolean;
  /** What hooks of the container's process read, before and after it is created, around the number of the process. */
  readonly states: Readonly<Record<'creating' | 'created', { readonly before: string; readonly after: string }>>;
}

/** config.json's names of namespaces, by the kernel's. */
export const namespaceTypeOf: Readonly<Record<BundleLinux['namespaces'][number]['type'], NamespaceType>> = {
  ...{ pid: 'pid', network: 'net', mount: 'mnt', ipc: 'ipc' },
  ...{ uts: 'uts', user: 'user', cgroup: 'cgroup', time: 'time' },
};

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
  const linux = config.linux;
  const types = new Set((linux?.namespaces ?? []).map(({ type }) => namespaceTypeOf[type]));
  const isNew = (type: NamespaceType): boolean => types.has(type) && !joined.has(type);
  const [root, go, told, folder] = [slots.take(), slots.take(), slots.take(), slots.take()];
  const pid = joined.get('pid');
  const pidns = pid === undefined ? NONE : slots.give(pid);
  const mounts = planBundleMounts(config.mounts, root, slots, { ...input.mounts, bindsDevices: input.maps !== null, pidns });
  const terminal = input.console === null ? null : planTerminal(input.console, slots);
  const streams = terminal === null ? givenStreams(input) : ([terminal.slave, terminal.slave, terminal.slave] as const);
  const passed = input.preserved.map((fd) => slots.give(fd));
  const [creating, created] = [slots.take(), slots.take()];
  const ofCreation = hookSteps(config.hooks?.createContainer, creating, input.states.creating);
  const ofStart = hookSteps(config.hooks?.startContainer, created, input.states.created);
  const nullDevice = slots.take();
  const protection = planProtection({ table: { maskedPaths: linux?.maskedPaths ?? [], readonlyPaths: linux?.readonlyPaths ?? [] }, slots });
  const masks = (linux?.maskedPaths.length ?? 0) > 0;
  const waits: Step[] = [{ op: 'await_start', go, told }, ...ofStart.run];
  const cwd = { create: 1, ...groundOf(mounts.places, process.cwd) } as const;
  const program = bundleProgramSteps({ ...input, streams, hasTerminal: terminal !== null, passed }, { cwd, wait: waits });
  const joins = [...joined].filter(([type]) => type !== 'pid').map(([type, fd]): Step => ({ op: 'setns', ns: slots.give(fd), type }));
  const isReadOnly = config.root.readonly ?? false;

  // what only root of the host may do
  const outside: Step[] = [
    ...joins,
    ...(process.oomScoreAdj === undefined ? [] : [{ op: 'oom_score_adj', value: String(process.oomScoreAdj) } as const]),
    ...(input.maps === null ? [] : input.limits.map(({ name, resource, hard }): Step => ({ op: 'raise_limit', name, resource, hard }))),
  ];
  const inside: Step[] = [
    ...(isNew('cgroup') ? [{ op: 'unshare', flags: CLONE.cgroup } as const] : []),
    { op: 'setsid' },
    ...(input.newKeyring ? [{ op: 'keyring' } as const] : []),
    ...(isNew('net') ? [{ op: 'link_up', name: 'lo' } as const] : []),
    { op: 'unshare', flags: CLONE.mnt },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
    { op: 'clone_mount', out: root, at: NONE, path: input.rootfs, recursive: 1 },
    { op: 'set_mount', mount: root, recursive: 1, set: 0, clear: 0, propagation: PROPAGATION.private },
    ...mounts.open,
    // until here the process could still go where root of the host may, to the sources of binds
    ...(input.maps === null ? [] : [{ op: 'become_root', groups: 1 } as const]),
    { op: 'attach_at', mount: root, at: NONE, path: '/' },
    ...mounts.attach,
    ...(masks ? [{ op: 'open_in_root', out: nullDevice, ...mounts.nullDevice, flags: O_PATH } as const] : []),
    ...protection.make,
    ...ofCreation.describe,
    // in a pid namespace that is joined the program's process is another one, which is not there yet
    ...(pid === undefined ? ofStart.describe : []),
    ...(hasRuntimeHooks(config) ? [{ op: 'park' } as const] : []),
    ...ofCreation.run,
    { op: 'pivot', root, between: 0 },
    ...propagationOf(linux),
    ...findBundleUser(process, groundOf(mounts.places, '/etc/passwd', '/etc/group')),
    ...(terminal === null
      ? []
      : [
          ...terminal.make,
          ...consoleSteps(terminal, slots, { root, places: mounts.places }),
          { op: 'send_terminal', host: true, terminal: terminal.master, path: input.console?.socket ?? '' } as const,
          { op: 'close', host: true, slot: terminal.master } as const,
          REFUSE_DESCRIPTORS,
        ]),
    ...(types.has('uts') && config.hostname ? [{ op: 'sethostname', name: config.hostname } as const] : []),
    ...(types.has('uts') && config.domainname ? [{ op: 'setdomainname', name: config.domainname } as const] : []),
    ...sysctlSteps(linux, mounts.proc, isNew),
    ...protection.protect(mounts.places, nullDevice),
    // the folder to begin in is made while that can be done
    { op: 'chdir', path: process.cwd, ...cwd },
    ...(isReadOnly ? [{ op: 'set_mount', mount: root, recursive: 0, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 } as const] : []),
  ];
  const host: Step[] = [
    { op: 'open', host: true, out: folder, at: NONE, path: input.folder, flags: O_PATH, mode: 0 },
    ...[GO, TOLD].map((path): Step => fifoStep(folder, path)),
    { op: 'open', host: true, out: go, at: folder, path: GO, flags: O_RDWR, mode: 0 },
    { op: 'open', host: true, out: told, at: folder, path: TOLD, flags: O_RDWR, mode: 0 },
    { op: 'close', host: true, slot: folder },
  ];
  return planOf({
    prepare: [...groups.prepare, ...host],
    stages: stagesOf(input, { outside, inside, pidns, program, startState: ofStart.describe, kept: [go, told, created] }, isNew),
    ...(pid === undefined ? {} : { setUpMs: ENTERING_MS }),
    undo: groups.undo,
    killGroup: groups.killGroup,
    ...(input.handsOver ? { handsOver: true } : {}),
  });
}

function fifoStep(root: Slot, path: string): Step {
  return { op: 'mknod', host: true, root, path, mode: S_IFIFO | 0o600, major: 0, minor: 0, uid: 0, gid: 0 };
}

/** What the processes of a container do. */
interface StageSteps {
  /** Where only root of the host may do it, and then until the program is confined. */
  readonly outside: readonly Step[];
  readonly inside: readonly Step[];
  /** The pid namespace that is joined; NONE: none is. */
  readonly pidns: Slot;
  readonly program: ReturnType<typeof bundleProgramSteps>;
  /** The state of `startContainer` hooks, where that tells of a process in the joined namespace. */
  readonly startState: readonly Step[];
  /** The slots that the program's process has while it waits. */
  readonly kept: readonly Slot[];
}

/**
 * In a new user namespace there are no rights over what is joined: so a first process joins, and the second does all the rest. In a pid namespace that is joined
 * there are only children: so a second process enters it, when the first one has done all the rest.
 */
function stagesOf(
  { slots, groups, maps, console }: BundleInput,
  { outside, inside, pidns, program, startState, kept }: StageSteps,
  isNew: (type: NamespaceType) => boolean,
): Stage[] {
  const flags = (['user', 'uts', 'ipc', 'net', 'pid'] as const).reduce((all, type) => (isNew(type) ? all | CLONE[type] : all), 0);
  const begin: Step[] = [{ op: 'umask', mask: 0 }, { op: 'dumpable', value: 0 }, ...groups.join, ...outside];
  const born = groups.unified === undefined ? {} : { group: groups.unified };
  if (pidns !== NONE) {
    const entering = enterBundlePid(program, { stage: 1, start: startState });
    return [
      { flags, ...born, steps: [...begin, ...inside, { op: 'setns', ns: pidns, type: 'pid' }, ...entering.outside] },
      { flags: 0, steps: entering.inside },
    ];
  }
  // whoever enters the container while the process waits finds nothing of the host's in it
  const forget = slots.all.filter((slot) => !kept.includes(slot)).map((slot): Step => ({ op: 'close', slot }));
  const all: Step[] = [...inside, ...program.confine, ...forget, ...program.run];
  if (maps === null) return [{ flags, ...born, steps: [...begin, ...all] }];
  const second: Step[] = [{ op: 'dumpable', value: 0 }, ...mapSteps(maps.uid, maps.gid), ...all];
  return [
    // a process that has a terminal to hand over refuses descriptors when it has done so
    { flags: 0, ...born, steps: [...begin, ...(console === null ? [REFUSE_DESCRIPTORS] : []), cloneStep(1, second)] },
    { flags, steps: second },
  ];
}

function givenStreams({ slots, streams }: BundleInput): readonly [Slot, Slot, Slot] {
  const [input, output, error] = streams ?? [0, 1, 2];
  return [slots.give(input), slots.give(output), slots.give(error)];
}

/** Hooks of the container's own process, and the state that they read. The timeout of a hook is in seconds, that of its step in ns. */
function hookSteps(
  hooks: readonly Hook[] = [],
  input: Slot,
  { before, after }: BundleInput['states']['created'],
): { readonly describe: readonly Step[]; readonly run: readonly Step[] } {
  if (hooks.length === 0) return { describe: [], run: [] };
  return {
    describe: [{ op: 'describe_process', host: true, out: input, before: Buffer.from(before), after: Buffer.from(after) }],
    run: hooks.map(({ path, args, env, timeout = 0 }): Step => {
      return { op: 'run_hook', path, argv: args.length === 0 ? [path] : args, env, input, timeout: timeout * 1e9 };
    }),
  };
}

/** How mounts spread from and to the root; the root itself is no peer of a mount of the host's. */
function propagationOf(linux: BundleLinux | undefined): Step[] {
  const name = linux?.rootfsPropagation?.replace(/^r/, '');
  if (name !== 'shared' && name !== 'slave' && name !== 'private' && name !== 'unbindable') return [];
  return [{ op: 'set_propagation', path: '/', propagation: PROPAGATION[name] }];
}

function sysctlSteps(linux: BundleLinux | undefined, proc: Slot, isNew: (type: NamespaceType) => boolean): Step[] {
  const sysctls = resolveSysctls(linux?.sysctl ?? {}, isNew);
  if (sysctls.length > 0 && proc === NONE) throw invalidOption('linux.sysctl', 'needs a mount of proc on /proc');
  return sysctls.map((sysctl): Step => ({ op: 'sysctl', proc, ...sysctl }));
}
