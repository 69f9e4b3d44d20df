import { type Sample, Template } from './template.js';

/** What bytes follow from beside their values: the same parts, the same bytes. */
export type TemplateKey = readonly unknown[];

interface Known<T> {
  readonly key: TemplateKey;
  /** The newest that was made. */
  readonly sample: Sample;
  /** `null`: another sample is to be made, by which it is seen where the values stand. */
  readonly template: Template | null;
  readonly of: T;
}

/** Templates of the newest shapes of bytes, with what else is known of each: bytes are made for the first two of a shape, and filled in for all others. */
export class Templates<T> {
  readonly #most: number;
  #known: readonly Known<T>[] = [];

  /** @param most how many shapes are kept */
  constructor(most: number) {
    this.#most = most;
  }

  /** `null`: they are to be made, and {@link keep kept}. */
  fill(key: TemplateKey, values: readonly Uint8Array[]): { readonly bytes: Uint8Array; readonly of: T } | null {
    const known = this.#find(key, values);
    return known?.template ? { bytes: known.template.fill(values), of: known.of } : null;
  }

  keep(key: TemplateKey, sample: Sample, of: T): void {
    const known = this.#find(key, sample.values);
    const others = this.#known.filter((one) => one !== known).slice(0, this.#most - 1);
    this.#known = [{ key, sample, template: known ? Template.of(known.sample, sample) : null, of }, ...others];
  }

  #find(key: TemplateKey, values: readonly Uint8Array[]): Known<T> | undefined {
    const isOf = ({ key: other, sample }: Known<T>): boolean =>
      areSame(other, key) &&
      areSame(
        sample.values.map(({ length }) => length),
        values.map(({ length }) => length),
      );
    return this.#known.find(isOf);
  }
}

function areSame(one: TemplateKey, other: TemplateKey): boolean {
  return one.length === other.length && one.every((part, i) => part === other[i]);
}
