import { DockerfileProblem } from '../language/build-error.js';
import type { StageInstruction } from '../language/instruction-types.js';
import type { StageGraph } from '../language/stage-graph.js';
import type { ParsedBuild } from './build-options.js';

/**
 * Refuses what a stage that is needed asks for and can't have, before anything is made.
 *
 * @throws DockerfileProblem
 */
export function requireSupported({ needed }: StageGraph, options: ParsedBuild): void {
  for (const { stage } of needed)
    for (const instruction of stage.instructions) {
      const problem = problemOf(instruction, options);
      if (problem !== null) throw new DockerfileProblem(problem, instruction.lines);
    }
}

/** @returns `null` for an instruction that can be carried out */
export function problemOf(instruction: StageInstruction, { allow }: Pick<ParsedBuild, 'allow'>): string | null {
  switch (instruction.kind) {
    case 'run':
      if (instruction.security === 'insecure' && !allow.includes('security.insecure'))
        return "RUN --security=insecure is not allowed: the option allow must have 'security.insecure'";
      if (instruction.network === 'host' && !allow.includes('network.host'))
        return "RUN --network=host is not allowed: the option allow must have 'network.host'";
      return null;
    default:
      return null;
  }
}
