import { InstructionProblem } from './build-error.js';
import { trimStart } from './spaces.js';

export type DirectiveName = 'syntax' | 'escape' | 'check';

export interface Directive {
  readonly name: DirectiveName;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(\S(?:.*\S)?)[\t\n\f\r ]*$/;

function isName(name: string): name is DirectiveName {
  return name === 'syntax' || name === 'escape' || name === 'check';
}

/** Reads directives, which stand in the first lines alone: whatever else comes ends them, a comment too. */
export class DirectiveReader {
  readonly #seen = new Set<string>();
  readonly #prefix: string;
  #line = 0;
  #isDone = false;

  /** @param prefix what such a line begins with: '#', or '//' in files for other frontends */
  constructor(prefix = '#') {
    this.#prefix = prefix;
  }

  /** @throws InstructionProblem for a directive that came before */
  read(line: string): Directive | null {
    this.#line++;
    if (this.#isDone) return null;
    const [, key = '', value = ''] = line.startsWith(this.#prefix)
      ? (DIRECTIVE.exec(trimStart(line.slice(this.#prefix.length))) ?? [])
      : [];
    const name = key.toLowerCase();
    if (!isName(name)) {
      this.#isDone = true;
      return null;
    }
    if (this.#seen.has(name)) throw new InstructionProblem(`only one ${name} parser directive can be used`);
    this.#seen.add(name);
    return { name, value, line: this.#line };
  }
}

/**
 * The frontend that a file asks for, wherever BuildKit looks for that: in a directive, also after a line `#!`, in one that begins with '//',
 * or in a file that is JSON. `null`: none.
 */
export function syntaxOf(text: string): { readonly value: string; readonly line: number } | null {
  const lines = text.split(/\r?\n/);
  const shebang = lines[0]?.startsWith('#!') ? 1 : 0;
  for (const prefix of ['#', '//']) {
    const found = directivesOf(lines.slice(shebang), prefix).find(({ name }) => name === 'syntax');
    if (found) return { value: found.value, line: found.line + shebang };
  }
  const syntax = jsonSyntax(lines.slice(shebang).join('\n'));
  return syntax === null ? null : { value: syntax, line: shebang + 1 };
}

function directivesOf(lines: readonly string[], prefix: string): Directive[] {
  const reader = new DirectiveReader(prefix);
  const found: Directive[] = [];
  for (const line of lines) {
    try {
      const directive = reader.read(line);
      if (!directive) break;
      found.push(directive);
    } catch (error) {
      // the parser tells of it
      if (error instanceof InstructionProblem) break;
      throw error;
    }
  }
  return found;
}

function jsonSyntax(text: string): string | null {
  if (!text.trimStart().startsWith('{')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return typeof value === 'object' && value !== null && 'syntax' in value && typeof value.syntax === 'string' ? value.syntax : null;
}
