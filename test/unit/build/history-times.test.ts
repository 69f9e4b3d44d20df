import { expect, test } from 'vitest';
import { withTimes } from '../../../lib/build/execute/history-times.js';

const NONE = '-';

function times(text: string): string {
  const history = [...text].map((time) => (time === NONE ? {} : { created: time }));
  return withTimes(history, 'f')
    .map(({ created }) => created)
    .join('');
}

// by buildkit's exporter/containerimage/writer.go, normalizeHistoryAndLayers
test.each([
  ['', ''],
  ['ab', 'ab'],
  // of the first new layer
  ['-a-b-', 'aaabb'],
  // after a base: of the first new layer, not the base's
  ['x-a-', 'xaaa'],
  // no new layer: the base's last
  ['xy--', 'xyyy'],
  ['--', 'ff'],
])('the times %j become %j', (history, expected) => {
  expect(times(history)).toBe(expected);
});

test('what else an entry has stays', () => {
  expect(withTimes([{ created_by: 'x', empty_layer: true }], 'f')).toEqual([{ created_by: 'x', empty_layer: true, created: 'f' }]);
});
