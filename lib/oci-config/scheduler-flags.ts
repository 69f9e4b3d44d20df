/** SCHED_FLAG_* of sched_setattr(2): each is the next bit. */
export const schedulerFlags = [
  ...(['SCHED_FLAG_RESET_ON_FORK', 'SCHED_FLAG_RECLAIM', 'SCHED_FLAG_DL_OVERRUN', 'SCHED_FLAG_KEEP_POLICY'] as const),
  ...(['SCHED_FLAG_KEEP_PARAMS', 'SCHED_FLAG_UTIL_CLAMP_MIN', 'SCHED_FLAG_UTIL_CLAMP_MAX'] as const),
] as const;

/** The number of some flags. Pure. */
export function schedulerFlagBits(flags: readonly (typeof schedulerFlags)[number][]): number {
  return flags.reduce((all, flag) => all | (1 << schedulerFlags.indexOf(flag)), 0);
}
