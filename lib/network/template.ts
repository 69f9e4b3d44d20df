/**
 * Bytes that are made of the same words each time, and of a few values which stand in them as they are: so another time's are a copy with the values
 * written over. Pure.
 */
export class Template<T> {
  readonly #bytes: Uint8Array;
  /** Where each value stands, of one or more places. */
  readonly #places: readonly (readonly number[])[];
  readonly #valuesOf: (of: T) => readonly Uint8Array[];

  private constructor(bytes: Uint8Array, places: readonly (readonly number[])[], valuesOf: (of: T) => readonly Uint8Array[]) {
    this.#bytes = bytes;
    this.#places = places;
    this.#valuesOf = valuesOf;
  }

  /**
   * @param of.samples two of one shape that have no value in common, and none that is found in the bytes by chance
   * @returns `null` where the second one's bytes are not those of the first with its values: by chance, or since `encode` does more than to put them in
   */
  static of<T>(of: {
    readonly samples: readonly [T, T];
    readonly encode: (of: T) => Uint8Array;
    readonly valuesOf: (of: T) => readonly Uint8Array[];
  }): Template<T> | null {
    const { samples, encode, valuesOf } = of;
    const [first, second] = samples;
    const bytes = encode(first);
    const template = new Template(
      bytes,
      valuesOf(first).map((value) => placesOf(bytes, value)),
      valuesOf,
    );
    return Buffer.from(template.fill(second)).equals(encode(second)) ? template : null;
  }

  fill(of: T): Uint8Array {
    const bytes = Buffer.from(this.#bytes);
    const values = this.#valuesOf(of);
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
