import { InstructionProblem } from './build-error.js';
import { Flags } from './flags.js';
import { contentOf, heredocStart } from './heredoc.js';
import type { Add, Copy, InlineFile, Transfer } from './instruction-types.js';
import type { Line } from './parse-lines.js';

const COMMON = { chown: 'text', chmod: 'text', link: 'boolean', exclude: 'texts' } as const;

/** @throws InstructionProblem */
export function parseCopy(line: Line): Copy {
  const { flags, ...transfer } = parseTransfer(line, { ...COMMON, from: 'text', parents: 'boolean' });
  return { kind: 'copy', ...transfer, from: flags.text('from'), parents: flags.boolean('parents') ?? false };
}

/** @throws InstructionProblem */
export function parseAdd(line: Line): Add {
  const { flags, ...transfer } = parseTransfer(line, { ...COMMON, 'keep-git-dir': 'boolean', checksum: 'text', unpack: 'boolean' });
  const [unpack, keepGitDir] = [flags.boolean('unpack'), flags.boolean('keep-git-dir')];
  return { kind: 'add', ...transfer, checksum: flags.text('checksum'), unpack, keepGitDir };
}

function parseTransfer(line: Line, kinds: ConstructorParameters<typeof Flags>[1]): Transfer & { readonly flags: Flags } {
  const name = line.name.toUpperCase();
  const target = line.words.at(-1);
  if (target === undefined || line.words.length < 2)
    throw new InstructionProblem(`${name} requires at least two arguments, but only one was provided. Destination could not be determined`);
  const flags = new Flags(line.flags, kinds);
  if (heredocStart(target)) throw new InstructionProblem(`${name} cannot accept a heredoc as a destination`);
  const sources = line.words.slice(0, -1);
  const starts = sources.map((source) => heredocStart(source));
  return {
    line,
    lines: line.lines,
    sources: sources.filter((_, index) => !starts[index]),
    inline: starts.filter((start) => start !== null).map((start) => inlineFile(start.name, line)),
    target,
    chown: flags.text('chown'),
    chmod: flags.text('chmod'),
    link: flags.boolean('link') ?? false,
    excludes: flags.texts('exclude'),
    flags,
  };
}

function inlineFile(name: string, { heredocs }: Line): InlineFile {
  // of two with one name the later counts, as in BuildKit
  const heredoc = heredocs.findLast((one) => one.name === name);
  return { name, content: heredoc ? contentOf(heredoc) : '', expand: heredoc?.expand ?? true };
}
