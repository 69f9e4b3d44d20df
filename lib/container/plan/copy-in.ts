import { constants } from 'node:fs';
import { dirname } from 'node:path/posix';
import { isWithin } from '../../host/mountinfo.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { groundOf, groundOfTree, type Place } from './ground.js';
import type { PlanInput } from './plan-input.js';

/** As a mode, it means the source's mode; as an owner, the container's user. */
const BY_DEFAULT = 0xffff_ffff_ffff_ffffn;

/** The files in which the container's user is looked up. */
export const ACCOUNTS = ['/etc/passwd', '/etc/group'];

export interface CopyInPlan {
  /** Steps to be run while the host's paths can be seen. */
  readonly open: readonly Step[];
  /** Steps that copy the files in which the user is looked up, before that is done. */
  readonly accounts: readonly Step[];
  /** Steps to be run when the user was looked up. */
  readonly others: readonly Step[];
}

/**
 * Steps for `copyIn`. A file for which no owner is given is the container's user's. Only the files in which the user is looked up are
 * copied before there is one, and are root's.
 */
export function planCopyIn({ slots, options }: Pick<PlanInput, 'slots' | 'options'>, root: Slot, places: readonly Place[]): CopyInPlan {
  const [open, accounts, others]: [Step[], Step[], Step[]] = [[], [], []];
  for (const { target, source, content, mode, uid, gid } of options.copyIn) {
    const isAccounts = ACCOUNTS.some((path) => isWithin(path, target));
    const owner = isAccounts ? 0 : BY_DEFAULT;
    const ids = { uid: uid ?? owner, gid: gid ?? owner };
    const copy = isAccounts ? accounts : others;
    if (source === null) {
      const bytes = content ?? new Uint8Array();
      copy.push({ op: 'write_file', root, path: target, bytes, mode: mode ?? 0o644, ...ids, ...groundOf(places, dirname(target)) });
      continue;
    }
    const slot = slots.take();
    // the open must not wait, should the source be a FIFO by now
    open.push({ op: 'open', out: slot, at: NONE, path: source, flags: constants.O_NONBLOCK | constants.O_NOCTTY, mode: 0 });
    copy.push({ op: 'copy_in', source: slot, root, path: target, mode: mode ?? BY_DEFAULT, ...ids, ...groundOfTree(places, target) });
    copy.push({ op: 'close', slot });
  }
  return { open, accounts, others };
}
