import { BuildError, type DockerfileProblem, type LineRange } from './build-error.js';

/** Lines that are shown before and after those that are meant. */
const AROUND = 2;
/** Of a longer instruction only the first lines are shown. */
const MOST_LINES = 12;
const MOST_CHARACTERS = 160;

/** The lines that are meant, with '>>>' before them, between a few others: as BuildKit shows them. */
export function excerpt(text: string, { start, end }: LineRange): string[] {
  const all = text.split('\n');
  const first = Math.max(1, start - AROUND);
  const last = Math.min(all.length, end + AROUND, first + MOST_LINES - 1);
  const width = String(last).length;
  return all.slice(first - 1, last).flatMap((line, index) => {
    const number = first + index;
    const isMeant = number >= start && number <= end;
    if (number === all.length && line === '') return [];
    const shown = line.replace(/\r$/, '');
    const cut = shown.length > MOST_CHARACTERS ? `${shown.slice(0, MOST_CHARACTERS)}…` : shown;
    return [`${String(number).padStart(width)} | ${isMeant ? '>>>' : '   '} ${cut}`.trimEnd()];
  });
}

/** Where a problem is. */
export interface Source {
  readonly file: string;
  readonly text: string;
  /** Of each step that the file is written from the line that it begins in; `null`: somebody wrote the file. */
  readonly steps: readonly number[] | null;
}

/** What a line is of, as the caller named that: the file, or a step. */
export function fileAt({ file, steps }: Pick<Source, 'file' | 'steps'>, line: number): string {
  if (!steps) return file;
  const index = steps.findLastIndex((start) => start <= line);
  return index < 0 ? 'from' : `steps[${index}]`;
}

/** The error for what is wrong in a Dockerfile: the place, the cause, and the lines. */
export function asBuildError(problem: DockerfileProblem, source: Source): BuildError {
  const { lines, message } = problem;
  const { text, steps } = source;
  const file = fileAt(source, lines.start);
  const instruction = (text.split('\n')[lines.start - 1] ?? '').trim();
  return new BuildError([`${file}${steps ? '' : `:${lines.start}`}: ${message}`, ...excerpt(text, lines)], {
    file,
    line: lines.start,
    instruction,
    code: 'ERR_DOCKERFILE',
    cause: problem.cause,
  });
}
