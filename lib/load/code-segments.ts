/** V8 takes code as it lies in memory when it begins at a multiple of this; else it copies it first. */
const ALIGNMENT = 8;
/** Ends the first line, which says what lies behind it. */
const END = '\n';

/** Puts code of several files into one, each under its name. Pure. */
export function packSegments(segments: ReadonlyMap<string, Buffer>): Buffer {
  const lengths = [...segments].map(([name, { length }]) => `${name} ${length}`).join(' ');
  const parts = [Buffer.from(`${lengths}${END}`, 'latin1'), ...segments.values()];
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.alloc(paddedLength(part.length) - part.length, ' ')]));
}

/** What {@link packSegments} was given; nothing of what it did not write. Pure. */
export function unpackSegments(packed: Buffer): Map<string, Buffer> {
  const segments = new Map<string, Buffer>();
  const end = packed.indexOf(END, 0, 'latin1');
  const words = packed.toString('latin1', 0, Math.max(end, 0)).split(' ');
  let at = paddedLength(end + END.length);
  for (let word = 0; word + 1 < words.length; word += 2) {
    const length = Number(words[word + 1]);
    if (!Number.isSafeInteger(length) || length < 0 || at + length > packed.length) return new Map();
    segments.set(words[word] ?? '', packed.subarray(at, at + length));
    at += paddedLength(length);
  }
  return segments;
}

/** A length with the padding behind it. Pure. */
export function paddedLength(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}
