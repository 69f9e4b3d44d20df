/** Whether something works on this machine, for this user. */
export interface Feature {
  readonly available: boolean;
  /** Why not; `null` where it works. */
  readonly reason: string | null;
  /** What would make it work; `null` where it works, or nothing does. */
  readonly fix: string | null;
}

export const works: Feature = { available: true, reason: null, fix: null };

export function lacking(reason: string, fix: string | null = null): Feature {
  return { available: false, reason, fix };
}
