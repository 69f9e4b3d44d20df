import { describe, expect, it } from 'vitest';
import { parseCreate, parseGroupLimits, parseName } from '../../../lib/cgroup/cgroup-options.js';

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

  it.each([
    [{ cpuBurst: 5 }, 'cpuBurst'],
    [{ cpus: 0.5, cpuBurst: 50_001 }, 'cpuBurst'],
    [{ cpuIdle: true, cpuShares: 5 }, 'cpuIdle'],
    [{ cpuRtRuntime: 6, cpuRtPeriod: 5 }, 'cpuRtRuntime'],
    [{ cpusetCpus: '3-1' }, 'cpusetCpus'],
    [{ cpusetCpus: '0-1000000000' }, 'cpusetCpus'],
    [{ cpusetCpus: '1,,2' }, 'cpusetCpus'],
    [{ ioMax: [{ device: '8:0' }] }, 'ioMax'],
    [{ ioMax: [{ device: 'sda', readBps: 1 }] }, 'ioMax[0].device'],
    [{ hugetlb: { '2 MB': 1 } }, 'hugetlb'],
    [{ deviceRules: [{ type: 'a', major: 1, access: 'r', allow: true }] }, 'deviceRules'],
    [{ deviceRules: [{ type: 'c', major: 4096, access: 'r', allow: true }] }, 'deviceRules[0].major'],
    [{ netPriorities: { 'a b': 1 } }, 'netPriorities'],
    [{ rdma: { x: {} } }, 'rdma'],
  ])('%j is refused, naming %s', (limits, option) => {
    expect(caught(() => parseGroupLimits(limits))).toMatchObject({ ...invalid, message: expect.stringContaining(`option ${option}`) });
  });
});
