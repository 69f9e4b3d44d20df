import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseUrlNote } from '../../../lib/build/cache/url-notes.js';
import { isSameTag } from '../../../lib/build/files/fetch-file.js';

const url = new URL('https://example.org/a?b#c');
const note = { etag: '"1"', hash: 'a'.repeat(64), size: 1, mtime: 2 };
const text = JSON.stringify({ version: 1, url: url.href, ...note });

describe('parseUrlNote', () => {
  test('reads a note of its own URL alone', () => {
    expect(parseUrlNote(text, url)).toEqual(note);
    expect(parseUrlNote(text, new URL('https://example.org/a'))).toBeNull();
  });

  test('takes nothing else for one', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.nat(text.length - 1).map((end) => text.slice(0, end)),
        ),
        (other) => {
          expect(parseUrlNote(other, url)).toBeNull();
        },
      ),
    );
  });
});

test.each([
  ['"a"', '"a"', true],
  ['W/"a"', '"a"', true],
  ['"a"', '"b"', false],
  [null, '"a"', false],
])('the tags %s and %s: %s', (one, other, wanted) => {
  expect(isSameTag(one, other)).toBe(wanted);
});
