/** Levels of lists and objects, far more than any profile or config.json has. */
export const MAX_DEPTH = 100;
/** Digits of 2^64 - 1: longer numbers are too large for anything here, rounded too, and to read millions of digits takes long. */
const MAX_DIGITS = 20;

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = { true: true, false: false, null: null } as const;

type Path = readonly PropertyKey[];

/** Why a text is no JSON, and in which line. */
export interface JsonProblem {
  readonly problem: string;
  readonly line: number;
}

/**
 * Reads JSON that a person wrote. Other than JSON.parse, this keeps whole numbers exact, as bigints where they must be, refuses a key that
 * is there twice, bounds the depth, and knows lines.
 */
export function readJson(text: string, maxDepth = MAX_DEPTH): { readonly value: unknown } | JsonProblem {
  const reader = new Reader(text, null, maxDepth);
  try {
    return { value: reader.document() };
  } catch (stopped) {
    if (!(stopped instanceof Stop)) throw stopped;
    return { problem: stopped.message, line: lineAt(text, reader.at) };
  }
}

/** The line of the value at a path in a text that was read; where there is none, of the nearest value around that. */
export function lineOf(text: string, path: Path): number {
  const reader = new Reader(text, path);
  reader.document();
  return lineAt(text, reader.found);
}

function lineAt(text: string, end: number): number {
  return text.slice(0, end).split('\n').length;
}

class Stop extends Error {}

class Reader {
  at = 0;
  /** Where the value at the wanted path, or the nearest around it, begins. */
  found = 0;
  #nearest = -1;
  readonly #text: string;
  readonly #wanted: Path | null;
  readonly #maxDepth: number;

  constructor(text: string, wanted: Path | null, maxDepth = MAX_DEPTH) {
    this.#text = text;
    this.#wanted = wanted;
    this.#maxDepth = maxDepth;
  }

  document(): unknown {
    const value = this.#value(0, true);
    if (this.#next() !== undefined) throw this.#unexpected();
    return value;
  }

  /** @param isOnPath whether all keys down to here are those of the wanted path */
  #value(depth: number, isOnPath: boolean): unknown {
    if (depth > this.#maxDepth) throw new Stop(`is nested deeper than ${this.#maxDepth} levels`);
    const first = this.#next();
    if (isOnPath && depth > this.#nearest) {
      this.#nearest = depth;
      this.found = this.at;
    }
    const isNext = (key: PropertyKey) => isOnPath && this.#wanted?.[depth] === key;
    if (first === '{') return this.#object(depth, isNext);
    if (first === '[') return this.#list(depth, isNext);
    if (first === '"') return this.#string();
    return this.#numberOrWord();
  }

  #object(depth: number, isNext: (key: PropertyKey) => boolean): unknown {
    const entries = new Map<string, unknown>();
    this.#members('}', () => {
      if (this.#next() !== '"') throw this.#unexpected();
      const key = this.#string();
      if (entries.has(key)) throw new Stop(`has the key ${JSON.stringify(key)} twice`);
      this.#take(':');
      entries.set(key, this.#value(depth + 1, isNext(key)));
    });
    return Object.fromEntries(entries);
  }

  #list(depth: number, isNext: (key: PropertyKey) => boolean): unknown {
    const items: unknown[] = [];
    this.#members(']', () => items.push(this.#value(depth + 1, isNext(items.length))));
    return items;
  }

  /** Reads what is between brackets, with commas between the members. */
  #members(end: string, member: () => void): void {
    this.at++;
    if (this.#next() === end) {
      this.at++;
      return;
    }
    for (;;) {
      member();
      if (this.#next() === end) break;
      this.#take(',');
    }
    this.at++;
  }

  #string(): string {
    let end = this.at + 1;
    while (this.#text[end] !== '"') {
      if (end >= this.#text.length) throw new Stop('has a text without an end');
      end += this.#text[end] === '\\' ? 2 : 1;
    }
    let text: unknown;
    try {
      text = JSON.parse(this.#text.slice(this.at, end + 1));
    } catch {
      throw new Stop('has a text that is no JSON');
    }
    this.at = end + 1;
    return String(text);
  }

  #numberOrWord(): unknown {
    const number = this.#match(NUMBER);
    if (number !== null) {
      const value = Number(number);
      const isKept = Number.isSafeInteger(value) || number.length > MAX_DIGITS || !/^-?\d+$/.test(number);
      return isKept ? value : BigInt(number);
    }
    for (const [word, value] of Object.entries(WORDS)) {
      if (this.#text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    throw this.#unexpected();
  }

  /** The next character that is no space; `undefined` at the end. */
  #next(): string | undefined {
    this.#match(SPACE);
    return this.#text[this.at];
  }

  #take(character: string): void {
    if (this.#next() !== character) throw this.#unexpected();
    this.at++;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) return null;
    this.at += found.length;
    return found;
  }

  #unexpected(): Stop {
    const character = this.#text[this.at];
    return new Stop(character === undefined ? 'ends too early' : `is no JSON from ${JSON.stringify(character)} on`);
  }
}
