import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Extent, HoleFinder, partsOf } from '../../../lib/build/files/holes.js';
import { storedSize, tarHeader } from '../../../lib/build/files/tar-header.js';

const MIB = 1024 ** 2;

/** Pieces of a file: its bytes are other than zero in some, and what is between the pieces' ends doesn't keep to any multiple. */
const contents = fc
  .array(fc.record({ size: fc.oneof(fc.nat({ max: 3 * MIB }), fc.constantFrom(MIB, 2 * MIB)), isZero: fc.boolean() }), { maxLength: 5 })
  .map((pieces) => Buffer.concat(pieces.map(({ size, isZero }) => Buffer.alloc(size, isZero ? 0 : 'x'))));

function chunksOf(content: Buffer, size: number): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) chunks.push(content.subarray(at, at + size));
  return chunks;
}

function extentsOf(chunks: readonly Buffer[]): readonly Extent[] | null {
  const finder = new HoleFinder();
  for (const chunk of chunks) finder.take(chunk);
  return finder.end();
}

describe('holes', () => {
  test('property: are found by the bytes alone, and what is stored gives the bytes again', () => {
    fc.assert(
      fc.property(contents, fc.integer({ min: 40_000, max: 3 * MIB }), (content, size) => {
        const chunks = chunksOf(content, size);
        const extents = extentsOf(chunks);
        expect(extents).toEqual(extentsOf([content]));
        const all = extents ?? [{ offset: 0, length: content.length }];
        let at = 0;
        const stored: Buffer[] = [];
        for (const chunk of chunks) {
          for (const part of partsOf(chunk, at, all)) stored.push(part ?? Buffer.from('none'));
          at += chunk.length;
        }
        const bytes = Buffer.concat(stored);
        const again = Buffer.alloc(content.length);
        let from = 0;
        for (const { offset, length } of all) {
          bytes.copy(again, offset, from, from + length);
          from += length;
        }
        expect(bytes).toHaveLength(from);
        expect(again.equals(content)).toBe(true);
        // no megabyte of zeros that begins where one can is stored
        if (extents)
          for (const { offset, length } of extents) expect(content.subarray(offset, offset + length).some((byte) => byte !== 0)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test('are a megabyte at least, and go to the end where one is there', () => {
    expect(extentsOf([Buffer.alloc(MIB - 1)])).toBe(null);
    expect(extentsOf([Buffer.alloc(MIB)])).toEqual([]);
    expect(extentsOf([Buffer.alloc(MIB + 5)])).toEqual([]);
    expect(extentsOf([Buffer.alloc(MIB, 1), Buffer.alloc(MIB - 1)])).toBe(null);
    expect(extentsOf([Buffer.alloc(MIB), Buffer.from('x')])).toEqual([{ offset: MIB, length: 1 }]);
  });

  test('bytes in a hole are told', () => {
    expect([...partsOf(Buffer.from('\0\0ab\0'), 10, [{ offset: 12, length: 2 }])].map(String)).toEqual(['ab']);
    expect([...partsOf(Buffer.from('\0xab'), 10, [{ offset: 12, length: 2 }])].map(String)).toEqual(['null', 'ab']);
    expect([...partsOf(Buffer.from('ab\0x'), 10, [{ offset: 10, length: 2 }])].map(String)).toEqual(['ab', 'null']);
  });

  test('the tar of a file with holes is always the same', () => {
    const entry = { path: `é/${'n'.repeat(101)}`, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 7, size: 3 * MIB, target: '' } as const;
    const extents = [{ offset: MIB, length: 9 }];
    const header = tarHeader({ ...entry, extents });
    expect(storedSize(entry.size, extents)).toBe(512 + 9);
    const map = header.subarray(-512).toString();
    expect(map.replaceAll('\0', '')).toBe('2\n1048576\n9\n3145728\n0\n');
    const text = header.toString();
    for (const record of [
      'GNU.sparse.major=1\n',
      'GNU.sparse.minor=0\n',
      `GNU.sparse.name=${entry.path}\n`,
      'GNU.sparse.realsize=3145728\n',
    ])
      expect(text).toContain(record);
    expect(header.subarray(-1024, -1024 + 100).toString()).toMatch(/^GNUSparseFile\.0\/n+$/);
  });
});
