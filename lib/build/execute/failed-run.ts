import type { RunResult } from '../../process/options/process-types.js';
import { BuildError, DockerfileProblem } from '../language/build-error.js';
import type { Dockerfile } from '../language/dockerfile.js';
import { asBuildError } from '../language/excerpt.js';
import type { Run } from '../language/instruction-types.js';

/** Control characters, which terminals would obey. */
const NOT_SHOWN = /[^\P{C}\n\t]/gu;

/** The error of a RUN whose program has failed. @param last what it has said at the end */
export function failedRun(
  run: Run,
  { file, result, network, last }: { file: Dockerfile; result: RunResult; network: string; last: string },
): BuildError {
  const problem = new DockerfileProblem(`RUN has failed: ${result.reason}`, run.lines);
  const { message, instruction, file: place } = asBuildError(problem, file);
  const said = last.replaceAll(NOT_SHOWN, '').split('\n').filter(Boolean);
  const hint = network === 'none' ? ['It has no network: the option network gives it one.'] : [];
  return new BuildError([...message.split('\n'), ...hint, ...said.map((line) => `| ${line}`)], {
    ...{ file: place, line: run.lines.start, instruction },
    result,
  });
}
