import { invalidOption } from '../../errors.js';
import { DockerfileProblem, InstructionProblem } from './build-error.js';
import type { Dockerfile, Stage } from './dockerfile.js';
import { expandWord } from './expand-words.js';
import type { StageInstruction } from './instruction-types.js';
import { checkMountFlags, parseRunMount } from './run-mounts.js';
import { didYouMeanOf } from './suggest.js';

/** What something is taken from: nothing, an earlier stage, or what has a name outside of the file. */
export type Origin =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'name'; readonly name: string };

export interface GraphStage {
  readonly stage: Stage;
  readonly base: Origin;
  /** FROM's platform, its variables expanded; '': not given. */
  readonly platform: string;
  /** What `--from` of each instruction means, by what is written. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export interface StageGraph {
  /** What the target needs, each after those that it needs. */
  readonly needed: readonly GraphStage[];
  readonly target: GraphStage;
  /** All of the file, in its order, needed or not. */
  readonly all: readonly GraphStage[];
}

/**
 * Finds out which stage is on which, and what the target needs.
 *
 * @param target a stage's name or number; `null` for the last
 * @param contexts names that the caller gives another meaning than the file
 * @throws DockerfileProblem
 */
export function stageGraph(
  { stages, parsed }: Pick<Dockerfile, 'stages' | 'parsed'>,
  { target, globals, contexts = [] }: { target: string | null; globals: ReadonlyMap<string, string>; contexts?: readonly string[] },
): StageGraph {
  const expand = (word: string): string => expandWord(word, { escaper: parsed.escaper, lookup: (name) => globals.get(name) }).text;
  const all = stages.map((stage) => graphStage(stage, { stages, expand, contexts }));
  const wanted = targetOf(all, target);
  const needed = new Set<number>();
  const need = (index: number): void => {
    const one = all[index];
    if (!one || needed.has(index)) return;
    for (const origin of [one.base, ...one.origins.values()]) if (origin.kind === 'stage') need(origin.index);
    needed.add(index);
  };
  need(wanted.stage.index);
  return { needed: [...needed].flatMap((index) => all[index] ?? []), target: wanted, all };
}

function at<T>(lines: StageInstruction['lines'], work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof InstructionProblem ? new DockerfileProblem(error.message, lines) : error;
  }
}

function graphStage(
  stage: Stage,
  { stages, expand, contexts }: { stages: readonly Stage[]; expand: (word: string) => string; contexts: readonly string[] },
): GraphStage {
  const { from, index } = stage;
  const { name, platform } = at(from.lines, () => ({ name: expand(from.base), platform: expand(from.platform) }));
  if (platform === '' && from.platform !== '')
    throw new DockerfileProblem(`empty platform value from expression ${from.platform}`, from.lines);
  if (name === '') throw new DockerfileProblem(`base name (${from.base}) should not be blank`, from.lines);
  const base = contexts.includes(name) ? { kind: 'name' as const, name } : baseOf(name, stages.slice(0, index));
  return { stage, base, platform, origins: originsOf(stage.instructions, { stages, index, contexts }) };
}

/** What `--from` of instructions of a stage means, by what is written. @throws DockerfileProblem */
export function originsOf(
  instructions: readonly StageInstruction[],
  of: { readonly stages: readonly Stage[]; readonly index: number; readonly contexts: readonly string[] },
): ReadonlyMap<string, Origin> {
  const pairs = instructions.flatMap((instruction) =>
    at(instruction.lines, () => fromsOf(instruction).map((word): [string, Origin] => [word, originOf(word, of)])),
  );
  return new Map(pairs);
}

function baseOf(name: string, before: readonly Stage[]): Origin {
  if (name === 'scratch') return { kind: 'scratch' };
  const found = before.findLast((one) => one.from.name === name.toLowerCase());
  return found ? { kind: 'stage', index: found.index } : { kind: 'name', name };
}

/** What `--from` of an instruction, or of its mounts, names. */
export function fromsOf(instruction: StageInstruction): readonly string[] {
  switch (instruction.kind) {
    case 'copy':
      return instruction.from === '' ? [] : [instruction.from];
    case 'run':
      return instruction.mounts.flatMap((mount) => {
        checkMountFlags(mount);
        const { from } = parseRunMount(mount, (value) => value.replaceAll(/\$.*/g, '0'));
        return from === '' ? [] : [from];
      });
    default:
      return [];
  }
}

function originOf(word: string, { stages, index, contexts }: Parameters<typeof originsOf>[1]): Origin {
  if (contexts.includes(word)) return { kind: 'name', name: word };
  if (word.includes('$'))
    throw new InstructionProblem(
      `variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround`,
    );
  const name = word.toLowerCase();
  const earlier = stages.slice(0, index).findLast(({ from }) => from.name === name);
  if (earlier) return { kind: 'stage', index: earlier.index };
  if (/^\d+$/.test(word)) {
    const number = Number(word);
    if (number < index) return { kind: 'stage', index: number };
    throw new InstructionProblem(`stage index ${word} is not that of an earlier stage`);
  }
  if (stages[index]?.from.name === name) throw new InstructionProblem(`circular dependency detected on stage: ${name}`);
  if (stages.some(({ from }) => from.name === name))
    throw new InstructionProblem(`stage ${JSON.stringify(name)} is defined later: it can't be copied from here`);
  return name === 'scratch' ? { kind: 'scratch' } : { kind: 'name', name: word };
}

function targetOf(all: readonly GraphStage[], target: string | null): GraphStage {
  const name = target?.toLowerCase();
  const found =
    name === undefined
      ? all.at(-1)
      : (all.findLast(({ stage }) => stage.from.name === name) ?? (/^\d+$/.test(name) ? all[Number(name)] : undefined));
  if (found) return found;
  const names = all.flatMap(({ stage }) => stage.from.name ?? []);
  throw invalidOption('target', `${JSON.stringify(target)} is no stage of the Dockerfile${didYouMeanOf(target ?? '', names)}`);
}
