import { execFileSync } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressionOf, decompression } from '../../../../lib/image/formats/decompress.js';
import { requires } from '../../../fixtures/requires.js';

/** In pieces of so many bytes, as a network brings them. */
async function decompressed(bytes: Buffer, piece = 1000): Promise<Buffer> {
  const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) => bytes.subarray(i * piece, (i + 1) * piece));
  const stages = await decompression(compressionOf(bytes));
  const plain = new PassThrough();
  const [read] = await Promise.all([buffer(plain), pipeline([Readable.from(pieces), ...stages, plain])]);
  return read;
}

const zstd = (plain: Buffer, ...options: string[]): Buffer =>
  execFileSync('zstd', ['-q', '-c', ...options], { input: plain, maxBuffer: 1 << 28 });
/** Not toEqual, which looks at bytes one by one: a second for these. */
const expectSame = (found: Buffer, expected: Buffer): void =>
  expect([found.length, found.equals(expected)]).toEqual([expected.length, true]);
const text = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i % 97} ${i}\n`).join(''));

describe('gzip', () => {
  it('of any bytes, in several members', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5000 }),
        async (parts, piece) => {
          const members = Buffer.concat(parts.map((part) => gzipSync(part)));
          expectSame(await decompressed(members, piece), Buffer.concat(parts));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('that is cut is an error', async () => {
    await expect(decompressed(gzipSync(text).subarray(0, -20))).rejects.toThrow();
  });
});

const withZstd = requires({ tools: ['zstd'] });
withZstd.describe('zstd', () => {
  withZstd.it.each([['-1'], ['-19'], ['--no-check'], ['--check', '-3'], ['--ultra', '-20']])('by the program, %s', async (...options) => {
    expectSame(await decompressed(zstd(text, ...options), 777), text);
  });

  withZstd.it('in several frames, one of them to be skipped', async () => {
    const skipped = Buffer.from('502a4d1803000000616263', 'hex');
    const frames = Buffer.concat([zstd(text), skipped, zstd(Buffer.from('more')), zstd(Buffer.alloc(0))]);
    for (const piece of [1, 10, 1000, frames.length]) {
      expectSame(await decompressed(frames, piece), Buffer.concat([text, Buffer.from('more')]));
    }
  });

  withZstd.it('that wants more memory than it is worth is an error', async () => {
    // what -22 asks for, which takes the program a second
    await expect(decompressed(zstd(text, '--zstd=wlog=27'))).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  });

  withZstd.it('that is cut, or followed by something else, is an error', async () => {
    const whole = zstd(text);
    await expect(decompressed(whole.subarray(0, -5))).rejects.toThrow();
    await expect(decompressed(Buffer.concat([whole, Buffer.from('junk that is none')]))).rejects.toThrow();
  });
});

it('what is neither is as it is', async () => {
  expectSame(await decompressed(text), text);
});
