import { ARGUMENT_FORMS } from './arguments.js';
import { DockerfileProblem, InstructionProblem, type LineRange } from './build-error.js';
import { type Directive, DirectiveReader } from './directives.js';
import { type Heredoc, type HeredocStart, heredocsIn } from './heredoc.js';
import { trim, trimStart } from './spaces.js';
import { splitInstruction } from './split-instruction.js';

/** An instruction as it is written: words and flags, nothing understood yet. */
export interface Line {
  /** In small letters. */
  readonly name: string;
  /** As it is written. */
  readonly word: string;
  readonly flags: readonly string[];
  /** Names and values are three words each, see `pairs`. */
  readonly words: readonly string[];
  readonly json: boolean;
  readonly heredocs: readonly Heredoc[];
  /** The line, with those that it goes on in. */
  readonly original: string;
  readonly lines: LineRange;
  /** The comments right before it. */
  readonly comments: readonly string[];
  /** What ONBUILD has. */
  readonly child: Line | null;
}

export interface ParsedLines {
  readonly lines: readonly Line[];
  /** What escapes a character, and a line's end. */
  readonly escaper: string;
  /** What the file says about its own warnings. */
  readonly check: Directive | null;
  /** Empty lines within an instruction. */
  readonly emptyContinuations: readonly { readonly line: number }[];
}

/** The longest line, in bytes, and the largest file. */
const LONGEST_LINE = 65_535;
const LARGEST_FILE = 16 * 1024 * 1024;

const HEREDOC_INSTRUCTIONS = new Set(['add', 'copy', 'run']);

/**
 * Cuts a Dockerfile into instructions.
 *
 * @throws DockerfileProblem
 */
export function parseLines(source: string): ParsedLines {
  if (source.length > LARGEST_FILE) throw problem(`the file is larger than ${LARGEST_FILE} bytes`, 1);
  return new LineParser(source).parse();
}

function problem(message: string, start: number, end = start): DockerfileProblem {
  return new DockerfileProblem(message, { start, end });
}

/** Parses one instruction without a heredoc: what ONBUILD of an image says. @throws InstructionProblem */
export function parseLine(line: string, { escaper = '\\', lines = { start: 0, end: 0 } } = {}): Line {
  const { word, flags, rest } = splitInstruction(line, escaper);
  const name = word.toLowerCase();
  const child = name === 'onbuild' && rest !== '' ? parseLine(rest, { escaper, lines }) : null;
  const { words, json } = ARGUMENT_FORMS.get(name)?.(rest, escaper) ?? { words: [], json: false };
  return { name, word, flags, words, json, heredocs: [], original: line, lines, comments: [], child };
}

class LineParser {
  readonly #lines: readonly string[];
  readonly #directives = new DirectiveReader();
  readonly #found: Line[] = [];
  readonly #emptyContinuations: { line: number }[] = [];
  #at = 0;
  #escaper = '\\';
  #continued = continuedBy('\\');
  #comments: string[] = [];
  #check: Directive | null = null;

  constructor(source: string) {
    this.#lines = (source.startsWith('\uFEFF') ? source.slice(1) : source).split(/(?<=\n)/);
  }

  parse(): ParsedLines {
    if (this.#lines.length === 1 && this.#lines[0] === '') throw problem('file with no instructions', 1);
    while (this.#at < this.#lines.length) this.#instruction();
    if (this.#found.length === 0) throw problem('file with no instructions', Math.max(1, this.#at));
    return { lines: this.#found, escaper: this.#escaper, check: this.#check, emptyContinuations: this.#emptyContinuations };
  }

  /** The next line, its end included. */
  #next(): string {
    const line = this.#lines[this.#at++] ?? '';
    const bytes = Buffer.byteLength(line);
    if (bytes > LONGEST_LINE) throw problem(`dockerfile line greater than max allowed size of ${LONGEST_LINE}`, this.#at);
    return line;
  }

  /** A comment, a directive, nothing, or an instruction with all the lines that it goes on in. */
  #instruction(): void {
    const first = trimStart(withoutEnd(this.#next()));
    const start = this.#at;
    const isDirective = this.#directive(first);
    if (isComment(first)) {
      if (!isDirective) this.#comment(first);
      return;
    }
    const { text, isOver } = this.#withoutContinuation(first);
    if (isOver && text === '') {
      // what stands before an empty line describes nothing after it
      this.#comments = [];
      return;
    }
    const line = text + (isOver ? '' : this.#continuation());
    this.#add(line, start);
  }

  #directive(line: string): boolean {
    try {
      const directive = this.#directives.read(line);
      if (directive?.name === 'check') this.#check = directive;
      if (directive?.name !== 'escape') return directive !== null;
      const { value } = directive;
      if (value !== '`' && value !== '\\') throw new InstructionProblem(`invalid escape token '${value}' does not match \` or \\`);
      this.#escaper = value;
      this.#continued = continuedBy(value);
      return true;
    } catch (error) {
      if (error instanceof InstructionProblem) throw problem(error.message, this.#at);
      throw error;
    }
  }

  #comment(line: string): void {
    const text = trim(line.slice(1));
    this.#comments = text === '' ? [] : [...this.#comments, text];
  }

  #withoutContinuation(line: string): { readonly text: string; readonly isOver: boolean } {
    const text = line.replace(this.#continued, '');
    return { text, isOver: text === line };
  }

  /** The lines in which an instruction goes on. Comments are no part of it, and empty lines are told of. */
  #continuation(): string {
    const parts: string[] = [];
    let hasEmpty = false;
    for (let isOver = false; !isOver && this.#at < this.#lines.length; ) {
      const line = withoutEnd(this.#next());
      this.#directive(line);
      if (isComment(line)) continue;
      if (trimStart(line) === '') {
        hasEmpty = true;
        continue;
      }
      const { text, isOver: isLast } = this.#withoutContinuation(line);
      parts.push(text);
      isOver = isLast;
    }
    const text = parts.join('');
    if (hasEmpty) this.#emptyContinuations.push({ line: this.#at });
    return text;
  }

  #add(text: string, start: number): void {
    try {
      const parsed = parseLine(text, { escaper: this.#escaper, lines: { start, end: this.#at } });
      const heredocs = hasHeredocs(parsed) && text.includes('<<') ? heredocsIn(text).map((heredoc) => this.#heredoc(heredoc)) : [];
      const lines = { start, end: this.#at };
      const child = parsed.child && { ...parsed.child, heredocs, lines };
      this.#found.push({ ...parsed, heredocs, lines, comments: this.#comments, child });
      this.#comments = [];
    } catch (error) {
      if (error instanceof InstructionProblem) throw problem(error.message, start, this.#at);
      throw error;
    }
  }

  #heredoc(start: HeredocStart): Heredoc {
    const content: string[] = [];
    while (this.#at < this.#lines.length) {
      const line = this.#next();
      const bare = withoutEnd(line);
      if ((start.chomp ? bare.replace(/^\t+/, '') : bare) === start.name) return { ...start, content: content.join('') };
      content.push(line);
    }
    throw new InstructionProblem('unterminated heredoc');
  }
}

/** The escape character at a line's end, blanks after it included, unless another one escapes it. */
function continuedBy(escaper: string): RegExp {
  const character = escaper === '\\' ? '\\\\' : '`';
  return new RegExp(`(?<!${character})${character}[ \\t]*$`);
}

function hasHeredocs(line: Line): boolean {
  const { name, json } = line.child ?? line;
  return HEREDOC_INSTRUCTIONS.has(name) && !json;
}

function isComment(line: string): boolean {
  return trimStart(line).startsWith('#');
}

function withoutEnd(line: string): string {
  let end = line.length;
  while (end > 0 && '\r\n'.includes(line.charAt(end - 1))) end--;
  return line.slice(0, end);
}
