import { performance } from 'node:perf_hooks';

/** Something to be measured. `run` does it `count` times and tells what each took, in ms. */
export interface Subject {
  readonly name: string;
  run(count: number): Promise<number[]>;
  /** Ends what it needed. */
  close?(): Promise<void>;
}

/** Median and quartiles of a sample. */
export interface Summary {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

/** How long to measure. */
export interface Effort {
  /** A round measures each subject once, one after the other. */
  readonly rounds: number;
  /** Runs of one subject in one round. */
  readonly batch: number;
  /** Runs of each subject that come first and don't count. Default: a batch. */
  readonly warm?: number;
}

/** A subject of one asynchronous call. */
export function subject(name: string, once: () => Promise<unknown>, close?: () => Promise<void>): Subject {
  const timed = figures(name, async () => {
    const started = performance.now();
    await once();
    return performance.now() - started;
  });
  return { ...timed, ...(close && { close }) };
}

/** One whose calls tell their figures themselves. */
export function figures(name: string, once: () => Promise<number>): Subject {
  const run = async (count: number): Promise<number[]> => {
    const values: number[] = [];
    for (let i = 0; i < count; i++) values.push(await once());
    return values;
  };
  return { name, run };
}

/**
 * Measures subjects in interleaved rounds (A B A B …), so that whatever slows the machine for a while slows all of them.
 * Each is warmed up by runs that do not count.
 */
export async function interleave(subjects: readonly Subject[], { rounds, batch, warm }: Effort): Promise<Summary[]> {
  const samples: number[][] = subjects.map(() => []);
  for (const { run } of subjects) await run(warm ?? batch);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { run }] of subjects.entries()) samples[index]?.push(...(await run(batch)));
  }
  return samples.map(summarise);
}

export function summarise(sample: readonly number[]): Summary {
  const sorted = [...sample].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), lower: quantile(sorted, 0.25), upper: quantile(sorted, 0.75), count: sorted.length };
}

/** Between two neighbours when the place is no whole number. */
function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new Error('nothing was measured');
  return below + (above - below) * (place - Math.floor(place));
}
