import type { Extent } from './holes.js';

/** What files' bytes were, by the files' paths in the tree that they come from. */
export interface KnownBytes {
  /** SHA-256 in hexadecimal. */
  get(path: string): string | undefined;
  /** What of a file is more than zeros; `undefined`: it has no holes. */
  extents?(path: string): readonly Extent[] | undefined;
}

const LENGTH = 32;
/** Files of a page. */
const PAGE = 1024;

/** Some files that came one after the other. */
interface Page {
  /** Each with a zero byte at its end. */
  readonly paths: Buffer;
  readonly hashes: Buffer;
}

/**
 * The same of files that are asked for in about the order in which they came: then each is found where the last one was. It needs little more than the bytes
 * of their paths and hashes, since there may be millions.
 */
export class OrderedHashes implements KnownBytes {
  readonly #pages: Page[] = [];
  /** Those that are no page yet. */
  #paths: string[] = [];
  #hashes = Buffer.alloc(PAGE * LENGTH);
  /** Where the last one was found: its page, what paths that has, and its place there. */
  #at = 0;
  #open: readonly string[] | null = null;
  #place = 0;
  /** Of the few files that have holes. */
  readonly #extents = new Map<string, readonly Extent[]>();

  /**
   * @param hash SHA-256 in hexadecimal
   * @param extents `null`: the file has no holes
   */
  push(path: string, hash: string, extents: readonly Extent[] | null = null): void {
    if (extents) this.#extents.set(path, extents);
    this.#hashes.write(hash, this.#paths.length * LENGTH, 'hex');
    this.#paths.push(path);
    if (this.#paths.length === PAGE) this.#turn();
  }

  extents(path: string): readonly Extent[] | undefined {
    return this.#extents.get(path);
  }

  get(path: string): string | undefined {
    if (this.#paths.length > 0) this.#turn();
    for (let turned = 0; turned <= this.#pages.length; turned++) {
      const page = this.#pages[this.#at];
      if (!page) break;
      const place = this.#placeIn(page, path);
      if (place >= 0) {
        this.#place = place + 1;
        return page.hashes.toString('hex', place * LENGTH, (place + 1) * LENGTH);
      }
      this.#at = (this.#at + 1) % this.#pages.length;
      [this.#open, this.#place] = [null, 0];
    }
    return undefined;
  }

  /** From the place of the last one on; once more from the first page on, all of the page is looked at. */
  #placeIn(page: Page, path: string): number {
    if (this.#open?.[this.#place] === path) return this.#place;
    if (!page.paths.includes(`${path}\0`)) return -1;
    this.#open ??= page.paths.toString().split('\0');
    const place = this.#open.indexOf(path, this.#place);
    return place >= 0 ? place : this.#open.indexOf(path);
  }

  /** Makes a page of what came last. */
  #turn(): void {
    const count = this.#paths.length;
    const paths = Buffer.from(this.#paths.map((path) => `${path}\0`).join(''));
    this.#pages.push({ paths, hashes: count === PAGE ? this.#hashes : Buffer.from(this.#hashes.subarray(0, count * LENGTH)) });
    this.#paths = [];
    this.#hashes = Buffer.alloc(PAGE * LENGTH);
  }
}
