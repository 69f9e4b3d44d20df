import { isNacelleError } from '../errors.js';
import type { Platform } from '../image/formats/platform.js';
import type { Image } from '../image/image.js';
import type { BuildWarning, ParsedBuild } from './execute/build-options.js';
import { triggersOf, variablesOf } from './execute/stage-config.js';
import { askedOf, type Target } from './execute/stage-platforms.js';
import { BuildError, DockerfileProblem, InstructionProblem } from './language/build-error.js';
import { type Dockerfile, withPlace } from './language/dockerfile.js';
import { asBuildError, fileAt } from './language/excerpt.js';
import type { IgnoreRules } from './language/ignore-file.js';
import type { StageInstruction } from './language/instruction-types.js';
import { parseInstruction } from './language/instructions.js';
import { parseLines } from './language/parse-lines.js';
import { globalScope } from './language/scopes.js';
import type { GraphStage, StageGraph } from './language/stage-graph.js';
import { checkDirective } from './lint/check-directive.js';
import { lint } from './lint/lint.js';
import type { Finding } from './lint/lint-rules.js';
import type { BaseImage } from './lint/stage-rules.js';

export interface CheckInput {
  readonly graph: StageGraph;
  readonly globals: ReadonlyMap<string, string>;
  /** Arguments that are there without being given. */
  readonly automatic: ReadonlyMap<string, string>;
  readonly ignored: IgnoreRules;
  readonly options: ParsedBuild;
  readonly imageNamed: (name: string, platform: Platform | null) => Promise<Image>;
  readonly target: Target;
  /** Whether the caller has given a folder by that name. */
  readonly isFolder: (name: string) => boolean;
}

/**
 * Looks for what is probably not meant, before anything is built.
 *
 * @throws BuildError for a warning, if the Dockerfile says that it is an error; with `check` for an image that can't be had
 */
export async function checkFile(file: Dockerfile, input: CheckInput): Promise<BuildWarning[]> {
  const { graph, globals, automatic, ignored, options } = input;
  const directive = withPlace(file, () => checkDirective(file.parsed.check));
  if (directive.skip === 'all') return [];
  const stages = options.check && options.target === undefined ? graph.all : graph.needed;
  const bases = new Map<GraphStage, BaseImage>();
  for (const stage of stages) {
    const base = await baseOf(stage, file, input);
    if (base) bases.set(stage, base);
  }
  const { escaper } = file.parsed;
  const context: Parameters<typeof lint>[1] = {
    stages,
    directive,
    ...{ globals, defaults: globalScope(file.globals, { automatic, args: {}, escaper }) },
    ...{ baseOf: (stage) => bases.get(stage), platform: input.target.platform, args: options.buildArgs, escaper, ignored },
    isStrict: options.check,
  };
  const found = withPlace(file, () => lint(file, context));
  if (directive.error && !options.check) refuse(file, found);
  return found.map((one) => ({ ...one, file: fileAt(file, one.line) }));
}

function refuse(file: Dockerfile, found: readonly Finding[]): void {
  const [first, ...others] = found;
  if (!first) return;
  const message = [first, ...others].map(({ rule, message: text, line }) => `${rule}: ${text} (line ${line})`).join('; ');
  throw asBuildError(new DockerfileProblem(message, { start: first.line, end: first.line }), file);
}

async function baseOf(of: GraphStage, file: Dockerfile, { options, imageNamed, isFolder, target }: CheckInput): Promise<BaseImage | null> {
  const { base, stage } = of;
  if (base.kind === 'stage') return null;
  if (base.kind === 'scratch' || isFolder(base.name))
    return { variables: variablesOf(undefined), hasShell: false, triggers: [], platform: null };
  try {
    const { config } = (await imageNamed(base.name, askedOf(of, target))).withLayers('check');
    const { architecture = '', os = '', variant } = config;
    return {
      variables: variablesOf(config.config),
      hasShell: Array.isArray(config.config?.Shell) && config.config.Shell.length > 0,
      triggers: triggersAt(stage.from.lines, triggersOf(config.config)),
      platform: architecture === '' ? null : { architecture, os: os || 'linux', variant },
    };
  } catch (error) {
    options.cancelSignal?.throwIfAborted();
    const isProblem = error instanceof InstructionProblem || error instanceof DockerfileProblem;
    if (!isProblem && !isNacelleError(error)) throw error;
    // a build tells of it when the stage's turn comes
    if (!options.check) return null;
    const { message, instruction, file: place } = asBuildError(new DockerfileProblem(error.message, stage.from.lines), file);
    throw new BuildError(message.split('\n'), { file: place, line: stage.from.lines.start, instruction, cause: error });
  }
}

/** @throws DockerfileProblem */
function triggersAt(lines: GraphStage['stage']['from']['lines'], texts: readonly string[]): StageInstruction[] {
  return texts.flatMap((text) =>
    parseLines(text).lines.flatMap((line) => {
      const instruction = parseInstruction({ ...line, lines });
      return instruction.kind === 'from' ? [] : [instruction];
    }),
  );
}
