import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { digestOf, parseDigest, Verifier } from '../../../../lib/image/formats/digest.js';

const hex = 'b'.repeat(64);

describe('parseDigest', () => {
  it('reads both algorithms', () => {
    expect(parseDigest(`sha256:${hex}`)).toEqual({ algorithm: 'sha256', hex });
    expect(parseDigest(`sha512:${hex}${hex}`)).toEqual({ algorithm: 'sha512', hex: hex + hex });
  });

  it.each([
    '',
    'sha256:',
    `sha256:${hex}c`,
    `sha512:${hex}`,
    `md5:${hex}`,
    `sha256:../../${hex.slice(6)}`,
    `sha256:${hex}\n`,
    `SHA256:${hex}`,
    `sha256:${hex.toUpperCase()}`,
  ])('refuses %j', (text) => expect(() => parseDigest(text)).toThrow(expect.objectContaining({ name: 'ImageError' })));
});

describe('Verifier', () => {
  const bytes = Buffer.from('some bytes of a layer');
  const pass = async (expected: { digest: string; size?: number }): Promise<string> => {
    const out: Buffer[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _, done) {
        out.push(chunk);
        done();
      },
    });
    await pipeline(Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]), new Verifier({ ...expected, what: 'layer' }), sink);
    return Buffer.concat(out).toString();
  };

  it('passes what was promised', async () => {
    expect(await pass({ digest: digestOf(bytes), size: bytes.length })).toBe(String(bytes));
    expect(await pass({ digest: `sha512:${createHash('sha512').update(bytes).digest('hex')}` })).toBe(String(bytes));
  });

  it.each([
    ['other bytes', { digest: `sha256:${hex}` }, /damaged or forged/],
    ['too few', { digest: digestOf(bytes), size: bytes.length + 1 }, /has 21 bytes where its descriptor says 22/],
    ['too many', { digest: digestOf(bytes), size: 4 }, /longer than the 4 bytes/],
  ])('fails on %s', (_, expected, message) => expect(pass(expected)).rejects.toThrow(message));
});
