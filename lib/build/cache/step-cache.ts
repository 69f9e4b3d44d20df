import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { isIntact } from '../../image/store/intact-blob.js';
import { type LayerRecord, readRecord, touchRecord, writeRecord } from '../../image/store/layer-records.js';
import { hold } from '../../store/lease.js';
import type { CarriedOutStep } from './export-cache.js';
import type { ImportedCache } from './imported-cache.js';
import { type StepInput, stepKey } from './step-key.js';

/** What came of a step. */
export interface StepOutcome {
  /** Held; `null`: the step changed nothing. */
  readonly layer: MadeLayer | null;
  /** When the layer was made; seconds since the epoch. */
  readonly created: number;
  /** The step was not carried out: its layer was there. */
  readonly isCached: boolean;
}

/** The most of an instruction that a record shows. */
const LONGEST = 200;

/**
 * Layers of earlier builds, by the keys of their steps. Builds of several processes may use it at once: a record is replaced as a whole, and a key
 * names the layers below by their content, so that a layer only ever comes onto those that it was made on.
 */
export class StepCache {
  readonly #reads: boolean;
  readonly #imported: readonly ImportedCache[];
  readonly #now: number;
  /** Of this build: a step that two stages have is carried out once, so that both have the same files. */
  readonly #steps = new Map<string, Promise<StepOutcome>>();

  /**
   * @param options.reads `false`: each step is carried out, and its layer takes the place of the one before
   * @param options.imported what is asked for what this store doesn't have, in turn
   * @param options.now seconds since the epoch: when layers are made
   */
  constructor({ reads, imported, now }: { readonly reads: boolean; readonly imported: readonly ImportedCache[]; readonly now: number }) {
    this.#reads = reads;
    this.#imported = imported;
    this.#now = now;
  }

  /** The layer of a step: a known one, or else what `make` makes, which is known from then on. What it throws leaves no record. */
  async step(input: StepInput, instruction: string, make: () => Promise<MadeLayer | null>): Promise<StepOutcome> {
    const key = stepKey(input);
    const own = this.#steps.get(key);
    if (own) return sharedStep(await own);
    const outcome = this.#outcome(key, instruction, make);
    this.#steps.set(key, outcome);
    return outcome;
  }

  /** What came of all steps so far. */
  async outcomes(): Promise<CarriedOutStep[]> {
    const all = [...this.#steps].map(async ([key, outcome]) => {
      const { layer, created } = await outcome;
      return { key, layer, created };
    });
    return Promise.all(all);
  }

  async #outcome(key: string, instruction: string, make: () => Promise<MadeLayer | null>): Promise<StepOutcome> {
    const known = this.#reads ? await knownStep(key) : null;
    if (known) return known;
    for (const cache of this.#imported) {
      const found = await cache.find(key);
      if (found) return { ...found, isCached: true };
    }
    const layer = await make();
    try {
      await writeRecord({ key, instruction: instruction.slice(0, LONGEST), created: this.#now, layer: layer && fieldsOf(layer) });
      return { layer, created: this.#now, isCached: false };
    } catch (error) {
      layer?.release();
      throw error;
    }
  }
}

function fieldsOf({ digest, size, compression, diffId }: MadeLayer): LayerRecord['layer'] {
  return { digest, size, compression, diffId };
}

/** The layer is held by the step that had it first, as long as the build goes on. */
function sharedStep({ layer, created }: StepOutcome): StepOutcome {
  return { layer: layer && { ...layer, release: () => {} }, created, isCached: true };
}

/** @returns `null` also when the layer is gone or damaged */
async function knownStep(key: string): Promise<StepOutcome | null> {
  const record = await readRecord(key);
  if (!record) return null;
  const { layer, created } = record;
  if (!layer) return { layer: null, created, isCached: true };
  const { release } = await hold([layer.digest]);
  try {
    if (await isIntact(layer)) {
      await touchRecord(key);
      return { layer: { ...layer, release }, created, isCached: true };
    }
  } catch (error) {
    release();
    throw error;
  }
  release();
  return null;
}
