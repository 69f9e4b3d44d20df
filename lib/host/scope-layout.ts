import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { geteuid } from 'node:process';
import { UnsupportedError } from '../errors.js';
import type { Shim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { type GroupLayout, groupLayout, LEAF, withBases } from './cgroup-base.js';
import { parseCgroupLayout } from './cgroup-layout.js';
import { owner } from './owner.js';
import { startScope } from './user-systemd.js';

/** The group of a scope that was made. */
export interface Scope {
  /** Of the unified tree. */
  readonly mountPoint: string;
  readonly folder: string;
}

/**
 * Puts a shim into a scope of the systemd of this user, which goes with the shim.
 *
 * @throws UnsupportedError: systemd gives no scope, or its group can't be seen from here
 */
export async function moveToScope({ pid, owner: name }: Pick<Shim, 'pid' | 'owner'>): Promise<Scope> {
  const unit = `nacelle-${name}.scope`;
  // an earlier call may have given up before systemd was done
  const before = scopeOf(pid, unit);
  if (before !== null) return before;
  await startScope({ unit, description: `nacelle ${name}`, pids: [pid] });
  const scope = scopeOf(pid, unit);
  if (scope === null) throw new UnsupportedError("a scope of the user's systemd", `the group of ${unit} can't be seen from here`);
  return scope;
}

/** The scope of that name, when a process is in it. */
function scopeOf(pid: number, unit: string): Scope | null {
  const { unified } = attempt('look at the control groups', () =>
    parseCgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'), () => ''),
  );
  if (unified?.ownPath == null) return null;
  const folder = basename(unified.ownPath) === LEAF ? dirname(unified.ownPath) : unified.ownPath;
  return basename(folder) === unit ? { mountPoint: unified.mountPoint, folder } : null;
}

const known = new WeakMap<Shim, Promise<GroupLayout>>();

/**
 * The layout for containers of this process that need limits. In a plain login session nobody has handed a group over to this user: then the shim
 * that makes the containers goes into a scope, once, and the groups are made there. Node stays where it is. Where there is no scope to
 * be had, the layout says so.
 */
export async function layoutWithLimits(shim: Shim, own: GroupLayout = groupLayout()): Promise<GroupLayout> {
  if (!wantsScope(own)) return own;
  try {
    return await (known.get(shim) ?? inScope(shim, own));
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return refusing(own, error);
  }
}

/** The scope of a login session, which has no limits of its own. The limits of any other unit are to hold for containers too. */
const SESSION = /\/session-[^/]+\.scope(?:\/|$)/;

/**
 * Whether a scope would help and takes nothing from the containers: an ordinary user in a login session on pure v2 without a base. Beside v1
 * a scope has no controllers. Pure.
 */
export function wantsScope({ mode, unified, bases }: GroupLayout, isRoot = geteuid?.() === 0): boolean {
  if (isRoot || mode !== 'v2' || unified?.ownPath == null) return false;
  return SESSION.test(unified.ownPath) && bases.get(unified.mountPoint)?.path === null;
}

function inScope(shim: Shim, own: GroupLayout): Promise<GroupLayout> {
  const made = makeScope(shim, own);
  known.set(shim, made);
  // a failure may be gone by the next call, which tries again
  made.catch(() => known.delete(shim));
  return made;
}

async function makeScope(shim: Shim, own: GroupLayout): Promise<GroupLayout> {
  const { mountPoint, folder } = await moveToScope(shim);
  // a group that hands controllers on may hold no process itself
  const leaf = join(folder, LEAF);
  attempt(`move the shim into ${leaf}`, () => {
    mkdirSync(leaf, { recursive: true });
    writeFileSync(join(leaf, 'cgroup.procs'), String(shim.pid));
  });
  const layout = withBases(own, new Map([[mountPoint, folder]]));
  await owner(layout, shim);
  return layout;
}

function refusing(own: GroupLayout, error: UnsupportedError): GroupLayout {
  const why = whyNoLimits(own, error);
  return why === null ? own : { ...own, bases: new Map([...own.bases, [own.unified?.mountPoint ?? '', { path: null, ...why }]]) };
}

/** Why limits can be had neither in groups of this process nor in a scope, which was refused; `null` where this process can make groups. */
export function whyNoLimits(
  { unified, bases }: Pick<GroupLayout, 'unified' | 'bases'>,
  { reason, fix }: Pick<UnsupportedError, 'reason' | 'fix'>,
): { readonly reason: string; readonly fix: string | null } | null {
  const base = bases.get(unified?.mountPoint ?? '');
  return base?.path === null ? { reason: `${base.reason}, and ${reason}`, fix: fix ?? base.fix } : null;
}
