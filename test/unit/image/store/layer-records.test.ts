import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseRecord } from '../../../../lib/image/store/layer-records.js';
import { rounds, seed } from '../../../fixtures/rounds.js';

const KEY = `sha256:${'a'.repeat(64)}`;
const LAYER = { digest: `sha256:${'b'.repeat(64)}`, size: 3, compression: 'gzip', diffId: `sha256:${'c'.repeat(64)}` };
const RECORD = { version: 1, key: KEY, instruction: 'RUN x', created: 5, layer: LAYER };

test('a record', () => {
  expect(parseRecord(JSON.stringify(RECORD), KEY)).toEqual(RECORD);
  expect(parseRecord(JSON.stringify({ ...RECORD, layer: null }), KEY)?.layer).toBeNull();
});

test.each([
  ['another version', { version: 2 }],
  ['another key', { key: `sha256:${'d'.repeat(64)}` }],
  ['a digest that leads elsewhere', { layer: { ...LAYER, digest: 'sha256:../../x' } }],
  ['a digest of another kind', { layer: { ...LAYER, diffId: 'sha512:a' } }],
  ['a negative size', { layer: { ...LAYER, size: -1 } }],
  ['an unknown compression', { layer: { ...LAYER, compression: 'xz' } }],
  ['no layer', { layer: undefined }],
  ['more than a record has', { more: 1 }],
])('%s is none', (_, change) => {
  expect(parseRecord(JSON.stringify({ ...RECORD, ...change }), KEY)).toBeNull();
});

test('any text is a record or none, and no error', () => {
  const whole = JSON.stringify(RECORD);
  const damaged = fc
    .tuple(fc.nat(whole.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) => `${whole.slice(0, at)}${text}${whole.slice(at + 1)}`);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), damaged), (text) => {
      const record = parseRecord(text, KEY);
      if (record !== null) expect(record.key).toBe(KEY);
    }),
    { seed, numRuns: rounds(500, 20_000) },
  );
});
