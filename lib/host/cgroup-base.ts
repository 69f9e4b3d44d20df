import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasCode, UnsupportedError } from '../errors.js';
import { mayMakeIn, mayWriteFile } from '../native/may-write.js';
import { isLaunchedShim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { type CgroupLayout, type Hierarchy, parseCgroupLayout, withUnifiedControllers } from './cgroup-layout.js';

/**
 * The group of Node's own, or of the shim in a scope, below a v2 group that gets child groups: a group with controllers for its children may hold no process itself.
 */
export const LEAF = 'nacelle-node';

const DELEGATE = 'Start the program with systemd-run --user -p Delegate=yes, so that it gets a group of its own.';
const WRITABLE =
  'In Docker run with --privileged, in Kubernetes with securityContext.privileged: true, or mount the cgroup file system writable.';
const EMPTY_IT =
  'Move the processes of the container into a group of their own before this one starts: mkdir init there, and write each pid to init/cgroup.procs.';

/** Why something is not available. */
interface Refusal {
  readonly reason: string;
  readonly fix: string | null;
}

/** The folder below which groups are made, or why there is none. */
export type Base = { readonly path: string } | ({ readonly path: null } & Refusal);

/** The layout, and what is decided on it once. */
export interface GroupLayout extends CgroupLayout {
  /** Bases by the mount point of their hierarchy. */
  readonly bases: ReadonlyMap<string, Base>;
  /** Controllers of the unified tree that groups of ours could have, were it not for this reason. */
  readonly withheld: (Refusal & { readonly controllers: readonly string[] }) | null;
  readonly swap: {
    /** Bytes of swap that the machine has. */
    readonly total: number;
    /** The kernel counts swap for each group: without that, memory and swap together can't be limited. */
    readonly accounted: boolean;
  };
}

/** What decides where groups of the unified tree are made. */
export interface UnifiedFacts {
  readonly mode: CgroupLayout['mode'];
  readonly mountPoint: string;
  readonly ownPath: string | null;
  readonly readOnly: boolean;
  /** The kernel's top group, which may hold processes and children alike. */
  readonly ownIsTop: boolean;
  readonly mountIsTop: boolean;
  /** This user may make children and hand controllers on. */
  readonly writable: boolean;
  /** There are controllers at the mount point: not all are of v1. */
  readonly offered: boolean;
  /** The groups above hand controllers on to this process's own group. */
  readonly delegated: boolean;
  /** No process but Node, and what it started, is in this process's own group. */
  readonly alone: boolean;
  readonly root: boolean;
  /** cgroup.type of this process's own group: below a group that is not a domain, no group can hold processes, only threads. */
  readonly type: string;
  /** This process is in a cgroup namespace, as in a container. */
  readonly namespaced: boolean;
}

/**
 * Chooses where groups of the unified tree are made. `leaf`: Node must first move into a leaf of its own; `bare`: the groups have no
 * controller, and why. Pure.
 */
export function chooseUnifiedBase(facts: UnifiedFacts): Base & { readonly leaf: boolean; readonly bare?: Refusal } {
  const { ownPath, mountPoint } = facts;
  const at = (path: string, leaf = false) => ({ path, leaf });
  if (facts.readOnly) return { ...readOnlyBase(mountPoint), leaf: false };
  if (ownPath !== null && basename(ownPath) === LEAF) return at(dirname(ownPath));
  const domain = facts.ownIsTop || facts.type === 'domain';
  if (ownPath !== null && facts.writable && domain) {
    if (facts.ownIsTop) return at(ownPath);
    // Beside v1 often no controller is left for this tree: then a process in the group hinders nothing.
    if (facts.mode === 'hybrid' && !facts.offered) return at(ownPath);
    if (facts.delegated && facts.alone) return at(ownPath, true);
  }
  if (facts.root && facts.mountIsTop) return at(mountPoint);
  // Beside v1 such a group is of use without limits: a tree can be killed by it.
  if (ownPath !== null && facts.writable && domain && facts.mode === 'hybrid') return { ...at(ownPath), bare: whyNowhere(facts) };
  return { path: null, ...whyNowhere(facts), leaf: false };
}

function whyNowhere({ ownPath, mountPoint, writable, delegated, type, namespaced }: UnifiedFacts): Refusal {
  if (ownPath === null) return { reason: `the mount ${mountPoint} does not show this process's own cgroup`, fix: DELEGATE };
  if (!writable) return { reason: `this user may not make groups in ${ownPath}`, fix: namespaced ? WRITABLE : DELEGATE };
  if (type !== 'domain')
    return { reason: `this process's cgroup ${ownPath} is part of a threaded subtree (cgroup.type: ${type})`, fix: DELEGATE };
  if (!delegated) return { reason: `no controllers are handed on to this process's cgroup ${ownPath}`, fix: DELEGATE };
  return {
    reason: `other processes are in this process's cgroup ${ownPath}, which therefore can't have groups with limits below it`,
    fix: namespaced ? EMPTY_IT : DELEGATE,
  };
}

/** Where groups of a hierarchy of v1 are made. Pure. */
export function chooseV1Base(
  { mountPoint, ownPath, readOnly, controllers }: Pick<Hierarchy, 'mountPoint' | 'ownPath' | 'readOnly' | 'controllers'>,
  { writable, root }: { readonly writable: boolean; readonly root: boolean },
): Base {
  // whoever owns its files: the kernel asks for CAP_SYS_ADMIN, and not in a user namespace
  if (!root && controllers.includes('devices')) return { path: null, reason: 'only root may write rules for devices', fix: 'Run as root.' };
  if (readOnly) return readOnlyBase(mountPoint);
  if (ownPath === null) return { path: null, reason: `the mount ${mountPoint} does not show this process's own cgroup`, fix: null };
  if (!writable)
    return {
      path: null,
      reason: `this user may not make groups in ${ownPath}`,
      fix: 'Run as root, or have an administrator hand that folder over.',
    };
  return { path: ownPath };
}

function readOnlyBase(mountPoint: string): Base {
  return {
    path: null,
    reason: `${mountPoint} is mounted read-only`,
    fix: WRITABLE,
  };
}

const LOOK = 'look at the control groups';

let known: GroupLayout | undefined;

/**
 * Finds where this process can make groups. It looks once; where the rule of v2 asks for it, Node (with its shim) is moved into a leaf
 * below its own group, so that the group can have children with limits.
 */
export function groupLayout(): GroupLayout {
  known ??= attempt(LOOK, () => probe(true));
  return known;
}

/** The same as {@link groupLayout}, but it changes nothing: for a report. @param pid the process whose own groups count, in this one's namespaces */
export function inspectGroups(pid: number = process.pid): GroupLayout {
  if (pid !== process.pid) return attempt(LOOK, () => probe(false, pid));
  return known ?? attempt(LOOK, () => probe(false));
}

/** The layout with other bases for some mount points: those where another process has made a group, or where one is to outlive this process. */
export function withBases(layout: GroupLayout, bases: ReadonlyMap<string, string>): GroupLayout {
  if (bases.size === 0) return layout;
  const all = new Map([...layout.bases, ...[...bases].map(([mountPoint, path]) => [mountPoint, { path }] as const)]);
  const unified = layout.unified ? bases.get(layout.unified.mountPoint) : undefined;
  const there =
    unified === undefined
      ? layout
      : withUnifiedControllers(
          layout,
          attempt(LOOK, () => controllersAt(unified)),
        );
  return { ...layout, ...there, bases: all };
}

/** The layout alone: which controllers there are. */
export function cgroupLayout(pid: number = process.pid): CgroupLayout {
  return attempt(LOOK, () =>
    parseCgroupLayout(
      readFileSync('/proc/self/mountinfo', 'utf8'),
      readFileSync(`/proc/${pid === process.pid ? 'self' : pid}/cgroup`, 'utf8'),
      controllersAt,
    ),
  );
}

/** Controllers that a group of the unified tree can hand on. */
function controllersAt(folder: string): string {
  return readFileSync(join(folder, 'cgroup.controllers'), 'utf8').trim();
}

function probe(mayMove: boolean, pid: number = process.pid): GroupLayout {
  const layout = cgroupLayout(pid);
  const bases = new Map<string, Base>();
  for (const hierarchy of new Set(layout.controllers.values())) {
    if (hierarchy.version === 1)
      bases.set(
        hierarchy.mountPoint,
        chooseV1Base(hierarchy, { writable: hierarchy.ownPath !== null && mayMakeIn(hierarchy.ownPath), root: isRoot() }),
      );
  }
  if (!layout.unified) return { ...layout, bases, withheld: null, swap: probeSwap(layout, null) };
  const offered = controllersAt(layout.unified.mountPoint);
  const { bare, ...base } = unifiedBase(layout.mode, layout.unified, { offered: offered !== '', mayMove, pid });
  bases.set(layout.unified.mountPoint, base);
  // What counts is the controllers that can be handed on where the groups are made, not where Node is.
  const handed = base.path === null || bare ? '' : controllersAt(base.path);
  const there = base.path === null ? layout : withUnifiedControllers(layout, handed);
  const withheld = bare ? { ...bare, controllers: offered.split(' ') } : null;
  return { ...there, bases, withheld, swap: probeSwap(there, base.path) };
}

function unifiedBase(
  mode: CgroupLayout['mode'],
  unified: Hierarchy,
  { offered, mayMove, pid: self }: { readonly offered: boolean; readonly mayMove: boolean; readonly pid: number },
): ReturnType<typeof chooseUnifiedBase> {
  const { mountPoint, ownPath, readOnly, controllers } = unified;
  const ownIsTop = ownPath !== null && isTop(ownPath);
  const type = ownPath === null || ownIsTop ? 'domain' : readFileSync(join(ownPath, 'cgroup.type'), 'utf8').trim();
  // the kernel doesn't list the processes of a threaded group, and those of the top, which are all of the machine's, hinder nothing
  const inside = ownPath === null || ownIsTop || type === 'threaded' ? [] : processesIn(ownPath);
  const choice = chooseUnifiedBase({
    mode,
    mountPoint,
    ownPath,
    readOnly,
    ownIsTop,
    mountIsTop: isTop(mountPoint),
    writable: ownPath !== null && mayMakeIn(ownPath) && mayWriteFile(join(ownPath, 'cgroup.procs')),
    offered,
    delegated: controllers.length > 0,
    alone: inside.every((pid) => isOurs(pid, self)),
    root: isRoot(),
    type,
    namespaced: isNamespaced(),
  });
  if (choice.leaf && mayMove && choice.path !== null) moveToLeaf(choice.path);
  return choice;
}

/** The first cgroup namespace has an inode of its own in every kernel (PROC_CGROUP_INIT_INO). */
export function isNamespaced(): boolean {
  return statSync('/proc/self/ns/cgroup').ino !== 0xeffffffb;
}

/** The kernel's top group alone has no cgroup.type; the top of a cgroup namespace has one. */
export function isTop(folder: string): boolean {
  return !existsSync(join(folder, 'cgroup.type'));
}

/**
 * How often the group is looked through: a process that Node started may fork before it is moved. One that was moved has its children in
 * the leaf.
 */
const ROUNDS = 1000;

/** Moves processes until none is left, for those that are still there may have children meanwhile. */
function moveToLeaf(own: string): void {
  const leaf = join(own, LEAF);
  try {
    mkdirSync(leaf, { recursive: true });
    for (let round = 0; round < ROUNDS; round++) {
      const pids = processesIn(own);
      if (pids.length === 0) return;
      for (const pid of pids) moveTo(leaf, pid);
    }
  } catch (cause) {
    throw new UnsupportedError('cgroup', `this process can't be moved into ${leaf}`, DELEGATE, { cause });
  }
  throw new UnsupportedError('cgroup', `the processes in ${own} multiply faster than they can be moved into ${leaf}`, DELEGATE);
}

function moveTo(group: string, pid: number): void {
  try {
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
  } catch (error) {
    // the process ended meanwhile
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

function processesIn(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}

/** Whether a process is Node, or something that Node started. */
function isOurs(pid: number, self: number): boolean {
  for (let at = pid; at > 1; at = parentOf(at)) if (at === self || at === process.pid || isLaunchedShim(at)) return true;
  return pid === self;
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch (error) {
    // The process ended while we looked: then it is not ours.
    if (hasCode(error, 'ENOENT', 'ESRCH')) return 0;
    throw error;
  }
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** @param unified where groups of the unified tree are made */
function probeSwap(layout: CgroupLayout, unified: string | null): GroupLayout['swap'] {
  const total = Number(/^SwapTotal:\s*(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
  const memory = layout.controllers.get('memory');
  if (!memory) return { total, accounted: false };
  if (memory.version === 1) return { total, accounted: existsSync(join(memory.mountPoint, 'memory.memsw.limit_in_bytes')) };
  if (unified !== null && !isTop(unified)) return { total, accounted: existsSync(join(unified, 'memory.swap.max')) };
  // The top group has none of the files, so there only how the kernel was booted tells.
  const booted = !/(?:^|\s)swapaccount=0(?:\s|$)/.test(readFileSync('/proc/cmdline', 'utf8'));
  return { total, accounted: booted && existsSync('/proc/swaps') };
}
