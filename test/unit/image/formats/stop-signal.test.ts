import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { parseStopSignal } from '../../../../lib/image/formats/stop-signal.js';
import { requires } from '../../../fixtures/requires.js';

it.each([
  ['SIGTERM', 15],
  ['QUIT', 3],
  ['sigint', 2],
  ['SIGRTMIN', 34],
  ['SIGRTMIN+3', 37],
  ['rtmin+30', 64],
  ['SIGRTMAX', 64],
  ['RTMAX-14', 50],
  ['9', 9],
  ['64', 64],
])('%s is %i', (text, number) => expect(parseStopSignal(text)).toBe(number));

it.each(['', '0', '65', '-1', 'SIG', 'FOO', 'SIGRTMIN+31', 'RTMAX-31', 'RTMIN-1', 'SIGSIGTERM', ' TERM', '9x'])('%j is none', (text) =>
  expect(parseStopSignal(text)).toBeNull(),
);

requires({ tools: ['bash'] }).it('numbers signals as bash does', () => {
  const numbers = Array.from({ length: 64 }, (_, index) => index + 1).filter((number) => number !== 32 && number !== 33);
  const names = execFileSync('bash', ['-c', `kill -l ${numbers.join(' ')}`], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(names.map((name) => [name, parseStopSignal(name)])).toEqual(names.map((name, index) => [name, numbers[index]]));
  expect(names).toHaveLength(numbers.length);
});
