import { availableParallelism } from 'node:os';
import { NacelleError } from '../../errors.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { settled } from '../../image/layers/in-parallel.js';
import type { CarriedOutStep } from '../cache/export-cache.js';
import { StepCache } from '../cache/step-cache.js';
import type { BuildStep } from './build-options.js';
import type { BuildProgress } from './build-progress.js';
import { Builder, type BuildInput } from './builder.js';
import type { StageState } from './stage-state.js';
import { Turns } from './turns.js';

/** Also a single processor has something to do while one step waits for the disk. */
const FEWEST_AT_A_TIME = 2;

/**
 * Builds the stages that a target needs, side by side: a stage waits for another where it is on that one, and at the instruction that takes files
 * of it. As many steps are carried out at a time as there are processors.
 */
export class StagesBuilder {
  readonly #input: BuildInput;
  readonly #stop: AbortController;
  readonly #made: MadeLayer[] = [];
  readonly #builders: Builder[] = [];
  readonly #cache: StepCache;

  readonly #progress: BuildProgress;

  /** @param own.stop ends what is carried out; `input.options.cancelSignal` is aborted by it too */
  constructor(input: BuildInput, { stop, progress }: { readonly stop: AbortController; readonly progress: BuildProgress }) {
    this.#input = input;
    const { options, now, imported } = input;
    this.#cache = new StepCache({ reads: options.cache.reads, imported, now });
    this.#stop = stop;
    this.#progress = progress;
  }

  /** Those that are over, stage by stage, which doesn't depend on which stage was faster. */
  get steps(): readonly BuildStep[] {
    return this.#builders.flatMap(({ steps }) => steps);
  }

  /** What came of all steps. */
  get outcomes(): Promise<readonly CarriedOutStep[]> {
    return this.#cache.outcomes();
  }

  /**
   * @returns the target
   * @throws what went wrong first, when nothing is carried out any more: BuildError, and what making containers and images throws
   */
  async build(): Promise<StageState> {
    const { graph } = this.#input;
    const stages = new Map<number, Promise<StageState>>();
    const progress = this.#progress;
    const turns = new Turns(Math.max(FEWEST_AT_A_TIME, availableParallelism()));
    const shared = {
      cache: this.#cache,
      progress,
      made: this.#made,
      inTurn: <T>(work: () => Promise<T>): Promise<T> => turns.use(work),
      stageAt: (index: number): Promise<StageState> => stageOf(stages, index),
    };
    let failure: { readonly error: unknown } | null = null;
    for (const stage of graph.needed) {
      progress.add(stage.stage.instructions.length);
      const builder = new Builder(this.#input, shared);
      this.#builders.push(builder);
      const building = builder.build(stage).catch((error: unknown) => {
        failure ??= { error };
        this.#stop.abort(error);
        throw error;
      });
      stages.set(stage.stage.index, building);
    }
    await settled([...stages.values()]).catch((error: unknown) => {
      throw failure ? failure.error : error;
    });
    return stageOf(stages, graph.target.stage.index);
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

/** Asks once for each name: several stages that name one image are on the same. */
export function onceEach<T>(ask: (name: string) => Promise<T>): (name: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (name) => {
    const found = known.get(name) ?? ask(name);
    known.set(name, found);
    return found;
  };
}
