import { canonicalPlatform, type Platform, parsePlatform, platformName } from '../../image/formats/platform.js';
import { DockerfileProblem, InstructionProblem } from '../language/build-error.js';
import { type ExpandedWord, expandWord, expandWords } from '../language/expand-words.js';
import type { IgnoreRules } from '../language/ignore-file.js';
import type { StageInstruction } from '../language/instruction-types.js';
import { parseRunMount } from '../language/run-mounts.js';
import { type BuildArgs, StageScope } from '../language/scopes.js';
import type { GraphStage } from '../language/stage-graph.js';
import { didYouMeanOf } from '../language/suggest.js';
import { ignoredFiles } from './ignored-rule.js';
import { type Before, instructionRules, onlyLast, portRules } from './instruction-rules.js';
import type { Finding } from './lint-rules.js';

/** What an image that a stage is on has. */
export interface BaseImage {
  readonly variables: ReadonlyMap<string, string>;
  readonly hasShell: boolean;
  /** ONBUILD of the image; their place is FROM's. */
  readonly triggers: readonly StageInstruction[];
  /** What the image says that it is for; `null`: it says nothing, or is no image. */
  readonly platform: Platform | null;
}

export interface StageContext {
  /** By the name in FROM; `undefined` for one that is not known: then its stage is looked at no further. */
  readonly baseOf: (stage: GraphStage) => BaseImage | undefined;
  /** Of what is built where FROM doesn't say. */
  readonly platform: Platform;
  readonly globals: ReadonlyMap<string, string>;
  readonly args: BuildArgs;
  readonly escaper: string;
  readonly ignored: IgnoreRules;
  /** What can't be expanded is thrown: no build follows, which would tell of it. */
  readonly isStrict: boolean;
}

interface State extends Before {
  readonly scope: StageScope;
  /** Names that ARG has asked for, with a value or not. */
  readonly declared: ReadonlySet<string>;
}

/** What is found in stages, each after those that it is on. */
export function* stageRules(stages: readonly GraphStage[], context: StageContext): Iterable<Finding> {
  const ends = new Map<number, State>();
  for (const stage of stages) {
    const base = stage.base.kind === 'stage' ? null : context.baseOf(stage);
    const before = stage.base.kind === 'stage' ? ends.get(stage.base.index) : undefined;
    if (base === undefined || (base === null && before === undefined)) continue;
    const scope = new StageScope(before?.scope ?? base?.variables ?? new Map(), context);
    const state = before
      ? { ...before, scope }
      : { scope, hasShell: base?.hasShell ?? false, hasWorkdir: false, declared: new Set<string>() };
    const instructions = [...(base?.triggers ?? []), ...stage.stage.instructions];
    if (base && stage.base.kind === 'name') yield* basePlatform(stage, base, context);
    yield* onlyLast(instructions);
    ends.set(stage.stage.index, yield* walked(instructions, state, context));
  }
}

function* walked(instructions: readonly StageInstruction[], start: State, context: StageContext): Generator<Finding, State> {
  let state = start;
  for (const instruction of instructions.flatMap(oneByOne)) {
    try {
      yield* found(instruction, state, context);
      if (instruction.kind === 'env') state.scope.setEnv(instruction.pairs);
      if (instruction.kind === 'arg') state.scope.setArgs(instruction);
      state = {
        ...state,
        declared: new Set([...state.declared, ...declaredBy(instruction, state.scope)]),
        hasShell: state.hasShell || instruction.kind === 'shell',
        hasWorkdir: state.hasWorkdir || instruction.kind === 'workdir',
      };
    } catch (error) {
      if (!(error instanceof InstructionProblem)) throw error;
      if (context.isStrict) throw new DockerfileProblem(error.message, instruction.lines);
      // it fails the build, which tells of it with its place
      break;
    }
  }
  return state;
}

function declaredBy(instruction: StageInstruction, scope: StageScope): readonly string[] {
  return instruction.kind === 'arg' ? instruction.args.map(({ name }) => scope.expand(name)) : [];
}

/** Each argument of ARG sees those before it. */
function oneByOne(instruction: StageInstruction): readonly StageInstruction[] {
  return instruction.kind === 'arg' ? instruction.args.map((arg) => ({ ...instruction, args: [arg] })) : [instruction];
}

function* found(instruction: StageInstruction, state: State, { escaper, ignored }: StageContext): Iterable<Finding> {
  const { scope } = state;
  const options = { escaper, lookup: scope.lookup };
  const expand = (word: string): string => expandWord(word, options).text;
  const { start: line } = instruction.lines;
  const unset: string[] = [];
  const note = (word: ExpandedWord): string => {
    unset.push(...[...word.unset].filter((name) => !state.declared.has(name)));
    return word.text;
  };
  for (const word of wordsOf(instruction)) note(expandWord(word, options));
  if (instruction.kind === 'run') for (const mount of instruction.mounts) parseRunMount(mount, (word) => note(expandWord(word, options)));
  if (instruction.kind === 'copy' || instruction.kind === 'add')
    for (const file of instruction.inline.filter((one) => one.expand)) note(expandWord(file.content, { ...options, plainQuotes: true }));
  for (const name of unset) {
    const suggestion = didYouMeanOf(name, [...scope.variables.keys()]).replace(/mean /, 'mean $$');
    yield { rule: 'UndefinedVar', message: `Usage of undefined variable '$${name}'${suggestion}`, line };
  }
  yield* instructionRules(instruction, state, expand);
  if (instruction.kind === 'copy' || instruction.kind === 'add') yield* ignoredFiles(instruction, ignored, expand);
  if (instruction.kind === 'expose')
    yield* portRules(
      instruction.ports.flatMap((word) => expandWords(word, options)),
      line,
    );
}

/** Words in which variables have their values put in, and should have one. */
function wordsOf(instruction: StageInstruction): readonly string[] {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return instruction.pairs.flatMap(({ name, value }) => [name, value]);
    case 'arg':
      return instruction.args.flatMap(({ value }) => value ?? []);
    case 'copy':
    case 'add':
      return [
        ...instruction.sources,
        ...[instruction.target, instruction.chown, instruction.chmod],
        ...(instruction.kind === 'add' ? [instruction.checksum] : []),
      ];
    case 'workdir':
    case 'user':
    case 'stopsignal':
      return [instruction.text];
    case 'volume':
      return instruction.paths;
    default:
      return [];
  }
}

/** As with BuildKit, variants don't count: what is for an earlier generation of processors runs on a later one, and many images name none. */
function* basePlatform({ stage, base, platform }: GraphStage, { platform: said }: BaseImage, context: StageContext): Iterable<Finding> {
  const asked = platform === '' ? context.platform : parsePlatform(platform);
  if (base.kind !== 'name' || said === null || asked === null) return;
  const [has, wanted] = [canonicalPlatform(said), canonicalPlatform(asked)];
  if (has.os === wanted.os && has.architecture === wanted.architecture) return;
  const [actual, expected] = [has, wanted].map((one) => JSON.stringify(platformName(one)));
  const message = `Base image ${base.name} was pulled with platform ${actual}, expected ${expected} for current build`;
  yield { rule: 'InvalidBaseImagePlatform', message, line: stage.from.lines.start };
}
