import { describe, expect, test } from 'vitest';
import { parseChmod } from '../../../lib/build/files/chmod.js';

describe('parseChmod', () => {
  test.each<[string, number, boolean, number]>([
    ['755', 0o600, false, 0o755],
    ['07777', 0, false, 0o7777],
    ['u=rwX,go=rX', 0o640, false, 0o644],
    ['u=rwX,go=rX', 0o750, false, 0o755],
    ['u=rwX,go=rX', 0o600, true, 0o755],
    ['+x', 0o644, false, 0o755],
    ['g-w,o=', 0o666, false, 0o640],
    ['u+s', 0o755, false, 0o4755],
    ['a+t', 0o755, true, 0o1755],
  ])('%s of %o', (text, mode, isFolder, wanted) => {
    expect(parseChmod(text)(mode, isFolder)).toBe(wanted);
  });

  test.each(['', '8', '10000', 'x', 'u=z', 'u', 'rwx', '-1'])('refuses %j', (text) => {
    expect(() => parseChmod(text)).toThrow('invalid chmod parameter');
  });
});
