import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { geteuid } from 'node:process';
import { UnsupportedError } from '../errors.js';
import type { Shim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { type GroupLayout, groupLayout, LEAF, withBases } from './cgroup-base.js';
import { parseCgroupLayout } from './cgroup-layout.js';
import { owner } from './owner.js';
import { ownBases, writeBases } from './reap.js';
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
  await startScope({ unit, description: `nacelle ${name}`, pids: [pid] });
  const { unified } = attempt('look at the control groups', () =>
    parseCgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'), () => ''),
  );
  if (unified?.ownPath?.endsWith(`/${unit}`) !== true)
    throw new UnsupportedError("a scope of the user's systemd", `the group of ${unit} can't be seen from here`);
  return { mountPoint: unified.mountPoint, folder: unified.ownPath };
}

/** By the names of shims. */
const known = new Map<string, Promise<GroupLayout>>();

/**
 * The layout for containers of this process that need limits. In a plain login session nobody has handed a group over to this user: then the shim
 * that makes the containers goes into a scope, once, and the groups are made there. Node stays where it is. Where there is no scope to
 * be had, the layout says so.
 */
export function layoutWithLimits(shim: Shim, own: GroupLayout = groupLayout()): Promise<GroupLayout> {
  if (!needsScope(own)) return Promise.resolve(own);
  const made = known.get(shim.owner) ?? inScope(shim, own);
  known.set(shim.owner, made);
  // the next call tries again
  made.catch(() => known.delete(shim.owner));
  return made;
}

/** Beside v1 a scope has no controllers. */
function needsScope({ mode, unified, bases }: GroupLayout): boolean {
  if (geteuid?.() === 0 || mode !== 'v2' || unified?.ownPath == null) return false;
  return bases.get(unified.mountPoint)?.path === null;
}

async function inScope(shim: Shim, own: GroupLayout): Promise<GroupLayout> {
  try {
    const { mountPoint, folder } = await moveToScope(shim);
    // a group that hands controllers on may hold no process itself
    const leaf = join(folder, LEAF);
    attempt(`move the shim into ${leaf}`, () => {
      mkdirSync(leaf);
      writeFileSync(join(leaf, 'cgroup.procs'), String(shim.pid));
    });
    const layout = withBases(own, new Map([[mountPoint, folder]]));
    await owner(layout, shim);
    // the shim may have made containers without groups before
    writeBases(shim.owner, ownBases(layout));
    return layout;
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return refusing(own, error);
  }
}

function refusing(own: GroupLayout, { reason, fix }: UnsupportedError): GroupLayout {
  const mountPoint = own.unified?.mountPoint ?? '';
  const base = own.bases.get(mountPoint);
  if (base?.path !== null) return own;
  const refusal = { path: null, reason: `${base.reason}, and ${reason}`, fix: fix ?? base.fix };
  return { ...own, bases: new Map([...own.bases, [mountPoint, refusal]]) };
}
