/** What files' bytes were, by the files' paths in the tree that they come from: SHA-256 in hexadecimal. */
export type KnownBytes = Pick<ReadonlyMap<string, string>, 'get'>;

const LENGTH = 32;

/** The same of files in an order that is known before their bytes are. It needs few bytes for each, since there may be hundreds of thousands. */
export class OrderedHashes implements KnownBytes {
  readonly #places = new Map<string, number>();
  #hashes = Buffer.alloc(1024 * LENGTH);
  #length = 0;

  /** Gives a path the next place. @returns `false`: it has one */
  begin(path: string): boolean {
    if (this.#places.has(path)) return false;
    this.#places.set(path, this.#places.size);
    return true;
  }

  /** The hash of the next place. */
  push(hex: string): void {
    const end = this.#length + LENGTH;
    if (end > this.#hashes.length) this.#hashes = Buffer.concat([this.#hashes, Buffer.alloc(this.#hashes.length)]);
    this.#hashes.write(hex, this.#length, 'hex');
    this.#length = end;
  }

  get(path: string): string | undefined {
    const place = this.#places.get(path);
    if (place === undefined || place * LENGTH >= this.#length) return undefined;
    return this.#hashes.toString('hex', place * LENGTH, (place + 1) * LENGTH);
  }
}
