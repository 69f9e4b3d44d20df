import type { Dockerfile } from '../language/dockerfile.js';
import type { GraphStage } from '../language/stage-graph.js';
import { casingRules } from './casing-rules.js';
import { type CheckDirective, isWanted } from './check-directive.js';
import { definitionRules } from './definition-rules.js';
import { type FromScopes, fromRules } from './from-rules.js';
import type { Finding } from './lint-rules.js';
import { type StageContext, stageRules } from './stage-rules.js';

/**
 * What is probably not meant in a Dockerfile, by BuildKit's rules. Those about words and names look at all of the file, those about what happens
 * in a stage at `stages`.
 *
 * @param stages each after those that it needs
 * @returns by line
 * @throws InstructionProblem for a FROM that can't be expanded; DockerfileProblem, with `isStrict`
 */
export function lint(
  file: Dockerfile,
  {
    stages,
    directive,
    ...context
  }: StageContext & FromScopes & { readonly stages: readonly GraphStage[]; readonly directive: CheckDirective },
): Finding[] {
  const empty = file.parsed.emptyContinuations.map(
    ({ line }): Finding => ({ rule: 'NoEmptyContinuation', message: 'Empty continuation line', line }),
  );
  const found = [...empty, ...casingRules(file), ...definitionRules(file), ...fromRules(file, context), ...stageRules(stages, context)];
  return found.filter((one) => isWanted(one, directive)).toSorted((a, b) => a.line - b.line);
}
