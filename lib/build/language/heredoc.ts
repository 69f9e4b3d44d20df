import { InstructionProblem } from './build-error.js';
import { expandWords } from './expand-words.js';

/** A heredoc of an instruction, without its text: `<<-EOF`. */
export interface HeredocStart {
  readonly name: string;
  /** No part of the name is quoted, so that variables in the text have their values put in. */
  readonly expand: boolean;
  /** With `<<-`: leading tabs are no part of the text. */
  readonly chomp: boolean;
}

export interface Heredoc extends HeredocStart {
  /** As it is written in the file, leading tabs included. */
  readonly content: string;
}

const HEREDOC = /^\d*<<(-?)[\t\n\f\r ]*([^<]*)$/;
const UNSET = { escaper: '\\', lookup: () => undefined, keepUnset: true } as const;

/** Reads one word as the start of a heredoc; `null`: it is none. */
export function heredocStart(word: string): HeredocStart | null {
  const [, dash, rest = ''] = HEREDOC.exec(word) ?? [];
  if (rest === '') return null;
  const [name, ...others] = expandWords(rest, UNSET);
  if (name === undefined || others.length > 0) return null;
  const [raw = ''] = expandWords(rest, { ...UNSET, rawQuotes: true });
  return { name, expand: quotesIn(name) === quotesIn(raw), chomp: dash === '-' };
}

/** The heredocs that begin in an instruction's line. A line whose words can't be told has none. @throws InstructionProblem */
export function heredocsIn(line: string): HeredocStart[] {
  let words: readonly string[];
  try {
    words = expandWords(line, { ...UNSET, rawQuotes: true, rawEscapes: true });
  } catch (error) {
    if (error instanceof InstructionProblem) return [];
    throw error;
  }
  return words.map(heredocStart).filter((start) => start !== null);
}

/** The text that a heredoc stands for. */
export function contentOf({ chomp, content }: Heredoc): string {
  return chomp ? content.replaceAll(/^\t+/gm, '') : content;
}

function quotesIn(text: string): number {
  return text.replaceAll(/[^'"]/g, '').length;
}
