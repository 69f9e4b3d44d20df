import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Collector, outputOf } from '../../../../lib/process/streams/collect.js';

/** Some bytes, and a way to cut them up. */
const chunked = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });

/** Characters of one to four bytes. Not fast-check's own unit `binary`, which makes a map of all of Unicode first: a second. */
const character = fc
  .oneof(
    fc.nat(0x7f),
    fc.integer({ min: 0x80, max: 0x7ff }),
    fc.integer({ min: 0x800, max: 0xffff }),
    fc.integer({ min: 0x1_0000, max: 0x10_ffff }),
  )
  .map((code) => String.fromCodePoint(code));

function collect(chunks: readonly Uint8Array[], limit: number | null, keep = true): { collector: Collector; overflows: number } {
  let overflows = 0;
  const collector = new Collector({ limit, keep }, () => overflows++);
  for (const chunk of chunks) collector.push(chunk);
  return { collector, overflows };
}

describe('Collector', () => {
  it('keeps the first bytes, and tells once that there were more', () => {
    fc.assert(
      fc.property(chunked, fc.nat(500), (chunks, limit) => {
        const all = Buffer.concat(chunks);
        const { collector, overflows } = collect(chunks, limit);
        expect(collector.bytes().equals(all.subarray(0, limit))).toBe(true);
        expect(overflows).toBe(all.length > limit ? 1 : 0);
        expect(collector.overflowed).toBe(all.length > limit);
      }),
    );
  });

  it('gives back what is within the limit, kept or not', () => {
    fc.assert(
      fc.property(chunked, fc.nat(500), fc.boolean(), (chunks, limit, keep) => {
        const collector = new Collector({ limit, keep }, () => undefined);
        const within = Buffer.concat(chunks.map((chunk) => collector.push(chunk)));
        const first = Buffer.concat(chunks).subarray(0, limit);
        expect(within.equals(first)).toBe(true);
        expect(collector.bytes().equals(keep ? first : Buffer.alloc(0))).toBe(true);
      }),
    );
  });

  it('without a limit takes any number', () => {
    expect(collect([Buffer.alloc(5000)], null, false)).toMatchObject({ overflows: 0, collector: { overflowed: false } });
  });

  it('decodes characters that lie across chunks', () => {
    fc.assert(
      fc.property(fc.string({ unit: character, maxLength: 60 }), fc.integer({ min: 1, max: 7 }), (string, step) => {
        const bytes = Buffer.from(string);
        const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => bytes.subarray(i * step, (i + 1) * step));
        expect(collect(chunks, bytes.length).collector.text()).toBe(bytes.toString('utf8'));
      }),
    );
  });

  it('leaves out a character that the limit cut through, and shows one that the program did not finish', () => {
    expect(collect([Buffer.from('aé')], 2).collector.text()).toBe('a');
    expect(collect([Buffer.from('aé').subarray(0, 2)], 2).collector.text()).toBe('a\ufffd');
  });

  it('puts small chunks together and keeps large ones in order', () => {
    const chunks = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 100 === 0 ? 20_000 : 50, i % 256));
    const { collector } = collect(chunks, 1e9);
    expect(collector.bytes().equals(Buffer.concat(chunks))).toBe(true);
    collector.push(Buffer.from('more'));
    expect(collector.bytes().subarray(-4).toString()).toBe('more');
  });

  it('is not changed by what becomes of a chunk later', () => {
    const chunk = Buffer.from('kept');
    const { collector } = collect([chunk], 100);
    chunk.fill(0);
    expect(collector.text()).toBe('kept');
  });
});

describe('outputOf', () => {
  it('is empty where nothing was collected', () => {
    expect(outputOf(null, 'utf8')).toBe('');
    expect(outputOf(null, 'buffer')).toEqual(new Uint8Array());
  });

  it('gives bytes for buffer', () => {
    expect(outputOf(collect([new Uint8Array([0xff])], 9).collector, 'buffer')).toEqual(Buffer.from([0xff]));
  });
});
