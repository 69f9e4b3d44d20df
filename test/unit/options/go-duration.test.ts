import { expect, test } from 'vitest';
import { parseGoDuration } from '../../../lib/options/go-duration.js';

test.each([
  ['5s', 5000],
  ['50ms', 50],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['250us', 0.25],
  ['250µs', 0.25],
  ['0s', 0],
  ['0', 0],
  ['.5s', 500],
  ['-1s', -1000],
])('%s are %d ms', (text, ms) => {
  expect(parseGoDuration(text)).toBeCloseTo(ms, 9);
});

test.each(['', '5', 's', '-', '1 s', '1x', '1s1', '1e3s', '9999999999h'])('%j is no duration', (text) => {
  expect(parseGoDuration(text)).toBeNull();
});
