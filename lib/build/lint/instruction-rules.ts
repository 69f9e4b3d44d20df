import type { StageInstruction } from '../language/instruction-types.js';
import type { Finding, LintRule } from './lint-rules.js';

/** What is known of a stage before an instruction. */
export interface Before {
  /** SHELL is set, here or in what the stage is on: whoever names a shell means it. */
  readonly hasShell: boolean;
  readonly hasWorkdir: boolean;
}

/** How an instruction is written: values don't matter but those that are given. */
export function* instructionRules(instruction: StageInstruction, before: Before, expand: (word: string) => string): Iterable<Finding> {
  const found = (rule: LintRule, message: string): Finding => ({ rule, message, line: instruction.lines.start });
  switch (instruction.kind) {
    case 'cmd':
    case 'entrypoint': {
      const name = instruction.kind.toUpperCase();
      if (instruction.isShell && !before.hasShell)
        yield found('JSONArgsRecommended', `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`);
      return;
    }
    case 'maintainer':
      yield found('MaintainerDeprecated', 'Maintainer instruction is deprecated in favor of using label');
      return;
    case 'env':
    case 'label': {
      const name = instruction.kind.toUpperCase();
      if (instruction.pairs.some(({ isOld }) => isOld))
        yield found('LegacyKeyValueFormat', `"${name} key=value" should be used instead of legacy "${name} key value" format`);
      if (instruction.kind === 'env') yield* secretNames('ENV', instruction, expand);
      return;
    }
    case 'arg':
      yield* secretNames('ARG', { ...instruction, pairs: instruction.args }, expand);
      return;
    case 'workdir': {
      const path = expand(instruction.text);
      if (!path.startsWith('/') && !before.hasWorkdir)
        yield found(
          'WorkdirRelativePath',
          `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
        );
      return;
    }
    default:
      return;
  }
}

/** Words of which a name consists that is a secret's: 'API_KEY', but not 'KEYBOARD'. */
const SECRET = /(?:^|_)(?:apikey|auth|credentials?|key|passwd|password|pword|secret|token)(?:_|$)/i;
const PUBLIC = /(?:^|_)public(?:_|$)/i;

/** Values of these are in the image, or in its history, for whoever has the image. */
function* secretNames(
  what: 'ARG' | 'ENV',
  { pairs, lines }: { readonly pairs: readonly { readonly name: string }[]; readonly lines: StageInstruction['lines'] },
  expand: (word: string) => string,
): Iterable<Finding> {
  for (const name of pairs.map((pair) => expand(pair.name)))
    if (SECRET.test(name) && !PUBLIC.test(name))
      yield {
        rule: 'SecretsUsedInArgOrEnv',
        message: `Do not use ARG or ENV instructions for sensitive data (${what} ${JSON.stringify(name)})`,
        line: lines.start,
      };
}

/** Of several only the last counts: those before it are told of. */
export function* onlyLast(instructions: readonly StageInstruction[]): Iterable<Finding> {
  for (const kind of ['cmd', 'entrypoint', 'healthcheck'] as const)
    for (const { lines } of instructions.filter((one) => one.kind === kind).slice(0, -1))
      yield {
        rule: 'MultipleInstructionsDisallowed',
        message: `Multiple ${kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
        line: lines.start,
      };
}

/** Ports say what a program listens on, and not where it can be reached. */
export function* portRules(words: readonly string[], line: number): Iterable<Finding> {
  for (const word of words) {
    const [ports = '', protocol = ''] = [word.replace(/\/[^/]*$/, ''), /\/([^/]*)$/.exec(word)?.[1]];
    if (protocol !== protocol.toLowerCase())
      yield { rule: 'ExposeProtoCasing', message: `Defined protocol '${word}' in EXPOSE instruction should be lowercase`, line };
    if (ports.includes(':'))
      yield {
        rule: 'ExposeInvalidFormat',
        message: `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`,
        line,
      };
  }
}
