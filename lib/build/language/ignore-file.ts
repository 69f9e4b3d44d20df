import { BuildError, InstructionProblem } from './build-error.js';
import { cleanPath, type IgnorePattern, ignorePattern } from './ignore-pattern.js';

/** Which of an ignore file's patterns have matched a folder: those match all that is below it. */
export type Matched = readonly boolean[];

/** The largest ignore file. */
const LARGEST = 16 * 1024 * 1024;
const MOST_PATTERNS = 10_000;

/** The lines of an ignore file that say something, each cleaned as BuildKit cleans it. */
export function ignoreLines(source: string): string[] {
  const lines = source.replace(/^\uFEFF/, '').split(/\r?\n/);
  return lines.flatMap((line) => {
    // a comment begins at the line's first character
    const pattern = line.startsWith('#') ? '' : line.trim();
    if (pattern === '') return [];
    const sign = pattern.startsWith('!') ? '!' : '';
    const path = sign ? pattern.slice(1).trim() : pattern;
    const cleaned = path === '' ? '' : cleanPath(path);
    return [sign + (cleaned.length > 1 ? cleaned.replace(/^\//, '') : cleaned)];
  });
}

/**
 * Reads an ignore file.
 *
 * @throws BuildError for a pattern that is malformed
 */
export function parseIgnoreFile(source: string, file: string): IgnoreRules {
  const fail = (message: string): BuildError => new BuildError(`${file}: ${message}`, { file, line: 0, code: 'ERR_DOCKERFILE' });
  if (source.length > LARGEST) throw fail(`it is larger than ${LARGEST} bytes`);
  try {
    return new IgnoreRules(ignoreLines(source));
  } catch (error) {
    throw error instanceof InstructionProblem ? fail(error.message) : error;
  }
}

/** What is not copied from a context: patterns, of which the last that matches counts. */
export class IgnoreRules {
  readonly #patterns: readonly IgnorePattern[];

  /** @throws InstructionProblem for a pattern that is malformed */
  constructor(lines: readonly string[]) {
    if (lines.length > MOST_PATTERNS) throw new InstructionProblem(`more than ${MOST_PATTERNS} patterns`);
    this.#patterns = lines.map(ignorePattern).filter((pattern) => pattern !== null);
  }

  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /**
   * Whether a path is ignored.
   *
   * @param path relative to the context, cleaned
   * @param above what has matched the folder that it is in; without it all of its folders are tried
   */
  test(path: string, above?: Matched): { readonly isIgnored: boolean; readonly matched: Matched } {
    let isIgnored = false;
    const matched = this.#patterns.map((pattern, index) => {
      const isMatch =
        above?.[index] === true ||
        (pattern.isException === isIgnored && (pattern.matches(path) || (!above && this.#matchesAbove(pattern, path))));
      if (isMatch) isIgnored = !pattern.isException;
      return isMatch;
    });
    return { isIgnored, matched };
  }

  /** Whether something in an ignored folder may not be ignored: else nobody need look into it. */
  mayReachInto(folder: string): boolean {
    return this.#patterns.some((pattern) => pattern.isException && mayMatchBelow(pattern, folder));
  }

  /** Whether a pattern may match something in a folder that none matches. */
  mayMatchInto(folder: string): boolean {
    return this.#patterns.some((pattern) => mayMatchBelow(pattern, folder));
  }

  #matchesAbove(pattern: IgnorePattern, path: string): boolean {
    const names = path.split('/');
    return names.slice(1).some((_, index) => pattern.matches(names.slice(0, index + 1).join('/')));
  }
}

function mayMatchBelow({ text }: IgnorePattern, folder: string): boolean {
  const [plain = ''] = /^[^*?[\\]*/.exec(text) ?? [];
  return plain.startsWith(`${folder}/`) || `${folder}/`.startsWith(plain) || text === folder;
}
