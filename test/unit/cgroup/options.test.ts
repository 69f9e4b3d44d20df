import { describe, expect, it } from 'vitest';
import { parseCreate, parseGroupLimits, parseName } from '../../../lib/cgroup/options.js';
import { UnsupportedError } from '../../../lib/errors.js';

const invalid = { code: 'ERR_INVALID_OPTION' };
const caught = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return null;
};

describe('a name', () => {
  it.each(['', '.', '..', '../x', 'a/../b', 'a/./b', '/a', 'a/', 'a//b', 'a\0b', 'x'.repeat(256), 'a\nb', 5, null, undefined])(
    '%j is refused',
    (name) => {
      expect(caught(() => parseName(name))).toMatchObject({ ...invalid, message: expect.stringContaining('option name') });
    },
  );

  it.each(['a', 'judge/7', '...', '.a', 'x'.repeat(255), 'ü', 'a b'])('%j is taken', (name) => {
    expect(parseName(name)).toBe(name);
  });

  it("of an owner is not the caller's to use", () => {
    expect(caught(() => parseName('0123456789abcdef/x'))).toMatchObject(invalid);
  });

  it('lies below its parent', () => {
    expect(parseCreate('b', { parent: 'a' })).toEqual({ name: 'a/b', persist: false });
    expect(parseCreate('b', { parent: { name: 'a', paths: {} }, persist: true })).toEqual({ name: 'a/b', persist: true });
    expect(caught(() => parseCreate('b', { parent: '..' }))).toMatchObject(invalid);
    expect(caught(() => parseCreate('b', { parnet: 'a' }))).toMatchObject(invalid);
  });
});

describe('limits of a group', () => {
  it('refuse what is of a process', () => {
    expect(caught(() => parseGroupLimits({ ulimits: { nofile: 5 } }))).toMatchObject(invalid);
  });

  it('refuse what a later version brings', () => {
    expect(caught(() => parseGroupLimits({ cpuShares: 5 }))).toBeInstanceOf(UnsupportedError);
  });
});
