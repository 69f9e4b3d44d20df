import { availableParallelism } from 'node:os';
import { NacelleError } from '../../errors.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { settled } from '../../image/layers/in-parallel.js';
import type { CarriedOutStep } from '../cache/export-cache.js';
import type { StepCache } from '../cache/step-cache.js';
import type { BuildStep } from './build-options.js';
import type { BuildProgress } from './build-progress.js';
import { Builder, type BuildInput } from './builder.js';
import type { Shared } from './shared.js';
import type { StageState } from './stage-state.js';
import { Turns } from './turns.js';

/** Also a single processor has something to do while one step waits for the disk. */
const FEWEST_AT_A_TIME = 2;

/**
 * Builds the stages that a target needs, side by side: a stage waits for another where it is on that one, and at the instruction that takes files
 * of it. As many steps are carried out at a time as there are processors.
 */
export class StagesBuilder {
  readonly #inputs: readonly BuildInput[];
  readonly #stop: AbortController;
  readonly #made: MadeLayer[] = [];
  readonly #builders: Builder[] = [];
  readonly #cache: StepCache;

  readonly #progress: BuildProgress;

  /**
   * @param inputs one for each platform: what their stages have in common is carried out once
   * @param own.stop ends what is carried out; `cancelSignal` of the inputs' options is aborted by it too
   */
  constructor(
    inputs: readonly BuildInput[],
    { cache, stop, progress }: { readonly cache: StepCache; readonly stop: AbortController; readonly progress: BuildProgress },
  ) {
    this.#inputs = inputs;
    this.#cache = cache;
    this.#stop = stop;
    this.#progress = progress;
  }

  /** Those that are over, platform by platform and stage by stage, which doesn't depend on which stage was faster. */
  get steps(): readonly BuildStep[] {
    return this.#builders.flatMap(({ steps }) => steps);
  }

  /** What came of all steps. */
  get outcomes(): Promise<readonly CarriedOutStep[]> {
    return this.#cache.outcomes();
  }

  /**
   * @returns the target, for each platform
   * @throws what went wrong first, when nothing is carried out any more: BuildError, and what making containers and images throws
   */
  async build(): Promise<StageState[]> {
    const turns = new Turns(Math.max(FEWEST_AT_A_TIME, availableParallelism()));
    const inTurn = <T>(work: () => Promise<T>): Promise<T> => turns.use(work);
    let failure: { readonly error: unknown } | null = null;
    const fail = (error: unknown): void => {
      failure ??= { error };
      this.#stop.abort(error);
    };
    const platforms = this.#inputs.map((input) => ({ input, stages: this.#begin(input, { inTurn, fail }) }));
    await settled(platforms.flatMap(({ stages }) => [...stages.values()])).catch((error: unknown) => {
      throw failure ? failure.error : error;
    });
    return Promise.all(platforms.map(({ input, stages }) => stageOf(stages, input.graph.target.stage.index)));
  }

  #begin(
    input: BuildInput,
    { inTurn, fail }: Pick<Shared, 'inTurn'> & { readonly fail: (error: unknown) => void },
  ): ReadonlyMap<number, Promise<StageState>> {
    const stages = new Map<number, Promise<StageState>>();
    const progress = this.#progress;
    const stageAt = (index: number): Promise<StageState> => stageOf(stages, index);
    const shared = { cache: this.#cache, progress, made: this.#made, inTurn, stageAt };
    for (const stage of input.graph.needed) {
      progress.add(stage.stage.instructions.length);
      const builder = new Builder(input, shared);
      this.#builders.push(builder);
      const building = builder.build(stage).catch((error: unknown) => {
        fail(error);
        throw error;
      });
      stages.set(stage.stage.index, building);
    }
    return stages;
  }

  /** Lets go of the layers that were made. */
  close(): void {
    for (const { release } of this.#made) release();
  }
}

async function stageOf(stages: ReadonlyMap<number, Promise<StageState>>, index: number): Promise<StageState> {
  const stage = stages.get(index);
  if (!stage) throw new NacelleError(`build: stage ${index} is not built`, { code: 'ERR_PROTOCOL' });
  return stage;
}
