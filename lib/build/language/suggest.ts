import { nearest } from '../../options/parse-options.js';

/** The end of a message about an unknown word: the right one that was probably meant, or ''. */
export function didYouMeanOf(word: string, known: readonly string[]): string {
  const right = nearest(word, known);
  return right === undefined ? '' : ` (did you mean ${right}?)`;
}
