/** Gives the text of a controller's file in the group, `null` where there is none. */
export type ReadFile = (controller: string, file: string) => string | null;

/** A file of the kernel's with one number, or `null` for 'max' and for what is no number. */
export function parseNumber(text: string): number | null {
  const word = text.trim();
  return /^-?\d+$/.test(word) ? Number(word) : null;
}

const NOTHING: ReadonlyMap<string, number> = new Map();

/** Lines of a word and a number ('flat keyed'). Lines that are none are left out. */
export function parseKeyed(text: string): ReadonlyMap<string, number> {
  if (text === '') return NOTHING;
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const end = line.indexOf(' ');
    const number = parseNumber(line.slice(end + 1));
    if (end > 0 && number !== null) values.set(line.slice(0, end), number);
  }
  return values;
}

/** The number behind one word of such lines, with no table of the others; `undefined`: there is none. */
export function keyedNumber(text: string, key: string): number | undefined {
  const at = `\n${text}`.indexOf(`\n${key} `);
  if (at < 0) return undefined;
  const begin = at + key.length + 1;
  const end = text.indexOf('\n', begin);
  return parseNumber(text.slice(begin, end < 0 ? undefined : end)) ?? undefined;
}

/** Lines of a name and words such as 'rbytes=1' ('nested keyed'). */
export function parseNested(text: string): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const lines = new Map<string, ReadonlyMap<string, number>>();
  for (const line of text.split('\n')) {
    const [name, ...words] = line.split(' ');
    if (!name || words.length === 0) continue;
    const values = new Map<string, number>();
    for (const word of words) {
      const end = word.indexOf('=');
      const number = word.slice(end + 1);
      if (end > 0 && /^-?\d+(\.\d+)?$/.test(number)) values.set(word.slice(0, end), Number(number));
    }
    if (values.size > 0) lines.set(name, values);
  }
  return lines;
}
