import { isDeepStrictEqual } from 'node:util';
import { isWithin } from '../../host/mountinfo.js';
import { areBridged } from '../../network/bridge/attach-network.js';
import type { TaskSteps } from '../../network/bridge/parts.js';
import { egressNetworks, egressSteps } from '../../network/egress/egress-plan.js';
import { KEYS, keep, kept } from '../../network/live/kept-steps.js';
import { hostPortSteps } from '../../network/relay/host-ports.js';
import { NONE, type Plan, planOf, REFUSE_DESCRIPTORS, Slots, type Stage, slotsOf } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { findUser, type TailSteps } from '../../process/program-steps.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planDenials } from './call-filter.js';
import { type ContainerPlan, killGroupOf, linksAfter, saveUser, terminalSteps } from './container-plan.js';
import { type Head, wholeStages } from './container-stages.js';
import { planStreams } from './container-streams.js';
import { planTree, type TreePlan } from './container-tree.js';
import { ACCOUNTS, planCopyIn } from './copy-in.js';
import { FILES_OF_NETWORKS } from './default-mounts.js';
import { mayBeRefused } from './device-nodes.js';
import { groundOf } from './ground.js';
import { planLaterMounts } from './later-mounts.js';
import { leaveLater } from './leave-later.js';
import { DEV, type MountTable, PROC, pathIn } from './mount-table.js';
import { inOneRow, type NetworkPlan, networkSteps, removePortsBy, settingsForLinks } from './network-steps.js';
import type { PlanInput, TreeInput } from './plan-input.js';
import { boundSet, limitSteps, planProcess } from './process-steps.js';
import { stopCarriers } from './stop-carriers.js';
import { takeTerminal } from './terminal-steps.js';
import { splitProgram } from './userns-process.js';

/** A container of a pool: all that is the same for each of its runs is the first part of the plan. */
export interface PooledPlan {
  readonly first: Plan;
  readonly head: Head;
  readonly tree: TreePlan;
  /** Steps of the second part that cover what others may have moved while the container waited. */
  readonly protect: readonly Step[];
  /** Its networks are joined in the second part. */
  readonly joinsLater: boolean;
  /** Steps that undo what the first part has made, but for its groups. */
  readonly undo: readonly Step[];
  /** Of these, as those of {@link ContainerPlan.leave}. */
  readonly leave: readonly Step[];
  /** The first slot of those with which links are made: by a call before the run, or by the run. */
  readonly links: Slot;
  /** The first slot of a run's own. */
  readonly free: Slot;
}

/**
 * The first part of a container of a pool: its mounts are attached, its root is pivoted into, its networks are joined, and what the kernel shows is
 * masked. Pure.
 *
 * @param of.joinsLater the networks of the options are each run's to join: the container has nothing of them before
 */
export function planPooled(head: Head, input: TreeInput, { joinsLater = false } = {}): PooledPlan {
  const { slots, group, options, networks: joined } = input;
  const tree = planTree(head, input);
  const networks = joined.steps(slots);
  const links = linksAfter(head, joined, { slots, proc: head.mounts.at(PROC), isAgain: false, kept: NONE, bandwidth: options.bandwidth });
  const egress = egressSteps(options.egress?.rules ?? null, {
    slots,
    hasIpv6: joined.hasIpv6,
    hasPeers: joined.canChange || options.networks.length > 0,
    networks: egressNetworks(joined.attachments),
    isAgain: false,
  });
  const hostPorts = hostPortSteps(options.hostPorts, { slots, isAgain: false });
  const confine = tree.confineInParts(slots);
  const undo = [...stopCarriers(input), ...networks.undo];
  const first = planOf({
    prepare: [...group.prepare, ...networks.prepare, ...tree.prepare],
    stages: wholeStages(head, input, {
      setUp: [
        ...tree.open,
        ...tree.build,
        ...tree.attach,
        // while /proc can still be written to
        ...(joinsLater ? settingsForLinks(joined.hasIpv6, head.mounts.at(PROC)) : []),
        ...inOneRow(links),
        ...egress,
        ...hostPorts,
        ...confine.first,
      ],
      // the process itself keeps what it has until the rest
      program: { confine: [boundSet(input.program)], run: [{ op: 'rest' }] },
      outside: { confine: limitSteps(input.program), run: [] },
      root: tree.root,
      later: slotsOfRun(head, tree, confine.rest),
    }),
    undo: [...undo, ...group.undo],
    ...killGroupOf(group),
  });
  const leave = leaveLater(joined.attachments, networks.undo);
  const ownOfLinks = slots.take();
  return {
    first,
    head,
    tree,
    protect: confine.rest,
    joinsLater,
    undo,
    leave,
    links: ownOfLinks,
    free: joinsLater ? ownOfLinks + LINK_SLOTS : ownOfLinks,
  };
}

/** The slots of the first part that the rest may name. */
function slotsOfRun({ mounts, staging }: Head, { root, places, readOnly }: TreePlan, protect: readonly Step[]): Slot[] {
  const made = [mounts.at(DEV), mounts.at(PROC), mounts.nullDevice, staging.slot, root.root, ...places.map(({ mount }) => mount)];
  return [...made, ...[...readOnly, ...protect].flatMap(slotsOf)].filter((slot) => slot !== NONE);
}

/** The slots of a run: they come after those of the first part. */
export function slotsAfter({ free }: PooledPlan): Slots {
  return new Slots(free);
}

/** What a run adds to a container of a pool: the second part of the plan. Pure. */
export function planPooledRun(pooled: PooledPlan, input: PlanInput): ContainerPlan {
  const { first, head, tree, protect, undo, leave } = pooled;
  const { options, slots, group } = input;
  const { root, places } = tree;
  const kept = { mountNamespace: slots.take(), user: slots.take() };
  const listener = input.program.denials ? slots.take() : null;
  const copyIn = planCopyIn(input, root.root, places);
  const streams = planStreams(input.streams, slots, { dev: head.mounts.at(DEV), byShim: mayBeRefused(options) });
  const { terminal } = streams;
  const copies = options.copyOut.length > 0;
  const { program, byShim } = programOfRun(
    { ...input, first },
    {
      streams,
      argv: input.argv,
      listener,
      isBounded: true,
      cwd: { create: 1, ...groundOf(places, input.program.cwd) },
      beforeExec: [
        ...(options.init ? [REFUSE_DESCRIPTORS, { op: 'init' } as const] : []),
        ...takeTerminal(terminal, { newSession: options.init }),
      ],
    },
  );
  const networks = networksOfRun(pooled, input);
  const steps: Step[] = [
    ...fillFiles(pooled, input),
    ...streams.openNull,
    ...copyIn.accounts,
    // the user is looked up before the program can change these files
    ...findUser(input.program, groundOf(places, ...ACCOUNTS)),
    ...(terminal ? terminalSteps(terminal, input, { root: root.root, places }) : []),
    ...(copies ? saveUser(kept.user) : []),
    ...copyIn.others,
    ...tree.readOnly,
    ...protect,
    ...(copies ? [{ op: 'open_namespace', host: true, out: kept.mountNamespace, type: 'mnt' } as const] : []),
    ...program.confine,
    ...program.run,
  ];
  const { process } = options;
  const rest = planOf({
    prepare: [...networks.prepare, ...streams.prepare, ...byShim],
    stages: goingOn(first, steps),
    undo: [...undo, ...networks.undo, ...group.undo],
    reports: group.reports,
    returns: [...(copies ? [kept.mountNamespace, kept.user] : []), ...(terminal ? [terminal.master] : [])],
    ...(copies ? {} : planLaterMounts(group)),
    tellsEndFirst: true,
    ...killGroupOf(group),
    ending: { signal: process.killSignal, forceKillAfterMs: process.forceKillAfterDelay },
    ...(process.timeout === null ? {} : { timeoutMs: process.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
    ...planDenials(input.program, listener),
  });
  const left = [...leave, ...leaveLater(input.networks.attachments, networks.undo)];
  return { first, rest, ...kept, master: terminal?.master ?? NONE, uppers: [], leave: left };
}

/** What the shim does for networks that are the run's to join, before the process goes on: links that were made before are not made again. */
function networksOfRun(pooled: PooledPlan, { networks: joined, options, slots }: PlanInput): Pick<TaskSteps, 'prepare' | 'undo'> {
  if (!pooled.joinsLater) return { prepare: [], undo: [] };
  const { prepare, undo } = joined.steps(slots);
  const [port] = portsOf(joined, options);
  const made = port === undefined ? [] : [kept(KEYS.links(port), makeLinks(pooled, joined))];
  const others = port === undefined ? joined : { ...joined, attachments: [] };
  const { links, end } = networkSteps(others, { slots, proc: NONE, isAgain: false, kept: NONE, bandwidth: options.bandwidth });
  return { prepare: [...prepare, ...made, ...links, ...end], undo };
}

/** For the network namespace, and a netlink socket on both sides. */
const LINK_SLOTS = 3;

/** Host steps that make the links of a container before its run, and those that remove them before its end: with its network namespace they go by themselves. */
export interface LinkSteps {
  readonly make: readonly Step[];
  readonly remove: readonly Step[];
}

type Linked = Pick<NetworkPlan, 'attachments' | 'hasIpv6'>;

/**
 * The links of a container that waits without its networks, before its run, which does all else. Pure.
 *
 * @returns `null` where more than links would have to go: a way of this machine's own (macvlan, ipvlan), or a limit of what is sent
 */
export function planLinks(pooled: PooledPlan, joined: Linked, options: Pick<ParsedOptions, 'bandwidth'>): LinkSteps | null {
  const [port] = portsOf(joined, options);
  if (port === undefined) return null;
  const make = makeLinks(pooled, joined);
  const remove = removePortsBy(pooled.links, joined.attachments);
  const { links } = KEYS;
  // a run that is sent behind this begins anew where it has failed half way, and finds nothing to be made where it has not
  return { make: [keep(links(port), [...remove, ...make]), ...make, keep(links(port), [])], remove };
}

/** The numbers of the bridge ports by which a container is on all of its networks; none where one is joined otherwise, or what it sends has a limit. */
function portsOf({ attachments }: Linked, { bandwidth }: Pick<ParsedOptions, 'bandwidth'>): number[] {
  if (bandwidth !== null || !areBridged(attachments)) return [];
  return attachments.flatMap((one) => ('port' in one ? [one.port.index] : []));
}

function makeLinks(pooled: PooledPlan, { attachments, hasIpv6 }: Linked): Step[] {
  const slots = new Slots(pooled.links);
  const plan = { attachments, hasIpv6, names: null, pasta: null, canChange: false };
  const { links, end } = networkSteps(plan, { slots, proc: NONE, isAgain: false, kept: NONE, bandwidth: null });
  return [...links, ...end];
}

/** The files are bound from the staging folder, so what is written there is seen at their places. */
function fillFiles({ head: { staging }, joinsLater }: PooledPlan, { table }: PlanInput): Step[] {
  if (!joinsLater) return [];
  const told = table.files.filter(({ target }) => FILES_OF_NETWORKS.has(target));
  return told.map(({ target, content }) => ({ op: 'put', at: staging.slot, path: pathIn('', target), bytes: Buffer.from(content) }));
}

/** The stages of the rest: it goes on in the last one of the first part. */
function goingOn({ stages }: Plan, steps: readonly Step[]): Stage[] {
  return stages.map(({ flags }, at) => ({ flags, steps: at === stages.length - 1 ? steps : [] }));
}

/**
 * The last steps of a run's program. A process that waits in a user namespace has what needs rights outside behind it, but for the program's pipes: the
 * shim gives these to the root inside, who then gives them to the user.
 */
function programOfRun(
  { program, userns, first }: PlanInput & Pick<PooledPlan, 'first'>,
  extras: Parameters<typeof planProcess>[1],
): { program: TailSteps; byShim: Step[] } {
  const whole = planProcess(program, extras);
  if (userns.kind !== 'given') return { program: whole, byShim: [] };
  const { outside, program: inside } = splitProgram(whole, userns);
  const done = first.stages.flatMap(({ steps }) => steps);
  const byShim = outside.flatMap((step): Step[] => {
    if (step.op === 'chown_to') return [{ ...step, host: true }];
    // a limit that the first part lacks must not be lost
    if (!done.some((one) => isDeepStrictEqual(one, step)))
      throw new TypeError(`a container that waits in a user namespace lacks the step ${step.op}`);
    return [];
  });
  return { program: inside, byShim };
}

/**
 * Whether a run can be the second part of a container that is there: its root has been left for the container's by then, so no path of the host's can
 * be opened, and what is masked and read-only already can't be written to first. Ports are taken before their container is made.
 */
export function mayBePooled(
  { copyIn, ports, process }: Pick<PlanInput['options'], 'copyIn' | 'ports' | 'process'>,
  { maskedPaths, readonlyPaths }: Pick<MountTable, 'maskedPaths' | 'readonlyPaths'>,
): boolean {
  const covered = [...maskedPaths, ...readonlyPaths];
  const isCovered = (target: string): boolean => covered.some((path) => isWithin(target, path) || isWithin(path, target));
  return (
    ports.length === 0 &&
    copyIn.every(({ source, target }) => source === null && !isCovered(target)) &&
    (process.pipesOnly || process.stdin.every(({ type }) => type !== 'file'))
  );
}
