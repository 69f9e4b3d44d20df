/** Whether something works on this machine, for this user. */
export interface Feature {
  readonly available: boolean;
  /** Why not; `null` where it works. */
  readonly reason: string | null;
  /** What would make it work; `null` where it works, or nothing does. */
  readonly fix: string | null;
}

import { SyscallError, toError, UnsupportedError } from '../errors.js';

export const works: Feature = { available: true, reason: null, fix: null };

export function lacking(reason: string, fix: string | null = null): Feature {
  return { available: false, reason, fix };
}

/** The feature of which a try failed with this error. */
export function refused(error: unknown): Feature {
  const fix = error instanceof SyscallError ? error.hint : error instanceof UnsupportedError ? error.fix : null;
  return lacking(toError(error).message, fix);
}
