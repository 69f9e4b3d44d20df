import type { Where } from './protocol.js';

/** Where a step failed, as the shim tells it (addon/shim/supervisor/host_steps.h). */
export interface StepFailure {
  /** The number of the stage, or one of {@link Where}'s. */
  readonly where: number;
  readonly index: number;
  readonly errno: number;
  /** The kernel's own words, or the one of several paths that failed. */
  readonly text: string;
}
