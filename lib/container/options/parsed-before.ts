/** How many are kept: the shapes of a program that alternates between some. One takes some KiB, so there is room for more than are made ahead (`prewarm.ts`). */
const MOST = 16;
/** What a copy may be made of, as long as to compare it costs much less than to check the options: values, and characters of all strings. */
const MOST_VALUES = 200;
const MOST_CHARACTERS = 4096;

interface Kept<T> {
  /** A copy, which no change of the caller's reaches. */
  readonly given: unknown;
  /** Relative paths are of it. */
  readonly folder: string;
  readonly parsed: T;
}

/**
 * What options of plain data came to, for the next ones that are the same: a program that runs one thing after the other gives new objects each time,
 * which say the same. Numbers, strings and the like, arrays and plain objects are compared one by one, the names in their order too; options
 * that have anything else, such as a stream or a function, are checked each time, and so are large ones.
 */
export class ParsedBefore<T> {
  readonly #kept: Kept<T>[] = [];

  find(given: unknown, folder: string): T | undefined {
    const at = this.#kept.findIndex((kept) => kept.folder === folder && isSame(kept.given, given));
    if (at < 0) return undefined;
    const [found] = at === 0 ? this.#kept : this.#kept.splice(at, 1);
    if (found !== undefined && at > 0) this.#kept.unshift(found);
    return found?.parsed;
  }

  keep(given: unknown, folder: string, parsed: T): void {
    const room = { values: MOST_VALUES, characters: MOST_CHARACTERS };
    const copy = copyOf(given, room);
    if (copy === NOT_PLAIN) return;
    this.#kept.unshift({ given: copy, folder, parsed });
    if (this.#kept.length > MOST) this.#kept.pop();
  }
}

const NOT_PLAIN = Symbol('not plain');

function isPlain(value: object): value is Record<string, unknown> {
  return Object.getPrototypeOf(value) === Object.prototype;
}

function copyOf(value: unknown, room: { values: number; characters: number }): unknown {
  if (typeof value === 'string') room.characters -= value.length;
  if (--room.values < 0 || room.characters < 0) return NOT_PLAIN;
  if (typeof value !== 'object' || value === null) return typeof value === 'function' || typeof value === 'symbol' ? NOT_PLAIN : value;
  if (Array.isArray(value)) {
    const items = value.map((item) => copyOf(item, room));
    return items.includes(NOT_PLAIN) ? NOT_PLAIN : items;
  }
  if (!isPlain(value)) return NOT_PLAIN;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const item = copyOf(value[name], room);
    // an own property of that name can't be made so
    if (item === NOT_PLAIN || name === '__proto__') return NOT_PLAIN;
    room.characters -= name.length;
    copy[name] = item;
  }
  return copy;
}

/** Whether `given` is the same as what was copied. */
function isSame(kept: unknown, given: unknown): boolean {
  if (Object.is(kept, given)) return true;
  if (typeof kept !== 'object' || kept === null || typeof given !== 'object' || given === null) return false;
  if (Array.isArray(kept)) return Array.isArray(given) && kept.length === given.length && kept.every((item, i) => isSame(item, given[i]));
  if (Array.isArray(given) || !isPlain(kept) || !isPlain(given)) return false;
  const [names, others] = [Object.keys(kept), Object.keys(given)];
  return names.length === others.length && names.every((name, i) => name === others[i] && isSame(kept[name], given[name]));
}
