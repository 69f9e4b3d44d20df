import { BLANKS, isSpace, trim } from './spaces.js';

/** An instruction's line, in its parts. */
export interface SplitLine {
  /** As it is written. */
  readonly word: string;
  /** The words before all others that begin with '--', without quotes and escapes. */
  readonly flags: readonly string[];
  readonly rest: string;
}

export function splitInstruction(line: string, escaper: string): SplitLine {
  const text = trim(line);
  const blanks = BLANKS.exec(text);
  if (!blanks) return { word: text, flags: [], rest: '' };
  const { flags, rest } = splitFlags(text.slice(blanks.index + blanks[0].length), escaper);
  return { word: text.slice(0, blanks.index), flags, rest: trim(rest) };
}

/** Takes the flags off the front: '--' alone ends them. */
function splitFlags(line: string, escaper: string): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line.charAt(at))) at++;
    if (!line.startsWith('--', at)) return { flags, rest: line.slice(at) };
    const { word, end, isQuoted } = flagAt(line, at, escaper);
    at = end;
    if (word === '--') return { flags, rest: line.slice(at) };
    if (isQuoted || word !== '') flags.push(word);
  }
}

function flagAt(line: string, start: number, escaper: string): { readonly word: string; readonly end: number; readonly isQuoted: boolean } {
  let word = '';
  let quote: string | null = null;
  let isQuoted = false;
  let at = start;
  for (; at < line.length; at++) {
    const character = line.charAt(at);
    if (quote === null && isSpace(character)) break;
    if (quote === null && (character === "'" || character === '"')) {
      quote = character;
      isQuoted = true;
    } else if (character === quote) quote = null;
    // an escape at the end of the line stands for nothing
    else if (character === escaper) word += line.charAt(++at);
    else word += character;
  }
  return { word, end: at, isQuoted };
}

/** Cuts at spaces that are neither quoted nor escaped. Quotes and escapes stay. */
export function quotedWords(text: string, escaper: string): string[] {
  const words: string[] = [];
  let word = '';
  let hasWord = false;
  let quote: string | null = null;
  const end = (): void => {
    if (hasWord) words.push(word);
    word = '';
    hasWord = false;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === null && isSpace(character)) {
      end();
      continue;
    }
    // nothing can be escaped in single quotes
    if (character === escaper && quote !== "'") {
      // an escape at the end stands for nothing
      if (at + 1 === text.length) break;
      word += character + text.charAt(++at);
      hasWord = true;
      continue;
    }
    if (quote === null && (character === "'" || character === '"')) quote = character;
    else if (character === quote) quote = null;
    word += character;
    hasWord = true;
  }
  end();
  return words;
}
