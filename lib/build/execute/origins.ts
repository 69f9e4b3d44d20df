import { InstructionProblem } from '../language/build-error.js';
import type { GraphStage, Origin } from '../language/stage-graph.js';

/** What `--from` means, by what is written. */
export type Origins = ReadonlyMap<string, Origin>;

export function stageName({ stage: { from, index } }: GraphStage): string {
  return from.name ?? `${index}`;
}

/** What an instruction takes files from. @returns `undefined` for the context @throws InstructionProblem */
export function originOf(word: string, origins: Origins): Origin | undefined {
  if (word === '') return undefined;
  const origin = origins.get(word);
  if (!origin) throw new InstructionProblem(`--from=${word} names nothing`);
  return origin;
}
