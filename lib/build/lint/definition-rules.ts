import type { Dockerfile } from '../language/dockerfile.js';
import type { Line } from '../language/parse-lines.js';
import type { Finding } from './lint-rules.js';

const RESERVED = new Set(['scratch', 'context']);

/** Names of stages, and the comments that describe stages and arguments. */
export function* definitionRules({ globals, stages }: Dockerfile): Iterable<Finding> {
  const seen = new Set<string>();
  for (const { line, args } of globals) yield* description('ARG', line, argNames(args));
  for (const { from, instructions } of stages) {
    const { name } = from;
    if (name !== null) {
      const { start: line } = from.lines;
      yield* description('FROM', from.line, [name]);
      if (RESERVED.has(name))
        yield {
          rule: 'ReservedStageName',
          message: `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
          line,
        };
      if (seen.has(name))
        yield { rule: 'DuplicateStageName', message: `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`, line };
      seen.add(name);
    }
    for (const one of instructions) if (one.kind === 'arg') yield* description('ARG', one.line, argNames(one.args));
  }
}

/** A comment right before a definition describes it, and begins with its name. */
function* description(what: 'ARG' | 'FROM', { comments, lines }: Line, names: readonly string[]): Iterable<Finding> {
  const comment = comments.at(-1);
  const [first = ''] = names;
  if (comment === undefined || names.includes(comment.split(' ')[0] ?? '')) return;
  const name = names.length > 1 ? '<arg_key>' : first;
  const message = `Comment for ${what} should follow the format: \`# ${name} <description>\``;
  yield { rule: 'InvalidDefinitionDescription', message, line: lines.start };
}

function argNames(args: readonly { readonly name: string }[]): readonly string[] {
  return args.map(({ name }) => name);
}
