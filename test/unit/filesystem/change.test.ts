import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, ChangeParser } from '../../../lib/filesystem/change.js';

const kinds = { added: 'A', modified: 'M', deleted: 'D' } as const;
const types = { file: 'f', directory: 'd', symlink: 'l', other: 'o' } as const;

/** As addon/shim/layer/changes.h draws it. */
function record(kind: string, type: string | number, path: string | Uint8Array): Buffer {
  const bytes = Buffer.from(path);
  const head = Buffer.alloc(8);
  head.write(kind, 0, 'latin1');
  if (typeof type === 'string') head.write(type, 1, 'latin1');
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

const END = record('E', 0, '');

function encode(changes: readonly Change[]): Buffer {
  return Buffer.concat([...changes.map(({ kind, type, path }) => record(kinds[kind], types[type], path)), END]);
}

function parse(pieces: readonly Uint8Array[]): Change[] {
  const parser = new ChangeParser();
  const changes = pieces.flatMap((piece) => [...parser.push(piece)]);
  parser.end();
  return changes;
}

const change = fc.record<Change>({
  kind: fc.constantFrom('added', 'modified', 'deleted'),
  type: fc.constantFrom('file', 'directory', 'symlink', 'other'),
  path: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }).map((name) => `/${name}`),
});

describe('the list of changes', () => {
  it('is read in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 20 }), (changes, cuts) => {
        const bytes = encode(changes);
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((place, i) => bytes.subarray(places[i], place));
        expect(parse(pieces)).toEqual(changes);
      }),
    );
  });

  it('gives a record as soon as it is whole', () => {
    const parser = new ChangeParser();
    const bytes = record('A', 'f', '/x');
    expect([...parser.push(bytes.subarray(0, 9))]).toEqual([]);
    expect([...parser.push(bytes.subarray(9))]).toEqual([{ kind: 'added', type: 'file', path: '/x' }]);
  });

  it('shows bytes that are no UTF-8 as the replacement character', () => {
    expect(parse([record('A', 'f', Uint8Array.of(0x2f, 0xff)), END])).toEqual([{ kind: 'added', type: 'file', path: '/\u{fffd}' }]);
  });

  it('is incomplete wherever it is cut', () => {
    const bytes = encode([{ kind: 'added', type: 'file', path: '/a' }]);
    for (let length = 0; length < bytes.length; ++length) {
      expect(() => parse([bytes.subarray(0, length)]), `${length} bytes`).toThrow('it ends in the middle');
    }
  });

  it.each([
    ['an unknown kind', Buffer.concat([record('X', 'f', '/a'), END])],
    ['an unknown type', Buffer.concat([record('A', 'x', '/a'), END])],
    ['a record after the end', Buffer.concat([END, record('A', 'f', '/a')])],
    ['bytes after the end', Buffer.concat([END, Buffer.from('A')])],
  ])('is broken with %s', (_, bytes) => {
    expect(() => parse([bytes])).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL' }));
  });
});
