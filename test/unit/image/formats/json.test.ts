import { expect, it } from 'vitest';
import { parseJson } from '../../../../lib/image/formats/json.js';
import { rounds } from '../../../fixtures/rounds.js';

const nested = (levels: number): Buffer => Buffer.from(`${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`);

it('reads what documents are like, and as deep as a hundred levels', () => {
  expect(parseJson(Buffer.from('{"a":[1,null,"[[["]}'), 'it')).toEqual({ a: [1, null, '[[['] });
  expect(() => parseJson(nested(100), 'it')).not.toThrow();
});

// Who calls himself for each level is out of stack after some ten thousand; V8 takes half a second to read a million.
it.each([102, 5000, rounds(200_000, 1_000_000)])('refuses %i levels, whatever it takes to write them', (levels) => {
  expect(() => parseJson(nested(levels), 'it')).toThrow(/^it is nested deeper than 100 levels$/);
});

it.each([
  ['nothing', Buffer.alloc(0)],
  ['a part', Buffer.from('{"a":')],
  ['what is no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
])('refuses %s', (_, bytes) => {
  expect(() => parseJson(bytes, 'it')).toThrow(/^it is no JSON$/);
});
