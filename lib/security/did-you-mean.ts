import { nearest } from '../options/parse-options.js';

/** The end of a message about an unknown name: the one that was probably meant, or ''. */
export function didYouMean(name: string, known: readonly string[]): string {
  const right = nearest(name, known);
  return right === undefined ? '' : `; did you mean '${right}'?`;
}
