import { thawing } from '../../cgroup/freezer.js';
import type { GroupPlan } from '../../cgroup/group-plan.js';
import { egressNetworks, egressSteps } from '../../network/egress/egress-plan.js';
import { hostPortSteps } from '../../network/relay/host-ports.js';
import { type Again, NONE, type Plan, type PlanParts, planOf, REFUSE_DESCRIPTORS } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { findUser, type TailSteps } from '../../process/program-steps.js';
import { isMountedOver } from '../options/mount-target.js';
import { planDenials } from './call-filter.js';
import { bornIn, type Head, joinSteps, wholeStages } from './container-stages.js';
import { type ContainerStreams, planStreams } from './container-streams.js';
import { planTree } from './container-tree.js';
import { ACCOUNTS, planCopyIn } from './copy-in.js';
import { mayBeRefused } from './device-nodes.js';
import { groundOf, type Place } from './ground.js';
import { planLaterMounts } from './later-mounts.js';
import { leaveLater } from './leave-later.js';
import { DEV, PROC } from './mount-table.js';
import { isNew, planNamespaces } from './namespace-steps.js';
import { inOneRow, keepsChildren, linkSettings, type NetworkSteps, networkSteps } from './network-steps.js';
import type { HeadInput, PlanInput } from './plan-input.js';
import { planProcess } from './process-steps.js';
import { planProtection } from './protect.js';
import type { RootPlan, RunBefore } from './root-mounts.js';
import { planStaging } from './staging.js';
import { stopCarriers } from './stop-carriers.js';
import { planTable } from './table-mounts.js';
import { CONSOLE, consoleSteps, type TerminalPlan, takeTerminal } from './terminal-steps.js';
import { isMadeInside } from './userns.js';

export function planHead(input: HeadInput): Head {
  const { options, slots, group } = input;
  const namespaces = planNamespaces(options, input.userns, slots);
  const staging = planStaging(input);
  const mounts = planTable(input);
  const protection = planProtection(input);
  const make = [...staging.steps, ...mounts.make, ...protection.make];
  const isMapped = isMadeInside(input.userns);
  // a process that is made ahead has them behind it when its links are asked for
  const settings = makesLinksAhead(input) ? linkSettings(input.networks, mounts.at(PROC)) : [];
  const steps: Step[] = [
    ...namespaces.join,
    ...namespaces.cgroup,
    { op: 'setsid' },
    { op: 'keyring' },
    ...(isNew(options, 'net') ? [{ op: 'link_up', name: 'lo' } as const] : []),
    ...(isMapped ? [] : make),
    ...settings,
  ];
  const independent = slots.descriptors.size === 0 && namespaces.clocks.length === 0;
  const first = planOf({
    prepare: group.prepare,
    stages: [{ flags: namespaces.flags, ...bornIn(group), steps: [...namespaces.maps, ...joinSteps(group), ...steps, { op: 'rest' }] }],
    undo: group.undo,
    ...killGroupOf(group),
  });
  return {
    first: independent ? first : null,
    namespaces,
    steps,
    linkSettings: settings,
    make: isMapped ? make : [],
    staging,
    mounts,
    protection,
  };
}

/** The plan, and the slots in it that Node asks for. */
export interface ContainerPlan extends PlanParts {
  /** The container's mount namespace: there its files are read and written, also after its end. */
  readonly mountNamespace: Slot;
  /** The container's user, noted at the start: `copyOut` reads with no more right than this user has. */
  readonly user: Slot;
  /** The master of the program's terminal; NONE where it has no terminal. */
  readonly master: Slot;
  /**
   * The folders that hold the changes to the root, in the order of the recipe's mounts; only for a container whose changes may be read
   * after its end.
   */
  readonly uppers: readonly Slot[];
  /** Of the steps that undo, those that give back what it has of its networks, where these may come behind its result. */
  readonly leave: readonly Step[];
}

/**
 * The whole container as a list: every decision about order and defaults is here and in the files beside, and none
 * is in C++. Pure: a test can print it without root. `head` took its slots from the same input.
 */
export function planContainer(head: Head, input: PlanInput): ContainerPlan {
  const { options, slots, group, health } = input;
  const kept: KeptSlots = {
    mountNamespace: slots.take(),
    user: slots.take(),
    users: slots.take(),
    network: maybeAgain(input) && keepsChildren(input.networks) ? slots.take() : NONE,
  };
  // each run has a listener of its own in this slot
  const listener = input.program.denials ? slots.take() : null;
  const networks = input.networks.steps(slots);
  const run = planRun(head, input, { kept, listener, park: input.park, joined: networks.prepare });
  const { streams, root } = run;

  const { process } = options;
  const prepare = [...diskSteps(input), ...run.prepare, ...streams.prepare];
  const rest: Plan = {
    prepare: head.first === null ? [...group.prepare, ...prepare] : prepare,
    stages:
      head.first === null
        ? wholeStages(head, { ...input, group }, run)
        : [{ flags: head.namespaces.flags, steps: [...run.setUp, ...run.program.confine, ...run.program.run] }],
    undo: [...diskUndo(input), ...stopCarriers(input), ...closeKept(kept.network), ...networks.undo, ...input.journal, ...group.undo],
    reports: group.reports,
    returns: [
      ...(keepsInside(input) ? [kept.mountNamespace, kept.user] : []),
      ...(streams.terminal ? [streams.terminal.master] : []),
      ...root.uppers,
      ...networks.returns,
    ],
    ...(undoesMountsLater(input) ? planLaterMounts(group) : {}),
    tellsEndFirst: !input.park,
    ...killGroupOf(group),
    ending: { signal: process.killSignal, forceKillAfterMs: process.forceKillAfterDelay },
    ...(process.timeout === null ? {} : { timeoutMs: process.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
    ...(maybeAgain(input) ? { again: planAgain(input, { ...kept, roots: root.mounts }, listener) } : {}),
    ...(health === null ? {} : { health }),
    ...planDenials(input.program, listener),
  };
  const { mountNamespace, user } = kept;
  const leave = leaveLater(input.networks.attachments, networks.undo);
  return { first: head.first, rest, mountNamespace, user, master: streams.terminal?.master ?? NONE, uppers: root.uppers, leave };
}

/** What is on disk, or may be read after the end, is undone in order. */
function undoesMountsLater(input: PlanInput): boolean {
  const isOnDisk = input.root.type === 'recipe' && input.root.disk !== null;
  return !keepsInside(input) && !isOnDisk;
}

function closeKept(slot: Slot): Step[] {
  return slot === NONE ? [] : [{ op: 'close', host: true, slot }];
}

/** Whoever makes a container, and does not only run it, may read and write its files until it is removed. */
function keepsInside({ options, park }: Pick<PlanInput, 'options' | 'park'>): boolean {
  return options.copyOut.length > 0 || park;
}

/**
 * A terminal is of one run: another run would have another. The shim keeps the program's ends of the pipes for the next run, so their readers
 * see no end before the container's: only a container for which that was asked has it so, and a detached one, whose reader is the log.
 */
function maybeAgain({ options, health, park, streams }: PlanInput): boolean {
  const isAsked = options.restart !== null || options.detached !== null || health?.then === 'restart';
  return park && isAsked && !streams.terminal;
}

/** docker's numbers. */
const BACK_OFF = { firstMs: 100, longestMs: 60_000, lastingMs: 10_000 };

/** The runs after the first: the same container, made anew around the root that it had. */
function planAgain(input: PlanInput, before: RunBefore, listener: Slot | null): Again {
  const { options, group, stopSignal, userns } = input;
  // what the run before has made belongs to its user namespace
  const again = userns.kind === 'identity' ? { ...input, userns: { ...userns, kind: 'kept', users: before.users } as const } : input;
  const head = planHead(again);
  const run = planRun(head, { ...again, options: { ...options, copyIn: [] } }, { kept: before, listener, park: false, before, joined: [] });
  return {
    on: options.restart?.on ?? 'never',
    most: options.restart?.maxRetries ?? 0,
    ...BACK_OFF,
    stopSignal,
    prepare: [...thawSteps(group), ...run.prepare],
    stages: wholeStages(head, { ...input, group: entered(group) }, run),
  };
}

/** Somebody may have paused the run before, which then ended: a process that enters its groups would stand still for ever. */
function thawSteps({ paths }: GroupPlan): Step[] {
  const thaw = thawing(paths);
  return thaw === null ? [] : [{ op: 'put', host: true, at: NONE, path: thaw.file, bytes: Buffer.from(thaw.word) }];
}

/**
 * The group as one that a process enters after its birth: Linux 6.18 kills a process that is born in a group which was killed before
 * (cgroup.kill), for it compares with the group of the parent.
 */
function entered(group: GroupPlan): GroupPlan {
  const { unified, join } = group;
  if (unified === undefined) return group;
  return { ...group, unified: undefined, join: [...join, { op: 'put', at: unified, path: 'cgroup.procs', bytes: Buffer.from('0') }] };
}

/** Slots that the shim keeps for what comes after a run. */
interface KeptSlots {
  readonly mountNamespace: Slot;
  readonly user: Slot;
  /** The user namespace, of a container that has its own. */
  readonly users: Slot;
  /** A netlink socket in the network namespace; NONE where no later run needs it. */
  readonly network: Slot;
}

/** One run of the program, without what begins in the {@link Head}. */
interface RunPlan {
  readonly prepare: readonly Step[];
  readonly setUp: readonly Step[];
  readonly program: TailSteps;
  readonly streams: ContainerStreams;
  readonly root: RootPlan;
}

interface RunOf {
  readonly kept: KeptSlots;
  readonly listener: Slot | null;
  readonly park: boolean;
  /** The run before, whose root this one has. */
  readonly before?: RunBefore;
  /** Host steps that make what the container has of its networks beside its links, of the first run. */
  readonly joined: readonly Step[];
}

function planRun(head: Head, input: PlanInput, { kept, listener, park, before, joined }: RunOf): RunPlan {
  const { options, slots } = input;
  const [proc, dev] = [head.mounts.at(PROC), head.mounts.at(DEV)];
  const tree = planTree(head, input, before);
  const { root, places } = tree;
  const copyIn = planCopyIn(input, root.root, places);
  const streams = planStreams(input.streams, slots, { dev, byShim: mayBeRefused(options) });
  const copies = keepsInside(input);

  const links = linksAfter(head, input.networks, {
    slots,
    proc,
    isAgain: before !== undefined,
    kept: kept.network,
    bandwidth: options.bandwidth,
  });
  const isAhead = before === undefined && links.end.length > 0 && makesLinksAhead(input);
  // a setting may be a link's
  const [endsBefore, endsAfter] = Object.keys(options.sysctls).length > 0 ? [links.end, []] : [[], links.end];

  const setUp: Step[] = [
    ...(isAhead ? [...links.settings, { op: 'go_on', host: true } as const, ...joined, ...links.links] : []),
    ...tree.open,
    ...copyIn.open,
    ...streams.open,
    ...tree.build,
    ...streams.openNull,
    ...tree.attach,
    ...copyIn.accounts,
    // the user is looked up before the program can change these files
    ...findUser(input.program, groundOf(places, ...ACCOUNTS)),
    ...(streams.terminal ? terminalSteps(streams.terminal, input, { root: root.root, places }) : []),
    ...(copies ? saveUser(kept.user) : []),
    ...copyIn.others,
    ...tree.readOnly,
    ...(isAhead ? [] : inOneRow(links)),
    ...egressSteps(options.egress?.rules ?? null, {
      slots,
      hasIpv6: input.networks.hasIpv6,
      hasPeers: input.networks.canChange || options.networks.length > 0,
      networks: egressNetworks(input.networks.attachments),
      isAgain: before !== undefined,
    }),
    // what serves the list has stopped what the run before had
    ...hostPortSteps(options.hostPorts, { slots, isAgain: before !== undefined && options.egress === null }),
    ...(isAhead ? endsBefore : []),
    ...tree.confine(),
    ...(isAhead ? endsAfter : []),
    // whoever closes the last descriptor of a mount namespace waits for its mounts to go: so Node gets one only where it reads files there
    ...(copies ? [{ op: 'open_namespace', host: true, out: kept.mountNamespace, type: 'mnt' } as const] : []),
    ...(maybeAgain(input) ? root.mounts.map((slot): Step => ({ op: 'give', slot })) : []),
    ...(maybeAgain(input) && input.userns.kind === 'identity'
      ? [{ op: 'open_namespace', host: true, out: kept.users, type: 'user' } as const]
      : []),
  ];
  const program = planProcess(input.program, {
    streams,
    argv: input.argv,
    listener,
    cwd: { create: 1, ...groundOf(places, input.program.cwd) },
    beforeExec: [
      ...(options.init ? [REFUSE_DESCRIPTORS, { op: 'init' } as const] : []),
      ...takeTerminal(streams.terminal, { newSession: options.init }),
      ...(park ? [{ op: 'park' } as const] : []),
    ],
  });
  return { prepare: [...(isAhead ? [] : joined), ...tree.prepare], setUp, program, streams, root };
}

/** As {@link networkSteps}, without what the head has of them. */
export function linksAfter(head: Head, ...of: Parameters<typeof networkSteps>): NetworkSteps {
  const links = networkSteps(...of);
  return head.linkSettings.length === 0 ? links : { ...links, settings: [] };
}

/**
 * Whether the shim can make the links while the process mounts: there is a /proc that the process has made, and it has the container's network
 * namespace from its first step.
 */
function makesLinksAhead({ options, userns }: Pick<PlanInput, 'options' | 'userns'>): boolean {
  return userns.kind === 'none' && options.namespaces.pid === 'new';
}

/** The terminal, which is the console too, unless the caller mounts something there. */
export function terminalSteps(terminal: TerminalPlan, { options, slots }: PlanInput, at: { root: Slot; places: readonly Place[] }): Step[] {
  const isTaken = isMountedOver(CONSOLE, options.mounts);
  return [...terminal.make, ...(isTaken ? [] : consoleSteps(terminal, slots, at))];
}

/** Steps that note the user for those who read files for the program after its end. */
export function saveUser(out: Slot): Step[] {
  return [
    { op: 'save_user', out },
    { op: 'give', slot: out },
    { op: 'close', slot: out },
  ];
}

/** Without a group, the end of the first process is that of its pid namespace. */
export function killGroupOf({ killGroup }: GroupPlan): Partial<Pick<Plan, 'killGroup'>> {
  return killGroup === null ? {} : { killGroup };
}

/**
 * Steps that make an upper on disk, which is removed with the container. A parked container, whose changes may be read after its end, has
 * its upper made already, and keeps it.
 */
function diskSteps({ root, park }: PlanInput): Step[] {
  if (root.type !== 'recipe' || root.disk === null || park) return [];
  return [{ op: 'mkdir', host: true, out: NONE, root: NONE, path: root.disk, mode: 0o700, uid: 0, gid: 0 }];
}

function diskUndo({ root, park }: PlanInput): Step[] {
  return root.type === 'recipe' && root.disk !== null && !park ? [{ op: 'remove_tree', host: true, at: NONE, path: root.disk }] : [];
}
