import { invalidOption } from '../../errors.js';
import { DockerfileProblem } from '../language/build-error.js';
import type { Dockerfile } from '../language/dockerfile.js';
import type { ParsedBuild } from './build-options.js';

/** The build argument, and the variable of the environment, of reproducible-builds.org. */
export const SOURCE_DATE_EPOCH = 'SOURCE_DATE_EPOCH';

/**
 * The options with the date as a build argument, so that an ARG shows it to programs, as docker's client gives it to BuildKit: what `sourceDateEpoch`
 * says, or else the environment. One that is given counts more.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a date that is none
 */
export function withDateArg(options: ParsedBuild, environment: NodeJS.ProcessEnv = process.env): ParsedBuild {
  const { buildArgs, sourceDateEpoch } = options;
  if (Object.hasOwn(buildArgs, SOURCE_DATE_EPOCH)) return options;
  const date = sourceDateEpoch ?? secondsOf(environment[SOURCE_DATE_EPOCH] ?? '', (problem) => invalidOption(SOURCE_DATE_EPOCH, problem));
  return date === null ? options : { ...options, buildArgs: { ...buildArgs, [SOURCE_DATE_EPOCH]: `${date}` } };
}

/**
 * The date that a build has: of `sourceDateEpoch`, or else of the build argument, or else of an ARG before the first FROM.
 *
 * @param globals the values of those ARGs
 * @returns seconds since the epoch; `null`: none
 * @throws NacelleError `ERR_INVALID_OPTION`, DockerfileProblem, for a date that is none
 */
export function buildDate(
  { buildArgs, sourceDateEpoch }: ParsedBuild,
  file: Dockerfile,
  globals: ReadonlyMap<string, string>,
): number | null {
  if (sourceDateEpoch !== undefined) return sourceDateEpoch;
  if (Object.hasOwn(buildArgs, SOURCE_DATE_EPOCH))
    return secondsOf(buildArgs[SOURCE_DATE_EPOCH] ?? '', (problem) => invalidOption(`buildArgs.${SOURCE_DATE_EPOCH}`, problem));
  const arg = file.globals.findLast(({ args }) => args.some(({ name }) => name === SOURCE_DATE_EPOCH));
  if (!arg) return null;
  return secondsOf(globals.get(SOURCE_DATE_EPOCH) ?? '', (problem) => new DockerfileProblem(`${SOURCE_DATE_EPOCH} ${problem}`, arg.lines));
}

function secondsOf(text: string, problem: (words: string) => Error): number | null {
  if (text === '') return null;
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw problem(`must be seconds since 1970, not ${JSON.stringify(text)}`);
}
