import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packSegments, paddedLength, unpackSegments } from '../../../lib/load/code-segments.js';

const segments = fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.uint8Array({ maxLength: 40 }), { maxKeys: 5 });

describe('code of several files in one', () => {
  it('comes out as it went in, where V8 takes it as it lies', () => {
    fc.assert(
      fc.property(segments, (given) => {
        const map = new Map(Object.entries(given).map(([name, bytes]) => [name, Buffer.from(bytes)]));
        const packed = packSegments(map);
        const found = unpackSegments(packed);
        expect(found).toEqual(map);
        for (const { byteOffset } of found.values()) expect((byteOffset - packed.byteOffset) % 8).toBe(0);
      }),
    );
  });

  it('is none where the file is cut off or something else', () => {
    const packed = packSegments(new Map([['core', Buffer.alloc(20, 1)]]));
    expect(unpackSegments(packed.subarray(0, packed.length - 8))).toEqual(new Map());
    for (const other of ['', '\n', 'core', 'core x\n', 'core -1\n', 'core 1e3\n'])
      expect(unpackSegments(Buffer.from(other))).toEqual(new Map());
  });

  it('has lengths that are multiples of eight', () => {
    expect([0, 1, 8, 9].map(paddedLength)).toEqual([0, 8, 8, 16]);
  });
});
