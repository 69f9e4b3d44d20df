import { describe, expect, it } from 'vitest';
import {
  allOf,
  doAll,
  ImageError,
  invalidOption,
  NacelleError,
  oneOf,
  SyscallError,
  UnsupportedError,
  withCleanupError,
} from '../../lib/errors.js';

describe('errors', () => {
  it('are all NacelleErrors, with a name and a code', () => {
    const errors = [
      new SyscallError('mount on /data: no such file (ENOENT)', { errno: 2, errnoName: 'ENOENT', syscall: 'move_mount' }),
      new UnsupportedError('overlay', 'the kernel lacks it'),
      new ImageError('no such image'),
      invalidOption('memory', 'must be a size'),
    ];
    for (const error of errors) expect(error).toBeInstanceOf(NacelleError);
    expect(errors.map(({ name, code }) => [name, code])).toEqual([
      ['SyscallError', 'ENOENT'],
      ['UnsupportedError', 'ERR_UNSUPPORTED'],
      ['ImageError', 'ERR_IMAGE'],
      ['NacelleError', 'ERR_INVALID_OPTION'],
    ]);
  });

  it('show what others wrote, and nothing that a terminal obeys', () => {
    const hostile = 'a\u001b[2J\r\nb\u0007\u009b1m\u202e\u2028\ud800 \u{e0001}\u007f';
    const shown = 'a\\u001b[2J\\u000d\\nb\\u0007\\u009b1m\\u202e\\u2028\\ud800 \\u{e0001}\\u007f';
    const all = [
      new NacelleError(hostile, { code: 'ERR_STATE' }),
      new SyscallError(hostile, { errno: 1, errnoName: 'EPERM', syscall: 'mount', path: hostile }),
      new UnsupportedError(hostile, hostile, hostile),
      new ImageError(hostile, { reference: hostile }),
      invalidOption(hostile, hostile),
    ];
    for (const { message, stack } of all) {
      expect(message).toContain(shown);
      expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
      expect(stack).toContain(shown);
    }
    expect(all[1]).toMatchObject({ path: hostile });
    expect(new NacelleError('tabs\tand Straße, 漢字, 🙂', { code: 'ERR_STATE' }).message).toBe('tabs\tand Straße, 漢字, 🙂');
    expect(new NacelleError(['one', 'two\nthree'], { code: 'ERR_STATE' }).message).toBe('one\ntwo\\nthree');
  });

  it('keep both failures, when undoing failed too', () => {
    const cause = new Error('first');
    const cleanupError = new Error('second');
    const error = new SyscallError('x', { errno: 1, errnoName: 'EPERM', syscall: 'mount', cause, cleanupError });
    expect(error.cause).toBe(cause);
    expect(error.cleanupError).toBe(cleanupError);
  });

  it('have no cause and no cleanupError when there was none', () => {
    const error = invalidOption('memory', 'must be a size');
    expect('cause' in error).toBe(false);
    expect('cleanupError' in error).toBe(false);
  });

  it('say null for what is not known', () => {
    expect(new SyscallError('x', { errno: 1, errnoName: 'EPERM', syscall: 'mount' })).toMatchObject({ step: null, path: null, hint: null });
    expect(new ImageError('x')).toMatchObject({ reference: null, digest: null });
  });

  it('name the option, and the cure', () => {
    expect(invalidOption('mounts[0].target', 'must be absolute').message).toBe('option mounts[0].target: must be absolute');
    const { message, fix } = new UnsupportedError('overlay', 'the kernel has none', 'Load the module overlay.');
    expect(message).toBe('overlay is not supported here: the kernel has none. Load the module overlay.');
    expect(fix).toBe('Load the module overlay.');
  });
});

describe('a failure of undoing', () => {
  it('is kept beside the first one, which stays what it is', () => {
    const error = new SyscallError('x', { errno: 17, errnoName: 'EEXIST', syscall: 'sendmsg', path: '/x', hint: 'y' });
    expect(withCleanupError(error, undefined)).toBe(error);
    expect('cleanupError' in error).toBe(false);
    const [one, two] = [new Error('one'), new Error('two')];
    expect(withCleanupError(error, one)).toBe(error);
    expect(error).toMatchObject({ errno: 17, syscall: 'sendmsg', path: '/x', hint: 'y', cleanupError: one });
    withCleanupError(error, two);
    expect(error.cleanupError).toMatchObject({ errors: [one, two] });
    const others = new Error('not ours');
    expect(withCleanupError(others, one)).toBe(others);
  });
});

describe('several failures', () => {
  it('are one error with all of them, and the only one is itself', () => {
    const [one, two] = [new Error('one'), new Error('two')];
    expect(allOf([])).toBeUndefined();
    expect(allOf([one])).toBe(one);
    expect(allOf([one, two])).toMatchObject({ name: 'AggregateError', errors: [one, two], message: 'one; two' });
  });

  it('are the first with the others, all of them where the first is no error of ours', () => {
    const ours = new NacelleError('ours', { code: 'ERR_STATE' });
    const [one, two] = [new Error('one'), new Error('two')];
    expect(oneOf([])).toBeUndefined();
    expect(oneOf([one])).toBe(one);
    expect(oneOf([one, ours, two])).toMatchObject({ name: 'AggregateError', errors: [one, ours, two] });
    expect(ours.cleanupError).toBeUndefined();
    expect(oneOf([ours, one, two])).toBe(ours);
    expect(ours.cleanupError).toMatchObject({ errors: [one, two] });
  });
});

describe('doing all', () => {
  it('goes on after a failure, in order, and tells all failures by the first', async () => {
    const done: number[] = [];
    const [first, second] = [new NacelleError('first', { code: 'ERR_TEST' }), new Error('second')];
    const fail = (error: Error): (() => Promise<never>) => {
      return () => Promise.reject(error);
    };
    const all = doAll([() => done.push(1), fail(first), async () => done.push(2), fail(second), () => done.push(3)]);
    await expect(all).rejects.toMatchObject({ message: expect.stringContaining('first'), cleanupError: second });
    expect(done).toEqual([1, 2, 3]);
    await expect(doAll([() => done.push(4), () => undefined])).resolves.toBeUndefined();
  });
});
