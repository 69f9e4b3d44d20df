import { DockerfileProblem } from './build-error.js';
import { syntaxOf } from './directives.js';
import { asBuildError, type Source } from './excerpt.js';
import type { Arg, From, StageInstruction } from './instruction-types.js';
import { parseInstruction } from './instructions.js';
import { type ParsedLines, parseLines } from './parse-lines.js';

export interface Stage {
  readonly from: From;
  /** From 0. */
  readonly index: number;
  readonly instructions: readonly StageInstruction[];
}

/** A Dockerfile that is understood, with no variable's value put in yet. */
export interface Dockerfile {
  /** As the caller named it. */
  readonly file: string;
  readonly text: string;
  /** Of each step that it is written from the line that it begins in; `null`: somebody wrote it. */
  readonly steps: readonly number[] | null;
  readonly parsed: ParsedLines;
  /** The ARGs before the first FROM. */
  readonly globals: readonly Arg[];
  readonly stages: readonly Stage[];
}

/** Frontends that read this language: `docker/dockerfile:1`, `docker.io/docker/dockerfile-upstream:master`, … */
const FRONTEND = /(?:^|\/)dockerfile(?:-upstream)?(?:[:@.]|$)/;

/** Each may cost as much as all values before it. */
const MOST_INSTRUCTIONS = 10_000;

/**
 * Reads a Dockerfile.
 *
 * @throws BuildError, which shows the place
 */
export function parseDockerfile(text: string, file = 'Dockerfile', steps: readonly number[] | null = null): Dockerfile {
  return withPlace({ file, text, steps }, () => {
    requireFrontend(text);
    const parsed = parseLines(text);
    const excess = parsed.lines[MOST_INSTRUCTIONS];
    if (excess) throw new DockerfileProblem(`more than ${MOST_INSTRUCTIONS} instructions`, excess.lines);
    const globals: Arg[] = [];
    const stages: { from: From; index: number; instructions: StageInstruction[] }[] = [];
    for (const instruction of parsed.lines.map(parseInstruction)) {
      const stage = stages.at(-1);
      if (instruction.kind === 'from') stages.push({ from: instruction, index: stages.length, instructions: [] });
      else if (stage) stage.instructions.push(instruction);
      else if (instruction.kind === 'arg') globals.push(instruction);
      else throw new DockerfileProblem('no build stage in current context: the first instruction but ARG must be FROM', instruction.lines);
    }
    if (stages.length === 0) throw new DockerfileProblem('dockerfile contains no stages to build', { start: 1, end: 1 });
    return { file, text, steps, parsed, globals, stages };
  });
}

/** Does something with a Dockerfile: what is wrong with one of its lines is a BuildError. */
export function withPlace<T>(source: Source, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof DockerfileProblem ? asBuildError(error, source) : error;
  }
}

/** Another frontend would read another language in these lines. */
function requireFrontend(text: string): void {
  const syntax = syntaxOf(text.replace(/^\uFEFF/, ''));
  if (!syntax) return;
  const [name = ''] = syntax.value.split(' ');
  if (FRONTEND.test(name)) return;
  const { line } = syntax;
  throw new DockerfileProblem(`syntax ${JSON.stringify(name)} asks for a frontend that reads another language than Dockerfile's`, {
    start: line,
    end: line,
  });
}
