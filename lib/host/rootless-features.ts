import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf, hasCode, toError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import type { Shim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { CLONE, OWN_NAME, PROPAGATION } from '../plan/constants.js';
import { overlayOptions } from '../plan/overlay-options.js';
import { NONE, planOf, type Stage } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { mapSteps } from '../plan/user-maps.js';
import type { CgroupFeatures } from './cgroup-features.js';
import { containerShim } from './container-shim.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { limitsFeature } from './limits-feature.js';
import { parseMountInfo } from './mountinfo.js';
import { privilege, sameIds } from './privilege.js';
import { storeRoot } from './store-path.js';
import { requireMarks, upperFitsInMemory } from './upper-place.js';
import { blame, usernsFacts } from './userns-blame.js';

/** What a container without root is made of, each tried by itself. */
export interface RootlessParts {
  /** A user namespace, with the maps of its ids. */
  readonly namespace: Feature;
  /** More ids than one: those of /etc/subuid and /etc/subgid. Containers do without them. */
  readonly ids: Feature;
  /** A network namespace whose loopback is up. */
  readonly loopback: Feature;
  /** A /proc of its own. */
  readonly proc: Feature;
  /** An overlay whose upper layer is a tmpfs, or before Linux 6.6 a folder on disk. */
  readonly overlay: Feature;
  /**
   * `memory`, `pidsLimit` and `cpus`: in groups that were handed over to this process or, in a plain login session of pure cgroup v2, in a scope
   * of the user's systemd, which `cgroup` says nothing of. Containers do without them.
   */
  readonly limits: Feature;
}

/** Whether containers without root work, with each part. */
export type RootlessFeature = Feature & { readonly parts: RootlessParts };

/** What root has is tried with root's rights. @param groups what this process itself can do with groups. @throws SyscallError where what explains a refusal can't be read */
export async function rootlessFeature(groups: CgroupFeatures): Promise<RootlessFeature> {
  const namespace = await tryNamespace();
  const when = (attempt: () => Promise<Feature>): Promise<Feature> => (namespace.available ? attempt() : Promise.resolve(namespace));
  const [loopback, proc, overlay, limits] = await Promise.all([
    when(() => tryIn(CLONE.net, [{ op: 'link_up', name: 'lo' }])),
    when(tryProc),
    when(tryOverlay),
    limitsFeature(groups),
  ]);
  const { available, reason, fix } = [namespace, loopback, proc, overlay].find((part) => !part.available) ?? works;
  return { available, reason, fix, parts: { namespace, ids: idsFeature(), loopback, proc, overlay, limits } };
}

/** A report in which nothing works, for this reason. */
export function noRootless(why: Feature): RootlessFeature {
  return { ...why, parts: { namespace: why, ids: why, loopback: why, proc: why, overlay: why, limits: why } };
}

async function tryNamespace(): Promise<Feature> {
  try {
    const shim = await containerShim();
    if (privilege().kind === 'root') await carryOut(planOf({ stages: [{ flags: CLONE.user, steps: [{ op: 'park' }] }] }), new Map(), shim);
    return works;
  } catch (error) {
    return blamed(error);
  }
}

function idsFeature(): Feature {
  const own = privilege();
  if (own.kind === 'root') return works;
  if (own.trouble !== null) return refused(own.trouble);
  return own.whyOne === null ? works : lacking(own.whyOne.reason, own.whyOne.fix);
}

async function tryProc(): Promise<Feature> {
  try {
    const mask = await maskOfProc();
    return mask === null ? works : lacking(maskedReason(mask), UNMASK);
  } catch (error) {
    return blamed(error);
  }
}

export const UNMASK =
  'Run docker with --security-opt systempaths=unconfined, podman with --security-opt unmask=ALL, Kubernetes with procMount: Unmasked.';

/** In words, why no other /proc can be mounted. */
export function maskedReason(mask: string): string {
  return `parts of /proc are masked, as ${mask} is: then no other can be mounted`;
}

let known: string | null | undefined;

/**
 * What hides a part of /proc, so that this user's containers can't have one of their own; `null` where they can. What was found out is kept.
 *
 * @throws SyscallError where it can't be found out
 */
export async function maskOfProc(): Promise<string | null> {
  if (known !== undefined) return known;
  try {
    await carryOutIn(CLONE.pid | CLONE.mnt, [{ op: 'proc', out: 0, pidns: NONE, attributes: 0 }]);
    known = null;
  } catch (error) {
    const [mask] = hasCode(error, 'EPERM') ? mountsInProc() : [];
    if (mask === undefined) throw error;
    known = mask;
  }
  return known;
}

/** What hides parts of /proc. */
function mountsInProc(): string[] {
  const text = attempt('read the mounts', () => readFileSync('/proc/self/mountinfo', 'utf8'));
  return parseMountInfo(text).flatMap(({ mountPoint }) => (mountPoint.startsWith('/proc/') ? [mountPoint] : []));
}

/** An overlay, and a place for the marks in its upper. */
async function tryOverlay(): Promise<Feature> {
  const overlay = await tryIn(CLONE.mnt, overlaySteps(privilege().kind === 'user'));
  if (!overlay.available) return overlay;
  try {
    const shim = await containerShim();
    if (!(await upperFitsInMemory(shim))) await tryUpperOnDisk(shim);
    return works;
  } catch (error) {
    return refused(error);
  }
}

/** Tries it beside the store, which need not be there yet. */
async function tryUpperOnDisk(shim: Shim): Promise<void> {
  let above = storeRoot();
  while (!existsSync(above)) above = dirname(above);
  const folder = attempt(`make a folder in ${above}`, () => mkdtempSync(join(above, `.${OWN_NAME}-`)));
  try {
    await requireMarks(folder, shim);
  } finally {
    rmdirSync(folder);
  }
}

async function tryIn(flags: number, steps: readonly Step[]): Promise<Feature> {
  try {
    await carryOutIn(flags, steps);
    return works;
  } catch (error) {
    return blamed(error);
  }
}

/** Carries steps out where a container is: of an ordinary user, in a user namespace below that of the shim. @throws SyscallError */
async function carryOutIn(flags: number, steps: readonly Step[]): Promise<void> {
  const own = privilege();
  const maps = own.kind === 'user' ? mapSteps(sameIds(own.uid), sameIds(own.gid)) : [];
  const mounts: Step[] = [
    { op: 'unshare', flags: CLONE.mnt },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
  ];
  const stage: Stage = {
    flags: (flags & ~CLONE.mnt) | (own.kind === 'user' ? CLONE.user : 0),
    steps: [...maps, ...((flags & CLONE.mnt) === 0 ? [] : mounts), ...steps, { op: 'park' }],
  };
  await carryOut(planOf({ stages: [stage] }), new Map(), await containerShim());
}

/** The feature of which a try failed with this error: what is at fault of the things that are known, or else the error itself. */
function blamed(error: unknown): Feature {
  if (privilege().kind === 'root') return refused(error);
  const code = codeOf(toError(error).cause) ?? codeOf(error);
  return blame(usernsFacts(), code) ?? refused(error);
}

function overlaySteps(userxattr: boolean): Step[] {
  const [tmpfs, lower, upper, work] = [1, 2, 3, 4];
  const folder = (out: number, path: string): Step => ({ op: 'mkdir', out, root: tmpfs, path, mode: 0o755, uid: 0, gid: 0 });
  return [
    { op: 'filesystem', out: tmpfs, type: 'tmpfs', options: ['size=65536', 'mode=755'], attributes: 0 },
    { op: 'attach_at', mount: tmpfs, at: NONE, path: '/' },
    folder(lower, 'lower'),
    folder(upper, 'upper'),
    folder(work, 'work'),
    { op: 'overlay', out: NONE, lower: [lower], upper, work, options: overlayOptions({ userxattr }), attributes: 0 },
  ];
}
