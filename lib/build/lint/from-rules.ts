import { isNacelleError } from '../../errors.js';
import { parsePlatform } from '../../image/formats/platform.js';
import { parseRegistryName } from '../../image/formats/reference.js';
import type { Dockerfile } from '../language/dockerfile.js';
import { expandWord } from '../language/expand-words.js';
import type { From } from '../language/instruction-types.js';
import { didYouMeanOf } from '../language/suggest.js';
import type { Finding } from './lint-rules.js';

/** Values of the variables that FROM sees. */
export interface FromScopes {
  readonly globals: ReadonlyMap<string, string>;
  /** The same without the caller's build arguments. */
  readonly defaults: ReadonlyMap<string, string>;
}

/** What FROM takes from arguments, and its platforms. @throws InstructionProblem for words that can't be expanded */
export function* fromRules({ stages, globals: args, parsed }: Dockerfile, { globals, defaults }: FromScopes): Iterable<Finding> {
  const declared = new Set([...globals.keys(), ...args.flatMap((one) => one.args.map(({ name }) => name))]);
  const expand = (word: string, scope: ReadonlyMap<string, string>) =>
    expandWord(word, { escaper: parsed.escaper, lookup: (name) => scope.get(name) });
  for (const { from } of stages) {
    const { start: line } = from.lines;
    const [base, platform] = [expand(from.base, globals), expand(from.platform, globals)];
    for (const name of [...base.unset, ...platform.unset].filter((one) => !declared.has(one)))
      yield { rule: 'UndefinedArgInFrom', message: `FROM argument '${name}' is not declared${didYouMeanOf(name, [...declared])}`, line };
    if (!isName(expand(from.base, defaults).text))
      yield {
        rule: 'InvalidDefaultArgInFrom',
        message: `Default value for ARG ${from.base} results in empty or invalid base image name`,
        line,
      };
    yield* platformRules(from, platform);
  }
}

function* platformRules(from: From, { text, names }: { text: string; names: ReadonlySet<string> }): Iterable<Finding> {
  const { start: line } = from.lines;
  if (from.platform === '') return;
  if (names.size === 1 && names.has('TARGETPLATFORM'))
    yield {
      rule: 'RedundantTargetPlatform',
      message: `Setting platform to predefined ${from.platform} in FROM is redundant as this is the default behavior`,
      line,
    };
  if (names.size > 0) return;
  // a stage for one platform may say so in its name
  const platform = parsePlatform(text);
  const isNamed = platform !== null && [platform.os, platform.architecture].some((part) => from.name?.includes(part));
  if (!isNamed)
    yield {
      rule: 'FromPlatformFlagConstDisallowed',
      message: `FROM --platform flag should not use constant value ${JSON.stringify(text)}`,
      line,
    };
}

function isName(text: string): boolean {
  try {
    parseRegistryName(text);
    return true;
  } catch (error) {
    if (isNacelleError(error)) return false;
    throw error;
  }
}
