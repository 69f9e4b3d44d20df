import { usageError } from './config/runtime-error.js';

/** The flags of a command: 'value' flags take the next word, or what follows '='; 'list' flags may come several times. */
export type FlagTable = Readonly<Record<string, 'switch' | 'value' | 'list'>>;

/** A command line, cut into flags and words. */
export interface Flags {
  has(name: string): boolean;
  value(name: string): string | null;
  all(name: string): readonly string[];
  /** What is no flag. */
  readonly words: readonly string[];
}

/** How a command line is read. */
export interface FlagReading {
  readonly short?: Readonly<Record<string, string>> | undefined;
  /** Whether flags may also come after words. */
  readonly afterWords?: boolean | undefined;
}

/**
 * Reads flags until the first word that is none, or `--`: as urfave/cli does, by which runc reads its own. Names have one '-' or two; short names stand
 * for long ones. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a flag that is unknown, or lacks its value
 */
export function parseFlags(args: readonly string[], table: FlagTable, { short = {}, afterWords = false }: FlagReading = {}): Flags {
  const found = new Map<string, string[]>();
  const words: string[] = [];
  let at = 0;
  for (; at < args.length; ++at) {
    const word = args[at] ?? '';
    if (word === '--') {
      ++at;
      break;
    }
    const match = /^--?([a-zA-Z][\w-]*)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      if (!afterWords) break;
      words.push(word);
      continue;
    }
    const given = match[1] ?? '';
    const name = Object.hasOwn(short, given) ? (short[given] ?? given) : given;
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined) throw usageError(`flag provided but not defined: -${given}`);
    let value = match[2];
    if (kind === 'switch') {
      if (value !== undefined && value !== 'true' && value !== 'false')
        throw usageError(`invalid boolean value ${JSON.stringify(value)} for -${given}`);
      value ??= 'true';
    } else if (value === undefined) {
      ++at;
      value = args[at];
      if (value === undefined) throw usageError(`flag needs an argument: -${given}`);
    }
    found.set(name, kind === 'list' ? [...(found.get(name) ?? []), value] : [value]);
  }
  return {
    has: (name) => found.get(name)?.at(-1) === 'true',
    value: (name) => found.get(name)?.at(-1) ?? null,
    all: (name) => found.get(name) ?? [],
    words: [...words, ...args.slice(at)],
  };
}
