import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DetachKeys, matchKeys, parseDetachKeys } from '../../../../lib/process/terminal/detach-keys.js';

describe('names of keys', () => {
  it.each([
    ['ctrl-p,ctrl-q', [16, 17]],
    ['CTRL-A', [1]],
    ['a,B,~', [97, 66, 126]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['-', [45]],
    ['', []],
  ])('%s', (text, bytes) => {
    expect(parseDetachKeys(text)).toEqual(bytes);
  });

  it.each(['ctrl-', 'ctrl-pp', 'ctrl-1', 'ab', 'a,', ',', 'ä', 'shift-a', 'ctrl-p, ctrl-q'])('none: %s', (text) => {
    expect(() => parseDetachKeys(text)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });
});

/** Types the pieces one after the other. */
function type(keys: DetachKeys, pieces: readonly Uint8Array[]): { sent: number[]; held: number; isDetach: boolean } {
  const sent: number[] = [];
  let held = 0;
  for (const piece of pieces) {
    const typed = matchKeys(keys, held, piece);
    sent.push(...typed.send);
    held = typed.held;
    if (typed.isDetach) return { sent, held, isDetach: true };
  }
  return { sent, held, isDetach: false };
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('keys in what is typed', () => {
  it('are held back, and sent when more than them was not typed', () => {
    const keys = parseDetachKeys('p,q');
    expect(type(keys, [bytes('a'), bytes('p')])).toEqual({ sent: [...bytes('a')], held: 1, isDetach: false });
    expect(type(keys, [bytes('p'), bytes('x')])).toEqual({ sent: [...bytes('px')], held: 0, isDetach: false });
    expect(type(keys, [bytes('p'), bytes('pq')])).toEqual({ sent: [...bytes('p')], held: 0, isDetach: true });
    expect(type(keys, [bytes('lspq'), bytes('rest')])).toEqual({ sent: [...bytes('ls')], held: 0, isDetach: true });
    expect(type([], [bytes('pq')])).toEqual({ sent: [...bytes('pq')], held: 0, isDetach: false });
  });

  it('are found wherever they are, however the text is cut, and nothing else is lost', () => {
    const letter = fc.integer({ min: 97, max: 99 });
    const piece = fc.array(letter, { maxLength: 6 }).map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(fc.array(letter, { minLength: 1, maxLength: 5 }), fc.array(piece, { maxLength: 8 }), (keys, pieces) => {
        const all = Buffer.concat(pieces);
        const at = all.indexOf(Buffer.from(keys));
        const { sent, held, isDetach } = type(keys, pieces);
        expect(isDetach).toBe(at >= 0);
        expect([...sent, ...keys.slice(0, held)]).toEqual([...(at >= 0 ? all.subarray(0, at) : all)]);
      }),
    );
  });
});
