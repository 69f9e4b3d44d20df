import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAsk, decodeSignal, encodeStrings } from '../../../lib/runtime-cli/resident/resident-messages.js';

describe('what a front asks', () => {
  it('is its package, folder, descriptors, arguments and environment', () => {
    const body = encodeStrings('1:2:3.4 5:6:7.8', '/work', '0 1 2 5', '2', 'exec', '', 'A=b=c', 'EMPTY=', 'none');
    expect(decodeAsk(body)).toEqual({
      ...{ package: '1:2:3.4 5:6:7.8', cwd: '/work', numbers: [0, 1, 2, 5], args: ['exec', ''] },
      env: { A: 'b=c', EMPTY: '', none: '' },
    });
  });

  it('has no environment where none is left', () => {
    expect(decodeAsk(encodeStrings('x', '/', '0', '0'))).toMatchObject({ args: [], env: {} });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a string without an end', Buffer.from('x\0/\x000\x000')],
    ['too few strings', encodeStrings('x', '/', '0')],
    ['more arguments than there are strings', encodeStrings('x', '/', '0', '2', 'one')],
    ['a count that is no number', encodeStrings('x', '/', '0', '-1')],
    ['a folder that is no absolute path', encodeStrings('x', 'work', '0', '0')],
    ['a descriptor that is no number', encodeStrings('x', '/', '0 a', '0')],
    ['no descriptors', encodeStrings('x', '/', '', '0')],
  ])('is refused for %s', (_, body) => {
    expect(() => decodeAsk(body)).toThrow('can not be understood');
  });

  it('is what was written, whatever that is', () => {
    const text = fc.string().filter((value) => !value.includes('\0'));
    fc.assert(
      fc.property(fc.array(text), (args) => {
        expect(decodeAsk(encodeStrings('x', '/', '0 1 2', String(args.length), ...args)).args).toEqual(args);
      }),
    );
  });

  it('throws nothing but its own error, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeAsk(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_STATE' });
        }
      }),
    );
  });
});

describe('a signal that a front has heard', () => {
  const asked = new Set([1, 15]);

  it('is its number', () => {
    expect(decodeSignal(encodeStrings('15'), asked)).toBe(15);
  });

  it('is refused where it was not asked for', () => {
    expect(() => decodeSignal(encodeStrings('9'), asked)).toThrow('can not be understood');
  });

  it.each(['', '0', '-1', '100', '15 ', 'TERM'])('is refused for %j', (text) => {
    expect(() => decodeSignal(encodeStrings(text), asked)).toThrow('can not be understood');
  });
});
