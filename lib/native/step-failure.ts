/** Where a step failed, as the shim tells it (addon/shim/supervisor/host_steps.h). */
export interface StepFailure {
  /** The number of the stage, or one of {@link Where}. */
  readonly where: number;
  readonly index: number;
  readonly errno: number;
  /** The kernel's own words, or which of several paths. */
  readonly text: string;
}

export const Where = { prepare: -1, call: -2, undo: -3, clone: -4, plan: -5, end: -6 } as const;
