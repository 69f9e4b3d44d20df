import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Sample, Template } from '../../../lib/native/template.js';
import { Templates } from '../../../lib/native/templates.js';

/** What stands in bytes: words, or one of the values by its number. */
type Part = Uint8Array | number;

const write = (parts: readonly Part[], values: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? (values[part] ?? new Uint8Array()) : part)));
const sample = (parts: readonly Part[], values: readonly Uint8Array[]): Sample => ({ bytes: write(parts, values), values });
const texts = (...all: string[]): Uint8Array[] => all.map((text) => Buffer.from(text));

const SIZES = [4, 6, 9];
const values = fc.tuple(...SIZES.map((length) => fc.uint8Array({ minLength: length, maxLength: length })));
/** With words that are a value of one sample by chance. */
const written = fc.tuple(values, values, values).chain(([first, second, third]) => {
  const value = fc.nat(SIZES.length - 1);
  const parts = fc.array(fc.oneof(value, fc.uint8Array({ maxLength: 5 }), fc.constantFrom<Part>(...first, ...second)), { maxLength: 12 });
  return fc.record({ parts, first: fc.constant(first), second: fc.constant(second), third: fc.constant(third) });
});

describe('bytes that differ in values alone', () => {
  it('are those of another time with the values written over, whatever stands in them by chance', () => {
    fc.assert(
      fc.property(written, ({ parts, first, second, third }) => {
        const template = Template.of(sample(parts, first), sample(parts, second));
        const isShared = first.some((value, i) => Buffer.from(value).equals(second[i] ?? value));
        expect(template === null).toBe(isShared);
        if (template !== null) expect(Buffer.from(template.fill(third))).toEqual(Buffer.from(write(parts, third)));
      }),
      { numRuns: 2000 },
    );
  });

  it('have a value in a word that is another’s value by chance', () => {
    const all = ['ping 10.1.0.2 ', ' 10.1.0.21;'].map((word) => Buffer.from(word));
    const template = Template.of(sample([...all, 0], texts('10.1.0.2')), sample([...all, 0], texts('10.1.0.3')));
    expect(String(template?.fill(texts('10.1.0.4')))).toBe('ping 10.1.0.2  10.1.0.21;10.1.0.4');
  });

  it('have a value in a longer one, which may be another’s later', () => {
    const of = (short: string, long: string): Sample => sample([Buffer.from('at '), 1, Buffer.from(' and '), 0], texts(short, long));
    for (const turned of [false, true]) {
      const ordered = ({ bytes, values: all }: Sample): Sample => ({ bytes, values: turned ? all.toReversed() : all });
      const template = Template.of(ordered(of('10.1.0.2', '110.1.0.2')), ordered(of('10.1.0.3', '110.1.0.3')));
      const third = ordered(of('10.1.0.5', '110.1.0.9'));
      expect(String(template?.fill(third.values))).toBe(String(third.bytes));
    }
  });

  it('are no template where the samples have a value in common, or differ in more', () => {
    const word = Buffer.from('x');
    expect(Template.of(sample([0, 1], texts('ab', 'cd')), sample([0, 1], texts('ef', 'cd')))).toBeNull();
    expect(Template.of(sample([word, 0], texts('ab')), sample([Buffer.from('y'), 0], texts('ef')))).toBeNull();
    expect(Template.of(sample([0], texts('ab')), sample([0, word], texts('ef')))).toBeNull();
    expect(Template.of(sample([0], texts('ab')), sample([0], texts('efg')))).toBeNull();
  });
});

describe('templates of the newest shapes', () => {
  const key = [{}, 'none'];
  const kept = (templates: Templates<string>, ...all: string[]): void => {
    for (const text of all) templates.keep(key, sample([0], texts(text)), text);
  };
  const filled = (templates: Templates<string>, text: string, of: readonly unknown[] = key): unknown => {
    const found = templates.fill(of, texts(text));
    return found && [String(found.bytes), found.of];
  };

  it('are there once two were made of a shape: of the same parts, with values of the same lengths', () => {
    const templates = new Templates<string>(2);
    kept(templates, 'ab');
    expect(filled(templates, 'cd')).toBeNull();
    kept(templates, 'ef');
    expect(filled(templates, 'cd')).toEqual(['cd', 'ef']);
    expect(filled(templates, 'cde')).toBeNull();
    expect(filled(templates, 'cd', [{}, 'none'])).toBeNull();
    expect(filled(templates, 'cd', key.slice(0, 1))).toBeNull();
    expect(filled(templates, 'cd', [...key, 1])).toBeNull();
  });

  it('are of so many shapes', () => {
    const templates = new Templates<string>(2);
    kept(templates, 'ab', 'cd', 'abc', 'cde');
    expect([filled(templates, 'xy'), filled(templates, 'xyz')]).toEqual([
      ['xy', 'cd'],
      ['xyz', 'cde'],
    ]);
    kept(templates, 'a', 'b');
    expect([filled(templates, 'xy'), filled(templates, 'xyz'), filled(templates, 'x')]).toEqual([null, ['xyz', 'cde'], ['x', 'b']]);
  });
});
