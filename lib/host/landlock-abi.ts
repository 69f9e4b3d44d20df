import { NacelleError, SyscallError, UnsupportedError } from '../errors.js';
import { carryOut } from '../native/host-work.js';
import { planOf } from '../plan/plan.js';
import { type Feature, refused, works } from './feature.js';

const FEATURE = 'landlock';

let known: Promise<number> | undefined;

/**
 * The version of Landlock that the kernel has: 1 is Linux 5.13, 2 5.19, 3 6.2, 4 6.7, 5 6.10, 6 6.12, 7 6.15. It is asked once.
 *
 * @throws UnsupportedError where there is none
 */
export function landlockAbi(): Promise<number> {
  known ??= ask().catch((error: unknown) => {
    // the failure may pass, so the next call tries again
    known = undefined;
    throw error;
  });
  return known;
}

/** For a report: whether there is Landlock, and its version. */
export async function landlockFeature(): Promise<Feature & { readonly abi: number | null }> {
  try {
    return { ...works, abi: await landlockAbi() };
  } catch (error) {
    return { ...refused(error), abi: null };
  }
}

async function ask(): Promise<number> {
  try {
    const { outputs } = await carryOut(planOf({ prepare: [{ op: 'landlock_abi', host: true }] }));
    const abi = Number(Buffer.from(outputs[0] ?? []).toString());
    if (Number.isInteger(abi) && abi > 0) return abi;
  } catch (error) {
    throw error instanceof SyscallError ? (landlockRefusal(error.code) ?? error) : error;
  }
  throw new NacelleError('the shim told no version of Landlock', { code: 'ERR_PROTOCOL' });
}

/** What the errors of landlock_create_ruleset(2) say; `null` for one that says something else. Pure. */
export function landlockRefusal(code: string): UnsupportedError | null {
  const [reason, fix] = REFUSALS[code] ?? [];
  return reason === undefined || fix === undefined ? null : new UnsupportedError(FEATURE, reason, fix);
}

const FILTER = 'Allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self in the seccomp profile of the outer container.';

const REFUSALS: Readonly<Record<string, readonly [reason: string, fix: string]>> = {
  ENOSYS: ['the kernel has no Landlock', 'Use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK.'],
  EOPNOTSUPP: [
    'Landlock was not switched on when the kernel booted',
    'Put landlock first into the boot parameter lsm=, before what /sys/kernel/security/lsm shows (Linux 5.13 or later).',
  ],
  EPERM: ['a filter refuses landlock_create_ruleset(2)', FILTER],
  EACCES: ['a filter refuses landlock_create_ruleset(2)', FILTER],
};
