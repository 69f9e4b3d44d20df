import { describe, expect, it } from 'vitest';
import { parseExec } from '../../../../lib/container/options/exec-options.js';

describe('the options of a program in a container', () => {
  it('leave open what is as in the container', () => {
    expect(parseExec({})).toMatchObject({
      umask: null,
      privileged: false,
      limits: {},
      process: { cwd: null, user: null, env: {}, reject: false },
    });
  });

  it('are the same when none are given, and can not be changed then', () => {
    const none = parseExec(undefined);
    expect(none).toEqual(parseExec({}));
    expect(parseExec(undefined)).toBe(none);
    expect([none, none.process, none.limits].every(Object.isFrozen)).toBe(true);
    expect(() => parseExec(null)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });

  it('take limits, of which undefined ones are not given', () => {
    const { limits } = parseExec({ limits: { memory: '1m', pidsLimit: undefined } });
    expect(limits).toEqual({ memory: 1 << 20 });
  });

  it.each([
    ['a key that is none', { workdir: '/' }, /workdir.*cwd/s],
    ['an option of the container alone', { memory: '1m' }, /memory/],
    ['a limit that is none', { limits: { memori: '1m' } }, /limits\.memori/],
    [
      'a limit of one process, which leaves no room for the process that starts it',
      { limits: { pidsLimit: 1 } },
      /limits\.pidsLimit.*2 or more/s,
    ],
    ['limits that exclude each other', { limits: { cpus: 1, cpuQuota: 5 } }, /limits/],
    ['a relative folder', { cwd: 'tmp' }, /cwd/],
    ['a wrong type', { privileged: 1 }, /privileged/],
    ['a user with two groups', { user: 'a:b:c' }, /user/],
  ])('refuse %s', (_, options, words) => {
    expect(() => parseExec(options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(words) }),
    );
  });
});
