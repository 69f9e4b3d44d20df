import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { missing } from '../fixtures/requires.js';
import { findTool, mustRequire } from '../fixtures/tools.js';

/** As a test starts it, and as a script of a shell does. */
const found = (tool: string): boolean[] => [
  spawnSync(tool, ['--version']).error === undefined,
  spawnSync('sh', ['-c', `${tool} --version`], { stdio: 'ignore' }).status !== 127,
];

it('a file of tests finds sh and coreutils, and what it did not require neither itself nor in a script', () => {
  expect(found('cat')).toEqual([true, true]);
  expect(found('tar')).toEqual([false, false]);
  expect(() => mustRequire('cat')).not.toThrow();
  expect(() => mustRequire('cat', 'tar')).toThrow('this test uses the program tar');
  // where it is on the machine can be asked all the same
  expect(findTool('tar')).toMatch(/\/bin\/tar$/);
});

it('and what it requires, from then on', () => {
  expect(missing({ tools: ['tar'] })).toEqual([]);
  expect(found('tar')).toEqual([true, true]);
  expect(() => mustRequire('tar')).not.toThrow();
});
