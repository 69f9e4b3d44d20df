import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { marshal } from '../../../lib/dbus/marshal.js';
import { unmarshal } from '../../../lib/dbus/unmarshal.js';
import type { Value } from '../../../lib/dbus/value.js';
import { typedValues } from '../../fixtures/dbus-values.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** Bytes by the rules of the specification, by hand. */
const known: readonly [string, readonly Value[], string][] = [
  ['s', ['foo'], '03000000 666f6f00'],
  ['yu', [1, 2], '01 000000 02000000'],
  ['ax', [[5n]], '08000000 00000000 0500000000000000'],
  ['ax', [[]], '00000000 00000000'],
  ['v', [{ signature: 'u', value: 7 }], '01 75 00 00 07000000'],
  ['a{sv}', [[['k', { signature: 'b', value: true }]]], '10000000 00000000 01000000 6b00 0162 00 000000 01000000'],
  ['(yn)', [[1, -2]], '01 00 feff'],
  ['og', ['/a', 'ai'], '02000000 2f6100 02616900'],
];

describe('values of D-Bus', () => {
  it.each(known)('%s', (signature, values, bytes) => {
    expect(marshal(signature, values).toString('hex')).toBe(hex(bytes).toString('hex'));
    expect(unmarshal(signature, hex(bytes), 'little')).toEqual(values);
  });

  it('are read in the order of bytes of a big machine', () => {
    expect(unmarshal('usxd', hex('00000102 00000001 6100 000000000000 fffffffffffffffe 3ff0000000000000'), 'big')).toEqual([
      258,
      'a',
      -2n,
      1,
    ]);
  });

  it('are the same after both ways', () => {
    fc.assert(
      fc.property(typedValues, (typed) => {
        const signature = typed.map((each) => each.signature).join('');
        fc.pre(signature.length <= 255);
        const values = typed.map(({ value }) => value);
        expect(unmarshal(signature, marshal(signature, values), 'little')).toEqual(values);
      }),
    );
  });

  it('that are damaged are refused, or are others, and nothing else happens', () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.nat(3) });
    fc.assert(
      fc.property(typedValues, change, (typed, { at, to, cut }) => {
        const signature = typed.map((each) => each.signature).join('');
        fc.pre(signature.length > 0 && signature.length <= 255);
        const whole = marshal(
          signature,
          typed.map(({ value }) => value),
        );
        whole[at % whole.length] = to;
        const bytes = whole.subarray(0, Math.max(0, whole.length - cut));
        let values: Value[];
        try {
          values = unmarshal(signature, bytes, 'little');
        } catch (error) {
          expect(error).toMatchObject({ name: 'DBusError', code: 'ERR_DBUS' });
          return;
        }
        // what is believed can be said again
        expect(unmarshal(signature, marshal(signature, values), 'little')).toEqual(values);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a text without its end', 's', '03000000 666f6f01', 'a text that is none'],
    ['a text that goes beyond the message', 's', 'ffffff7f 666f6f00', 'the message ends within a value'],
    ['a text with a NUL', 's', '03000000 66006f00', 'a text that is none'],
    ['a text that is not UTF-8', 's', '01000000 ff00', 'a text that is none'],
    ['a boolean of 2', 'b', '02000000', '2 is no boolean'],
    ['an array that goes beyond the message', 'ay', '05000000 01020304', 'an array of 5 bytes goes beyond its message'],
    ['an array of more than anybody reads', 'ay', '01000004', 'an array of 67108865 bytes'],
    ['an element that goes beyond its array', 'aq', '01000000 0100', 'an element goes beyond its array'],
    ['bytes between values', 'yu', '01 000100 02000000', 'bytes between two values are not 0'],
    ['bytes after the values', 'y', '0102', "1 bytes after the values of 'y'"],
    ['a variant of two types', 'v', '02 7575 00 00000000 00000000', "the signature 'uu' is not of one type"],
    ['a variant without a type', 'v', '00 00', "the signature '' is not of one type"],
    ['a path that is none', 'o', '02000000 612f00', "'a/' is no object path"],
    ['a signature that is none', 'g', '01 2800', "'(' "],
  ])('are refused: %s', (_, signature, bytes, problem) => {
    expect(() => unmarshal(signature, hex(bytes), 'little')).toThrow(`D-Bus: ${problem}`);
  });

  it('that lie too deep in variants are refused both ways', () => {
    const deep = (depth: number): Value => (depth === 0 ? 1 : { signature: depth === 1 ? 'y' : 'v', value: deep(depth - 1) });
    expect(unmarshal('v', marshal('v', [deep(64)]), 'little')).toEqual([deep(64)]);
    expect(() => marshal('v', [deep(65)])).toThrow('deeper than 64');
    const one = Buffer.from('017600', 'hex');
    expect(() => unmarshal('v', Buffer.concat([...Array.from({ length: 70 }, () => one), hex('01790001')]), 'little')).toThrow(
      'deeper than 64',
    );
  });

  it.each([
    ['y', [256]],
    ['n', [-32_769]],
    ['u', [-1]],
    ['u', [1.5]],
    ['t', [-1n]],
    ['x', [2n ** 63n]],
    ['b', [1]],
    ['s', [1]],
    ['s', ['a\0b']],
    ['s', ['\ud800']],
    ['o', ['a']],
    ['o', ['/a/']],
    ['g', ['(']],
    ['as', ['a']],
    ['(su)', [['a']]],
    ['v', ['a']],
    ['su', ['a']],
  ] as readonly [string, Value[]][])('of another type are refused: %s', (signature, values) => {
    expect(() => marshal(signature, values)).toThrow(/^D-Bus: /);
  });

  it.each([
    'a',
    '(',
    '()',
    '(s',
    's)',
    '{sv}',
    'a{sv',
    'a{vs}',
    'a{s}',
    'a{sss}',
    'h',
    'z',
    'a'.repeat(33).concat('y'),
    's'.repeat(256),
    '('.repeat(33).concat('y', ')'.repeat(33)),
  ])('no signature: %s', (signature) => expect(() => unmarshal(signature, Buffer.alloc(64), 'little')).toThrow(/^D-Bus: /));
});
