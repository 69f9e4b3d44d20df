import { DockerfileProblem, InstructionProblem, type LineRange } from '../language/build-error.js';
import type { Stage } from '../language/dockerfile.js';
import type { StageInstruction } from '../language/instruction-types.js';
import { parseInstruction } from '../language/instructions.js';
import { type Line, parseLines } from '../language/parse-lines.js';
import { type Origin, originsOf } from '../language/stage-graph.js';
import type { ParsedBuild } from './build-options.js';
import { problemOf } from './supported.js';

export interface Triggers {
  readonly instructions: readonly StageInstruction[];
  /** What `--from` of each means, by what is written. */
  readonly origins: ReadonlyMap<string, Origin>;
}

/**
 * What ONBUILD of a base has for the first stage that is on it. An image is hostile input: its triggers may do no more than the stage's own
 * instructions.
 *
 * @param of.isBuilt whether files of a stage are there to be copied
 * @throws DockerfileProblem at FROM, whatever is wrong with them
 */
export function parseTriggers(
  texts: readonly string[],
  of: { stage: Stage; stages: readonly Stage[]; options: Pick<ParsedBuild, 'allow' | 'contexts'>; isBuilt: (index: number) => boolean },
): Triggers {
  const { lines } = of.stage.from;
  try {
    const instructions = texts.flatMap((text) => parseLines(text).lines.map((line) => triggerOf({ ...line, lines })));
    const [problem] = instructions.flatMap((instruction) => problemOf(instruction, of.options) ?? []);
    if (problem !== undefined) throw new InstructionProblem(problem);
    const origins = originsOf(instructions, { stages: of.stages, index: of.stage.index, contexts: Object.keys(of.options.contexts) });
    for (const [word, origin] of origins)
      if (origin.kind === 'stage' && !of.isBuilt(origin.index))
        throw new InstructionProblem(`the stage ${word} is built for no instruction of the file`);
    return { instructions, origins };
  } catch (error) {
    const isProblem = error instanceof DockerfileProblem || error instanceof InstructionProblem;
    throw isProblem ? new DockerfileProblem(`ONBUILD of the base: ${error.message}`, lines) : error;
  }
}

function triggerOf(line: Line & { readonly lines: LineRange }): StageInstruction {
  const instruction = parseInstruction(line);
  if (instruction.kind === 'from' || instruction.kind === 'onbuild' || instruction.kind === 'maintainer')
    throw new InstructionProblem(`${instruction.line.word} isn't allowed`);
  return instruction;
}
