import { InstructionProblem } from './build-error.js';

/** How long a word may get, in UTF-16 units: a Dockerfile could double it in each line. */
const LONGEST_WORD = 1024 * 1024;

/** A word and what comes after it. @throws InstructionProblem for a word that gets too long */
export function longerWord(word: string, more: string): string {
  if (word.length + more.length > LONGEST_WORD) throw new InstructionProblem(`a word gets longer than ${LONGEST_WORD} characters`);
  return word + more;
}
