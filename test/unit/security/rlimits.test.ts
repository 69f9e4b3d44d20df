import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { resolveUlimits, unlimited } from '../../../lib/security/rlimits.js';
import { requires } from '../../fixtures/requires.js';

const names = [
  'cpu',
  'fsize',
  'data',
  'stack',
  'core',
  'rss',
  'nproc',
  'nofile',
  'memlock',
  'as',
  'locks',
  'sigpending',
  'msgqueue',
  'nice',
  'rtprio',
  'rttime',
];

describe('resolveUlimits', () => {
  it('takes a number for both limits, or each', () => {
    expect(resolveUlimits({ nofile: 1024, core: 0, nproc: { soft: 10, hard: 20 } })).toEqual([
      { name: 'nofile', resource: 7, soft: 1024n, hard: 1024n },
      { name: 'core', resource: 4, soft: 0n, hard: 0n },
      { name: 'nproc', resource: 6, soft: 10n, hard: 20n },
    ]);
    expect(resolveUlimits({})).toEqual([]);
  });

  it('takes -1 and Infinity for no limit', () => {
    expect(unlimited).toBe(2n ** 64n - 1n);
    expect(resolveUlimits({ memlock: -1, stack: { soft: 1, hard: Number.POSITIVE_INFINITY } })).toEqual([
      { name: 'memlock', resource: 8, soft: unlimited, hard: unlimited },
      { name: 'stack', resource: 3, soft: 1n, hard: unlimited },
    ]);
  });

  it.each([
    [{ nofiles: 1 }, "option ulimits.nofiles: there is no such limit; did you mean 'nofile'?"],
    [{ toString: 1 }, 'option ulimits.toString: there is no such limit'],
    [{ nofile: 1.5 }, 'option ulimits.nofile: 1.5 is not a whole number, or -1 for no limit'],
    [{ nofile: -2 }, 'option ulimits.nofile: -2 is not a whole number, or -1 for no limit'],
    [{ nofile: Number.NaN }, 'option ulimits.nofile: NaN is not a whole number, or -1 for no limit'],
    [{ fsize: 2 ** 60 }, `option ulimits.fsize: ${2 ** 60} is not a whole number, or -1 for no limit`],
    [{ nofile: { soft: 2, hard: 1 } }, 'option ulimits.nofile: the soft limit 2 is above the hard limit 1'],
    [{ nofile: { soft: -1, hard: 1 } }, 'option ulimits.nofile: the soft limit -1 is above the hard limit 1'],
  ])('refuses %j', (ulimits, message) => {
    expect(() => resolveUlimits(ulimits)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION', message }));
  });

  const gcc = requires({ tools: ['gcc'] });
  gcc.it('has the numbers of the C library', () => {
    const input = `#include <sys/resource.h>\n${names.map((name) => `${name} = RLIMIT_${name.toUpperCase()}`).join('\n')}`;
    const output = execFileSync('gcc', ['-E', '-P', '-D_GNU_SOURCE', '-x', 'c', '-'], { input, encoding: 'utf8' });
    for (const name of names) {
      const value = new RegExp(`^${name} = (.+)$`, 'm').exec(output)?.[1] ?? '';
      const [limit] = resolveUlimits({ [name]: 0 });
      // glibc writes some as an enumerator that is its own macro: those are of its list, __RLIMIT_NAME = NUMBER.
      const number = /^\d+$/.test(value) ? value : (new RegExp(`\\b${value}\\s*=\\s*(\\d+)`).exec(output)?.[1] ?? '');
      expect([name, limit?.resource]).toEqual([name, Number(number)]);
    }
  });
});
