import { constants } from 'node:fs';
import { hasCode, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import type { Shim } from '../native/shim.js';
import { CLONE } from '../plan/constants.js';
import { NONE, type Plan, planOf } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { fileSystemOf } from './locate.js';
import { privilege } from './privilege.js';

// An overlay marks folders in its upper. The marks of an ordinary user's overlays are user.* attributes, which not every file system takes.

const PLACE = 0;

const NEWER = 'Use Linux 6.6 or later.';

let inMemory: Promise<boolean> | undefined;

/**
 * Whether changes to an image can be kept in memory: a tmpfs takes such marks since Linux 6.6. Found out once, by trying.
 *
 * @param shim who makes containers
 */
export function upperFitsInMemory(shim: Shim): Promise<boolean> {
  if (privilege().kind === 'root') return Promise.resolve(true);
  const steps: Step[] = [
    { op: 'filesystem', out: PLACE, type: 'tmpfs', options: ['size=65536', 'mode=755'], attributes: 0 },
    mark(false),
    { op: 'park' },
  ];
  inMemory ??= takesMarks(planOf({ stages: [{ flags: CLONE.mnt, steps }] }), shim).catch((error: unknown) => {
    // the next call tries again
    inMemory = undefined;
    throw error;
  });
  return inMemory;
}

/** What an upper is for, in the words of a refusal. */
interface UpperUse {
  readonly what: string;
  readonly fix: string;
}

const IN_STORE: UpperUse = { what: 'an upper on disk', fix: 'Let NACELLE_ROOT be a folder on ext4, xfs or btrfs.' };

/** Folders that were seen to take marks. */
const known = new Set<string>();

/**
 * Refuses a folder for uppers that takes no marks. It keeps the one that is tried.
 *
 * @param what it is for, and the line that mends a refusal
 * @throws UnsupportedError; SyscallError
 */
export async function requireMarks(folder: string, shim: Shim, { what, fix }: UpperUse = IN_STORE): Promise<void> {
  if (privilege().kind === 'root' || known.has(folder)) return;
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const prepare: Step[] = [{ op: 'open', host: true, out: PLACE, at: NONE, path: folder, flags, mode: 0 }, mark(true)];
  if (!(await takesMarks(planOf({ prepare }), shim))) {
    const reason = `${folder} lies on ${fileSystemOf(folder) ?? 'a file system'}, which takes no attributes of users here`;
    throw new UnsupportedError(what, reason, `${fix} ${NEWER}`);
  }
  known.add(folder);
}

/** The refusal of what only an upper in memory has, where there can be none. */
export function noUpperInMemory(what: string): UnsupportedError {
  return new UnsupportedError(what, 'a tmpfs takes no marks of overlays here, so changes are kept in a folder on disk', NEWER);
}

/** Like the marks of an overlay: nobody sees such an attribute through one, and no layer has it. */
function mark(host: boolean): Step {
  return { op: 'set_xattr', host, root: PLACE, path: '.', name: 'user.overlay.nacelle', value: Buffer.from('y') };
}

async function takesMarks(plan: Plan, shim: Shim): Promise<boolean> {
  try {
    await carryOut(plan, new Map(), shim);
    return true;
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP')) return false;
    throw error;
  }
}
