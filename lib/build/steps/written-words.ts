import { DockerfileProblem } from '../language/build-error.js';
import { parseLines } from '../language/parse-lines.js';
import { isSpace } from '../language/spaces.js';

/**
 * A text as a word of a Dockerfile, in which variables keep their meaning, and so do `\$` and `\\`. Blanks are quoted, not escaped: at a line's end
 * an escaped one would go on in the next. `<` is escaped since two of them begin a heredoc.
 */
export function writtenWord(text: string): string {
  let word = '';
  const characters = [...text];
  for (let at = 0; at < characters.length; at++) {
    const [character = '', next = ''] = characters.slice(at, at + 2);
    if (character === '\\' && (next === '\\' || next === '$')) {
      word += character + next;
      at++;
    } else if (`\\"'<`.includes(character)) word += `\\${character}`;
    else word += isSpace(character) ? `"${character}"` : character;
  }
  // two dashes at the front would be a flag
  return word.startsWith('--') ? `\\${word}` : word;
}

/**
 * A flag, whose value is read as it is once the flags were cut: quotes and escapes are those of the cutting. `${` is escaped too: whoever looks for a heredoc
 * in the line finds none where it has no end.
 */
export function writtenFlag(name: string, value: string): string {
  const isPlain = !value.includes('${') && ![...value].some((character) => `\\"'`.includes(character) || isSpace(character));
  return `--${name}=${isPlain ? value : `"${value.replaceAll(/[\\"]|\$(?=\{)/g, '\\$&')}"`}`;
}

/** Whether a shell gets a text just as it is when it stands after these words in one line. */
export function isPlainText(before: string, text: string): boolean {
  if (text.includes('\n')) return false;
  try {
    const [line, ...others] = parseLines(`${before} ${text}`).lines;
    if (!line || others.length > 0 || line.json || line.heredocs.length > 0) return false;
    return line.words.at(-1) === text;
  } catch (error) {
    if (error instanceof DockerfileProblem) return false;
    throw error;
  }
}
