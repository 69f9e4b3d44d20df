import type { MadeLayer } from '../../image/layers/add-compressed.js';
import type { StepCache } from '../cache/step-cache.js';
import type { BuildProgress } from './build-progress.js';
import type { StageState } from './stage-state.js';

/** What the stages of one build share. */
export interface Shared {
  readonly cache: StepCache;
  readonly progress: BuildProgress;
  /** Layers that were made: held until the build is over. */
  readonly made: MadeLayer[];
  /** Carries out a step when a processor is free for it. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** A stage as it is when all of it is built. */
  readonly stageAt: (index: number) => Promise<StageState>;
}
