import { readFileSync } from 'node:fs';
import { geteuid } from 'node:process';
import { UnsupportedError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import type { ParsedProcess } from '../../process/options/process-options.js';

/** Whom a program runs as. */
export interface LandlockUser {
  /** `null`: as the user of this process, who can become no other. */
  readonly user: string | null;
  readonly isRoot: boolean;
}

/** Nobody, by number: each distribution has another name for the group. */
const NOBODY = '65534:65534';

const ACCOUNTS = '/etc/passwd';

/**
 * Root's program runs as nobody, unless another user is asked for: root owns most files, and Landlock does not keep an owner from changing
 * modes.
 *
 * @throws UnsupportedError for another user than root who asks for a user or groups
 */
export function landlockUser({ user, groupAdd }: Pick<ParsedProcess, 'user' | 'groupAdd'>): LandlockUser {
  if (geteuid?.() === 0) {
    const wanted = user ?? NOBODY;
    const readAccounts = (): string => attempt(`look up the user ${wanted}`, () => readFileSync(ACCOUNTS, 'utf8'));
    return { user: wanted, isRoot: isRoot(wanted, readAccounts) };
  }
  const asked = user === null ? (groupAdd === null ? null : 'groupAdd') : 'user';
  if (asked === null) return { user: null, isRoot: false };
  const reason = 'only root can run a program as somebody else, or with other groups';
  throw new UnsupportedError(`${asked} with isolation: 'landlock'`, reason, 'Leave it out: the program runs as the user of this process.');
}

/** Whether 'name', 'uid' or 'name:group' is root, by whichever name the file has for that. Pure. */
export function isRoot(user: string, readAccounts: () => string): boolean {
  const [name = ''] = user.split(':');
  if (/^\d+$/.test(name)) return Number(name) === 0;
  return readAccounts()
    .split('\n')
    .map((line) => line.split(':'))
    .some(([account, , uid]) => account === name && Number(uid) === 0);
}
