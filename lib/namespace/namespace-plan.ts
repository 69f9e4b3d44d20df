import { dirname } from 'node:path';
import { UnsupportedError } from '../errors.js';
import { CLONE, PROPAGATION, SIGKILL } from '../plan/constants.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { type CpuClock, cloneStep, NONE, type Plan, planOf, REFUSE_DESCRIPTORS, type Slots, type Stage } from '../plan/plan.js';
import { MOUNT_ATTR } from '../plan/recipe.js';
import type { Slot, Step } from '../plan/steps.js';
import { mapSteps, singleMap } from '../plan/user-maps.js';
import type { ParsedProcess } from '../process/options/process-options.js';
import { programSteps } from '../process/program-steps.js';
import type { Streams } from '../process/streams/child-end.js';
import { planHostStreams } from '../process/streams/stream-steps.js';
import { flagsOf } from './clone-flags.js';
import type { Held, ParsedCreate } from './namespace-options.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

/**
 * Plans new namespaces, held by a process that does nothing; their descriptors are returned by type. Pure.
 *
 * @param owner the user namespace that is to own them, where none is among them, by a descriptor; `null`: the maker's
 */
export function planNamespaces(
  options: ParsedCreate,
  owner: number | null,
  slots: Slots,
): { plan: Plan; slots: ReadonlyMap<NamespaceType, Slot> } {
  const returned = new Map(options.types.map((type) => [type, slots.take()] as const));
  const hold: Step[] = [
    ...[...returned].map(([type, out]): Step => ({ op: 'open_namespace', host: true, out, type })),
    ...(options.types.includes('pid') ? leaveHost(options.types, slots) : []),
    { op: 'pause' },
  ];
  const die: Step = { op: 'parent_death_signal', signal: SIGKILL };
  const stages = createStages(options, { last: [die, ...hold], first: owner === null ? 0 : 1 });
  const all = owner === null ? stages : [ownedBy(slots.give(owner), stages), ...stages];
  return { plan: planOf({ stages: all, returns: [...returned.values()] }), slots: returned };
}

/** A process that joins a user namespace, and has a child which makes there what is to belong to it. */
function ownedBy(users: Slot, stages: readonly Stage[]): Stage {
  const clone = cloneStep(
    1,
    stages.flatMap(({ steps }) => steps),
  );
  // the change of rights may have made the process dumpable, and others may live there
  return { flags: 0, steps: [{ op: 'setns', ns: users, type: 'user' }, { op: 'dumpable', value: 0 }, clone] };
}

/**
 * Steps that take the process which holds a pid namespace away from the host. Others in the namespace can look at its root, so that is an
 * empty folder. With CAP_SYS_PTRACE they can have it make calls, so none of its namespaces is the host's.
 */
function leaveHost(types: readonly NamespaceType[], slots: Slots): Step[] {
  const root = slots.take();
  const others = (['net', 'ipc', 'uts', 'cgroup'] as const).filter((type) => !types.includes(type));
  return [
    { op: 'unshare', flags: CLONE.mnt | flagsOf(others) },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
    { op: 'filesystem', out: root, type: 'tmpfs', options: ['size=0', 'mode=555'], attributes: RDONLY | NOSUID | NODEV | NOEXEC },
    { op: 'attach_at', mount: root, at: NONE, path: '/' },
    { op: 'pivot', root, between: 0 },
    { op: 'close', slot: root },
    // a process that traces this one must not be able to do more by it than without
    { op: 'no_new_privileges' },
    { op: 'bound_capabilities', bounding: 0 },
    { op: 'capabilities', effective: 0, permitted: 0, inheritable: 0, ambient: 0 },
  ];
}

/**
 * Plans one stage, or two with a time namespace: its offsets can be written only before anybody is in it, which clone3(CLONE_NEWTIME) rules
 * out. So the first process unshares it and the second one is born in it; the pid namespace begins with the second, as its process 1 can't
 * have a sibling started with CLONE_PARENT.
 */
function createStages(options: ParsedCreate, { last, first }: { readonly last: readonly Step[]; readonly first: number }): Stage[] {
  const { types, timeOffsets } = options;
  if (!types.includes('time')) return [{ flags: flagsOf(types), steps: [...setUp(options), ...last] }];
  const late = types.filter((type) => type === 'pid');
  const early = types.filter((type) => type !== 'pid' && type !== 'time');
  const offsets: Step[] = timeOffsets
    ? [{ op: 'write_process', host: true, path: 'timens_offsets', bytes: encodeTimeOffsets(timeOffsets) }]
    : [];
  return [
    {
      flags: flagsOf(early),
      steps: [...setUp(options), { op: 'unshare', flags: flagsOf(['time']) }, ...offsets, cloneStep(first + 1, last)],
    },
    { flags: flagsOf(late), steps: last },
  ];
}

function setUp({ types, uidMap, gidMap, hostname }: ParsedCreate): Step[] {
  const steps: Step[] = [];
  if (types.includes('user')) steps.push(...mapSteps(uidMap ?? singleMap(0), gidMap ?? singleMap(0)));
  // As with unshare(1), mounts that are made inside stay inside.
  if (types.includes('mnt')) steps.push({ op: 'set_propagation', path: '/', propagation: PROPAGATION.private });
  if (hostname !== null) steps.push({ op: 'sethostname', name: hostname });
  return steps;
}

/** The bytes of timens_offsets, from ms: whole seconds, and ns that are never negative (time_namespaces(7)). */
export function encodeTimeOffsets({ monotonic, boottime }: { monotonic: number; boottime: number }): Uint8Array {
  const line = (clock: string, offset: number): string => {
    const whole = Math.floor(offset);
    // the ns are computed as a bigint: a double does not hold all the ns of a century
    const nanoseconds = BigInt(whole) * 1_000_000n + BigInt(Math.round((offset - whole) * 1e6));
    const billion = 1_000_000_000n;
    const rest = ((nanoseconds % billion) + billion) % billion;
    return `${clock} ${(nanoseconds - rest) / billion} ${rest}\n`;
  };
  return Buffer.from(line('monotonic', monotonic) + line('boottime', boottime));
}

/** A folder on the unified tree that the program is born in, so that its tree can be killed as a whole. */
export interface TreeGroup {
  readonly prepare: readonly Step[];
  readonly slot: Slot;
  readonly undo: readonly Step[];
}

export interface RunRequest {
  readonly slots: Slots;
  readonly namespaces: readonly Held[];
  readonly command: readonly string[];
  readonly options: ParsedProcess;
  /** 'NAME=value' */
  readonly env: readonly string[];
  readonly streams: Streams;
  /** Whether the user is root of the host, who enters the user namespace last: until then root may enter what belongs to others. */
  readonly privileged: boolean;
  /** The user namespace that is joined lets nobody leave groups. */
  readonly keepsGroups: boolean;
  readonly group: TreeGroup | null;
}

/**
 * Plans a program in namespaces that are there, as nsenter(1). Pure.
 *
 * @throws UnsupportedError for a limit of CPU time without a group that counts it
 */
export function planNamespaceRun(request: RunRequest): Plan {
  const { slots, options, group, namespaces } = request;
  // Processes of a namespace must not look into the one that joins (CVE-2016-9962). The change of rights by a user namespace may have undone that.
  const hide: Step = { op: 'dumpable', value: 0 };
  const joins = joinOrder(namespaces, request.privileged).flatMap(({ type, fd }): Step[] => {
    return [{ op: 'setns', ns: slots.give(fd), type }, ...(type === 'user' ? [hide] : [])];
  });
  const streams = planHostStreams(request.streams.ends, slots);
  const enter: Step[] = [...streams.open, hide, ...joins];
  const hasUser = namespaces.some(({ type }) => type === 'user');
  // The ids that the program had outside are often none inside: it becomes root there, as nsenter does.
  const become = programSteps({ ...request, streams, user: options.user ?? (hasUser ? '0:0' : null), givePipes: !hasUser });
  const born = group ? { group: group.slot } : {};
  const stages: Stage[] = namespaces.some(({ type }) => type === 'pid')
    ? [
        { flags: 0, ...born, steps: [...enter, REFUSE_DESCRIPTORS, cloneStep(1, become)] },
        { flags: 0, ...born, steps: become },
      ]
    : [{ flags: 0, ...born, steps: [...enter, ...become] }];
  return {
    prepare: group?.prepare ?? [],
    stages,
    undo: group?.undo ?? [],
    reports: [],
    returns: [],
    ...(group ? { killGroup: { at: group.slot, path: '.' } } : {}),
    ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    ...(options.cpuTimeLimit === null ? {} : { cpuClock: cpuClock(options.cpuTimeLimit, group) }),
    ending: { signal: options.killSignal, forceKillAfterMs: options.forceKillAfterDelay },
  };
}

function cpuClock(limitMs: number, group: TreeGroup | null): CpuClock {
  if (group) return { limitMs, at: group.slot, path: 'cpu.stat', key: 'usage_usec', unit: 1000 };
  throw new UnsupportedError(
    'cpuTimeLimit',
    'no group can be made on the unified cgroup tree, which would count the time',
    'Run it in a Cgroup or a Container.',
  );
}

/**
 * The order in which to join. Joining a user namespace takes away the rights over all that it does not own, and gives those over what it
 * owns.
 */
export function joinOrder(namespaces: readonly Held[], privileged: boolean): Held[] {
  const user = namespaces.filter(({ type }) => type === 'user');
  const others = namespaces.filter(({ type }) => type !== 'user' && type !== 'mnt');
  // The mount namespace changes the root, and with it what every path means.
  const mnt = namespaces.filter(({ type }) => type === 'mnt');
  return privileged ? [...others, ...mnt, ...user] : [...user, ...others, ...mnt];
}

/** Where ip-netns(8) keeps network namespaces: a shared mount, so that other mount namespaces see what is pinned and unpinned. */
export const SHARED_PINS = '/run/netns';

/** Binds an open namespace to a file, which keeps it alive without any process (as ip-netns(8) does). Host steps. */
export function pinSteps(fd: number, path: string, slots: Slots): Step[] {
  const mount = slots.take();
  return [
    ...(dirname(path) === SHARED_PINS ? [{ op: 'share_folder', host: true, path: SHARED_PINS } as const] : []),
    { op: 'clone_mount', host: true, out: mount, at: slots.give(fd), path: '', recursive: 0 },
    { op: 'attach_at', host: true, mount, at: NONE, path },
  ];
}

/** Host steps that undo {@link pinSteps}. */
export function unpinSteps(path: string): Step[] {
  return [
    { op: 'detach', host: true, at: NONE, path },
    { op: 'unlink', host: true, at: NONE, path },
  ];
}
