import { InstructionProblem } from './build-error.js';
import { longerWord } from './longest-word.js';
import { replaceMatches, trimPrefix, trimSuffix } from './shell-pattern.js';
import { isSpace } from './spaces.js';

/** The value of a variable; `undefined`: there is none. */
export type Lookup = (name: string) => string | undefined;

export interface WordOptions {
  /** The character that escapes another one: of the Dockerfile. */
  readonly escaper: string;
  readonly lookup: Lookup;
  /** Keep quotes. Default: take them away. */
  readonly rawQuotes?: boolean;
  /** Keep escapes. */
  readonly rawEscapes?: boolean;
  /** Quotes are characters like others: in the text of a heredoc. */
  readonly plainQuotes?: boolean;
  /** Leave a variable that there is not as it is written. */
  readonly keepUnset?: boolean;
}

export interface ExpandedWord {
  readonly text: string;
  /** Variables that the word asked for, and those of them that there are not. */
  readonly names: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

/** How deep substitutions may lie in one another. */
const MOST_DEEP = 100;

const NAME_CHARACTER = /^[\p{L}\p{Nd}_]$/u;
const DIGIT = /^\p{Nd}$/u;
/** Special parameters of a shell (POSIX, XCU 2.5.2). */
const SPECIAL = new Set(['@', '*', '#', '?', '-', '$', '!', '0']);

/**
 * Takes quotes and escapes from a word, and puts values in the places of variables: BuildKit's subset of what a shell does.
 *
 * @throws InstructionProblem
 */
export function expandWord(word: string, options: WordOptions): ExpandedWord {
  const reader = new WordReader(word, options);
  return { text: reader.read(null), names: reader.names, unset: reader.unset };
}

/** The same, cut at the spaces that are not quoted, after values were put in. @throws InstructionProblem */
export function expandWords(text: string, options: WordOptions): string[] {
  const cutter = new Cutter();
  new WordReader(text, options).read(cutter);
  return [...cutter.end()];
}

/** Cuts a text at spaces while it comes; what was quoted is never cut. */
class Cutter {
  readonly #words: string[] = [];
  #word = '';

  add(text: string): void {
    for (const character of text) {
      if (isSpace(character)) this.#end();
      else this.#word += character;
    }
  }

  addRaw(text: string): void {
    this.#word += text;
  }

  #end(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }

  end(): readonly string[] {
    this.#end();
    return this.#words;
  }
}

class WordReader {
  readonly names = new Set<string>();
  readonly unset = new Set<string>();
  readonly #source: string;
  readonly #characters: readonly string[];
  readonly #options: WordOptions;
  #at = 0;
  #depth = 0;
  #rawEscapes: boolean;

  constructor(source: string, options: WordOptions) {
    this.#source = source;
    this.#characters = [...source];
    this.#options = options;
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  /** @param cutter what cuts the text into words meanwhile */
  read(cutter: Cutter | null): string {
    try {
      return this.#until(null, this.#rawEscapes, cutter);
    } catch (error) {
      if (!(error instanceof InstructionProblem)) throw error;
      const shown = this.#source.length > 200 ? `${this.#source.slice(0, 200)}…` : this.#source;
      throw new InstructionProblem(`failed to process ${JSON.stringify(shown)}: ${error.message}`);
    }
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string | undefined {
    return this.#characters[this.#at++];
  }

  /** Reads until the character `stop`, or the end. */
  #until(stop: string | null, rawEscapes: boolean, cutter: Cutter | null): string {
    const before = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    this.#depth++;
    if (this.#depth > MOST_DEEP) throw new InstructionProblem(`more than ${MOST_DEEP} substitutions in one another`);
    let result = '';
    for (let character = this.#peek(); character !== undefined; character = this.#peek()) {
      if (character === stop) break;
      const isQuote = !this.#options.plainQuotes && (character === "'" || character === '"');
      if (character === '$') {
        const value = this.#dollar();
        cutter?.add(value);
        result = longerWord(result, value);
      } else if (isQuote || character === '<') {
        const part = character === "'" ? this.#singleQuoted() : character === '"' ? this.#doubleQuoted() : this.#heredoc();
        cutter?.addRaw(part);
        result = longerWord(result, part);
      } else result += this.#plain(cutter);
    }
    if (stop !== null && this.#next() === undefined)
      throw new InstructionProblem(`unexpected end of statement while looking for matching ${stop}`);
    this.#depth--;
    this.#rawEscapes = before;
    return result;
  }

  /** One character outside of quotes, or an escaped one. */
  #plain(cutter: Cutter | null): string {
    const character = this.#next() ?? '';
    if (character !== this.#options.escaper) {
      cutter?.add(character);
      return character;
    }
    const kept = this.#rawEscapes ? character : '';
    const text = kept + (this.#next() ?? '');
    cutter?.addRaw(text);
    return text;
  }

  #singleQuoted(): string {
    const quote = this.#options.rawQuotes ? "'" : '';
    this.#next();
    let result = quote;
    for (let character = this.#next(); character !== "'"; character = this.#next()) {
      if (character === undefined) throw new InstructionProblem('unexpected end of statement while looking for matching single-quote');
      result += character;
    }
    return result + quote;
  }

  /** In double quotes the quote, `$` and the escape character itself can be escaped; before all others an escape is a character. */
  #doubleQuoted(): string {
    const quote = this.#options.rawQuotes ? '"' : '';
    const { escaper } = this.#options;
    this.#next();
    let result = quote;
    for (let character = this.#peek(); character !== '"'; character = this.#peek()) {
      if (character === undefined) throw new InstructionProblem('unexpected end of statement while looking for matching double-quote');
      if (character === '$') {
        result = longerWord(result, this.#dollar());
        continue;
      }
      this.#next();
      if (character !== escaper) {
        result += character;
        continue;
      }
      if (this.#rawEscapes) result += character;
      const next = this.#peek();
      if (next === undefined) continue;
      if (next === '"' || next === '$' || next === escaper) {
        this.#next();
        result += next;
      } else result += character;
    }
    this.#next();
    return result + quote;
  }

  /** `<<` and the blanks after it, which belong to the name of a heredoc. */
  #heredoc(): string {
    this.#next();
    if (this.#peek() !== '<') return '<';
    this.#next();
    let blanks = '';
    for (let next = this.#peek(); next === ' ' || next === '\t' || next === '\r'; next = this.#peek()) {
      blanks += next;
      this.#next();
    }
    return `<<${blanks}`;
  }

  #dollar(): string {
    this.#next();
    if (this.#peek() !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      const value = this.#get(name);
      return value === undefined && this.#options.keepUnset ? `$${name}` : (value ?? '');
    }
    this.#next();
    const first = this.#peek();
    if (first === undefined) throw new InstructionProblem("syntax error: missing '}'");
    if (first === '{' || first === '}' || first === ':') throw new InstructionProblem('syntax error: bad substitution');
    const name = this.#name();
    const sign = this.#next() ?? '';
    if (sign === '}') {
      const value = this.#get(name);
      return value === undefined && this.#options.keepUnset ? `\${${name}}` : (value ?? '');
    }
    return sign === '/' ? this.#replaced(name) : this.#modified(name, sign);
  }

  /** The word within a substitution, until the character that ends it. */
  #inner(stop: string, rawEscapes: boolean): string {
    try {
      return this.#until(stop, rawEscapes, null);
    } catch (error) {
      const isCut = this.#peek() === undefined && error instanceof InstructionProblem && error.message.startsWith('unexpected end');
      throw isCut ? new InstructionProblem(`syntax error: missing '${stop}'${stop === '/' ? ' in a substitution' : ''}`) : error;
    }
  }

  #modified(name: string, sign: string): string {
    const isColon = sign === ':';
    const operator = isColon ? (this.#next() ?? '') : sign;
    const modifier = isColon ? `:${operator}` : sign;
    const isTrim = operator === '#' || operator === '%';
    if (!['-', '+', '?', '#', '%'].includes(operator) || (isColon && isTrim))
      throw new InstructionProblem(`unsupported modifier (${modifier}) in substitution`);
    const word = this.#inner('}', isTrim);
    const value = this.#get(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}${modifier}${word}}`;
    const isThere = value !== undefined && !(isColon && value === '');
    switch (operator) {
      case '-':
        return isThere ? value : word;
      case '+':
        return isThere ? word : '';
      case '?': {
        if (isThere) return value;
        const problem = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty';
        throw new InstructionProblem(`${name}: ${word === '' ? problem : word}`);
      }
      default: {
        const isGreedy = word.startsWith(operator);
        const pattern = isGreedy ? word.slice(1) : word;
        return (operator === '%' ? trimSuffix : trimPrefix)(pattern, value ?? '', isGreedy);
      }
    }
  }

  #replaced(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#next();
    const pattern = this.#inner('/', true);
    const replacement = this.#inner('}', true);
    const value = this.#get(name);
    if (value === undefined && this.#options.keepUnset) return `\${${name}/${pattern}/${replacement}}`;
    return replaceMatches(pattern, value ?? '', { replacement, all });
  }

  /** Letters, digits and `_`; digits alone, or one special parameter. */
  #name(): string {
    const first = this.#peek();
    if (first === undefined) return '';
    if (DIGIT.test(first)) return this.#while(DIGIT);
    if (!SPECIAL.has(first)) return this.#while(NAME_CHARACTER);
    this.#next();
    return first;
  }

  #while(kind: RegExp): string {
    let name = '';
    for (let character = this.#peek(); character !== undefined && kind.test(character); character = this.#peek()) {
      name += character;
      this.#next();
    }
    return name;
  }

  #get(name: string): string | undefined {
    const value = this.#options.lookup(name);
    this.names.add(name);
    if (value === undefined) this.unset.add(name);
    return value;
  }
}
