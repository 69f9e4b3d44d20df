/** Some bytes of a file: the others, between two of these, are zeros. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** What is a hole of a file in a layer, from a multiple of it on. */
const HOLE = 1024 ** 2;
const ZEROS = Buffer.alloc(256 * 1024);

/**
 * Finds what of a file is more than zeros, while its bytes come. That depends on the bytes alone, and not on where the file system has holes: so the same bytes
 * give the same layer. Holes are large, for some readers of archives know none: hardly a file has so many zeros that was not made with holes.
 */
export class HoleFinder {
  readonly #extents: { readonly offset: number; length: number }[] = [];
  #size = 0;
  /** Where the part of {@link HOLE} bytes began, and whether all of it is zeros so far. */
  #from = 0;
  #isZero = true;
  #hasHole = false;

  take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, this.#from + HOLE - this.#size);
      this.#isZero &&= isZero(bytes.subarray(at, at + count));
      at += count;
      this.#size += count;
      if (this.#size === this.#from + HOLE) this.#next();
    }
  }

  /** To be called once, after the last bytes. @returns what is more than zeros, in order; `null`: there is no hole */
  end(): readonly Extent[] | null {
    // the rest is a hole when one goes on there
    const last = this.#extents.at(-1);
    const isInHole = this.#from > 0 && (last === undefined || last.offset + last.length < this.#from);
    if (this.#size > this.#from && !(this.#isZero && isInHole)) this.#add();
    return this.#hasHole ? this.#extents : null;
  }

  #next(): void {
    if (this.#isZero) this.#hasHole = true;
    else this.#add();
    this.#from = this.#size;
    this.#isZero = true;
  }

  #add(): void {
    const last = this.#extents.at(-1);
    if (last && last.offset + last.length === this.#from) last.length = this.#size - last.offset;
    else this.#extents.push({ offset: this.#from, length: this.#size - this.#from });
  }
}

/**
 * What of some bytes of a file lies in its extents.
 *
 * @param at where the bytes begin in the file
 * @param extents in order
 * @returns the parts, and `null` for each place that has bytes where there should be a hole
 */
export function* partsOf(bytes: Buffer, at: number, extents: readonly Extent[]): Generator<Buffer | null, void, undefined> {
  const end = at + bytes.length;
  let done = at;
  for (const { offset, length } of extents) {
    const [from, to] = [Math.max(at, offset), Math.min(end, offset + length)];
    if (from >= to) continue;
    if (!isZero(bytes.subarray(done - at, from - at))) yield null;
    yield bytes.subarray(from - at, to - at);
    done = to;
  }
  if (!isZero(bytes.subarray(done - at))) yield null;
}

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}
