import type { Dockerfile } from '../language/dockerfile.js';
import type { Line } from '../language/parse-lines.js';
import type { Finding } from './lint-rules.js';

type Casing = 'lowercase' | 'uppercase';

/** How names of stages, and the words of the language, are written. */
export function* casingRules({ stages }: Dockerfile): Iterable<Finding> {
  for (const { from } of stages) {
    const { line, words } = { line: from.lines.start, words: from.line.words };
    const [, as, name] = words;
    if (name !== undefined && name !== name.toLowerCase())
      yield { rule: 'StageNameCasing', message: `Stage name '${name}' should be lowercase`, line };
    const casing = casingOf(from.line.word);
    if (as !== undefined && casing !== null && casingOf(as) !== casing)
      yield { rule: 'FromAsCasing', message: `'${as}' and '${from.line.word}' keywords' casing do not match`, line };
  }
  yield* consistentCasing(stages.flatMap(({ from, instructions }) => [from.line, ...instructions.map(({ line }) => line)]));
}

/** All instructions should be written as most of them are. */
function* consistentCasing(lines: readonly Line[]): Iterable<Finding> {
  const casings = lines.map(({ word }) => casingOf(word));
  const count = (wanted: Casing): number => casings.filter((casing) => casing === wanted).length;
  const majority: Casing = count('lowercase') > count('uppercase') ? 'lowercase' : 'uppercase';
  for (const [index, { word, lines: place }] of lines.entries())
    if (casings[index] !== majority)
      yield {
        rule: 'ConsistentInstructionCasing',
        message: `Command '${word}' should match the case of the command majority (${majority})`,
        line: place.start,
      };
}

/** `null`: mixed. */
function casingOf(word: string): Casing | null {
  if (word === word.toUpperCase()) return 'uppercase';
  return word === word.toLowerCase() ? 'lowercase' : null;
}
