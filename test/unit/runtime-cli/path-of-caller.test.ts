import { expect, it } from 'vitest';
import { pathOfCaller } from '../../../lib/runtime-cli/resident/path-of-caller.js';

it.each([
  ['/proc/self/fd/3', '/proc/7/fd/3'],
  ['/proc/thread-self/cwd', '/proc/7/cwd'],
  ['/proc/self', '/proc/7'],
  ['/dev/fd/3', '/proc/7/fd/3'],
  ['/dev/fd', '/proc/7/fd'],
  ['/dev/stdin', '/proc/7/fd/0'],
  ['/dev/stderr', '/proc/7/fd/2'],
  ['/proc/selfish', '/proc/selfish'],
  ['/proc/8/fd/3', '/proc/8/fd/3'],
  ['/dev/stdin2', '/dev/stdin2'],
  ['/srv/proc/self/x', '/srv/proc/self/x'],
])('of the process 7, %s is %s', (path, seen) => {
  expect(pathOfCaller(7, path)).toBe(seen);
});
