/** Bytes in which some values stand as they are, each in one or more places. */
export interface Sample {
  readonly bytes: Uint8Array;
  readonly values: readonly Uint8Array[];
}

/**
 * Bytes that are made of the same words each time, and of a few values which stand in them as they are: so another time's are a copy with the values
 * written over. Pure.
 */
export class Template {
  readonly #bytes: Uint8Array;
  /** Of each value. */
  readonly #places: readonly (readonly number[])[];

  private constructor(bytes: Uint8Array, places: readonly (readonly number[])[]) {
    this.#bytes = bytes;
    this.#places = places;
  }

  /**
   * A value has its places where the first sample has its own, and the second one its own: what is there by chance is in one of them alone. What lies in a place
   * of a longer value is that one's.
   *
   * @returns `null` where the samples have a value in common, or the second one's bytes are not those of the first with its values
   */
  static of(first: Sample, second: Sample): Template | null {
    const pairs = first.values.map((value, i) => ({ value, other: Buffer.from(second.values[i] ?? []) }));
    if (pairs.some(({ value, other }) => value.length !== other.length || other.equals(value))) return null;
    const others = Buffer.from(second.bytes);
    const isAt = (value: Uint8Array, place: number): boolean => others.subarray(place, place + value.length).equals(value);
    const all = pairs.map(({ value, other }) => placesOf(first.bytes, value).filter((place) => isAt(other, place)));
    const isInLonger = (place: number, { length }: Uint8Array): boolean =>
      first.values.some(
        (longer, i) => longer.length > length && all[i]?.some((start) => start <= place && place + length <= start + longer.length),
      );
    const places = first.values.map((value, i) => all[i]?.filter((place) => !isInLonger(place, value)) ?? []);
    const template = new Template(first.bytes, places);
    return others.equals(template.fill(second.values)) ? template : null;
  }

  /** @param values as many as the samples have, of the same lengths */
  fill(values: readonly Uint8Array[]): Uint8Array {
    const bytes = Buffer.from(this.#bytes);
    for (const [which, places] of this.#places.entries()) {
      const value = values[which];
      if (value !== undefined) for (const place of places) bytes.set(value, place);
    }
    return bytes;
  }
}

function placesOf(bytes: Uint8Array, value: Uint8Array): number[] {
  const places: number[] = [];
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = all.indexOf(value); at >= 0; at = all.indexOf(value, at + 1)) places.push(at);
  return places;
}
