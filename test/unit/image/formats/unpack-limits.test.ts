import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../../../lib/image/formats/default-limits.js';
import { Cap, mostBytes, unpackLimits } from '../../../../lib/image/formats/unpack-limits.js';

const MIB = 1024 ** 2;

describe('the limits of unpacking', () => {
  it('have defaults', () => {
    const defaults = { maxBytes: 64 * 1024 ** 3, maxEntries: 5_000_000, maxPathLength: 4095, maxDepth: 512, maxRatio: 200 };
    expect(DEFAULT_LIMITS).toEqual(defaults);
    expect(unpackLimits.parse(undefined)).toEqual(defaults);
    expect(unpackLimits.parse({ maxBytes: '2g' })).toEqual({ ...defaults, maxBytes: 2 * 1024 ** 3 });
  });

  it.each([
    { maxBytes: 0 },
    { maxBytes: 'much' },
    { maxEntries: 1.5 },
    { maxEntries: 0 },
    { maxPathLength: 4096 },
    { maxDepth: -1 },
    { maxRatio: 0.5 },
    { maxRatio: Number.NaN },
    { max: 1 },
  ])('refuse %j', (wrong) => {
    expect(unpackLimits.safeParse(wrong).success).toBe(false);
  });

  it('bound a blob by whichever is less', () => {
    expect(mostBytes(DEFAULT_LIMITS, MIB)).toEqual({ bytes: 200 * MIB, option: 'maxRatio' });
    expect(mostBytes(DEFAULT_LIMITS, 1)).toEqual({ bytes: 64 * MIB, option: 'maxRatio' });
    expect(mostBytes(DEFAULT_LIMITS, 1024 * MIB)).toEqual({ bytes: 64 * 1024 * MIB, option: 'maxBytes' });
    expect(mostBytes({ ...DEFAULT_LIMITS, maxBytes: 10 }, 1)).toEqual({ bytes: 10, option: 'maxBytes' });
  });
});

describe('Cap', () => {
  const through = async (bytes: number): Promise<number> => {
    const cap = new Cap(() => ({ bytes, option: 'maxBytes' }), { what: 'the layer', digest: 'sha256:x' });
    const [all] = await Promise.all([buffer(cap), pipeline(Readable.from([Buffer.alloc(7), Buffer.alloc(3)]), cap)]);
    return all.length;
  };

  it('lets through as much as it may', async () => {
    expect(await through(10)).toBe(10);
  });

  it('fails with the option that is exceeded', async () => {
    await expect(through(9)).rejects.toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      digest: 'sha256:x',
      message: 'the layer has more than the 9 bytes that maxBytes allows',
    });
  });
});
