import { constants } from 'node:fs';
import { dirname } from 'node:path/posix';
import { isWithin } from '../../host/mountinfo.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { groundOf, groundOfTree, type Place } from './ground.js';
import type { PlanInput } from './plan-input.js';

/** Of a mode: the source's. Of an owner: the container's user. */
const BY_DEFAULT = 0xffff_ffff_ffff_ffffn;

/** What the container's user is looked up in. */
export const ACCOUNTS = ['/etc/passwd', '/etc/group'];

export interface CopyInPlan {
  /** While the host's paths can be seen. */
  readonly open: readonly Step[];
  /** Before the user is looked up: what he is looked up in. */
  readonly accounts: readonly Step[];
  /** Then. */
  readonly others: readonly Step[];
}

/** Steps for `copyIn`. What is nobody's else is the user's; only what brings his name comes before there is one, and is root's. */
export function planCopyIn({ slots, options }: PlanInput, root: Slot, places: readonly Place[]): CopyInPlan {
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
    // without waiting, should it be a FIFO by now
    open.push({ op: 'open', out: slot, at: NONE, path: source, flags: constants.O_NONBLOCK | constants.O_NOCTTY, mode: 0 });
    copy.push({ op: 'copy_in', source: slot, root, path: target, mode: mode ?? BY_DEFAULT, ...ids, ...groundOfTree(places, target) });
    copy.push({ op: 'close', slot });
  }
  return { open, accounts, others };
}
