import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupLayout } from '../../../lib/host/cgroup-base.js';
import { resourcesSchema } from '../../../lib/oci-config/resources-schema.js';
import { parseFlags } from '../../../lib/runtime-cli/command-line.js';
import { statsOf } from '../../../lib/runtime-cli/plan/stats-shape.js';
import { updateWrites } from '../../../lib/runtime-cli/plan/update-writes.js';
import { askedResources } from '../../../lib/runtime-cli/update-container.js';
import { resourcesOfFlags, updateFlags } from '../../../lib/runtime-cli/update-flags.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const temporary = temporaryFolder();

type Layout = GroupLayout['mode'];

function layoutOf(mode: Layout, swap = { total: 1, accounted: true }): GroupLayout {
  const controllers = ['memory', 'cpu', 'pids', 'cpuset'];
  const version = mode === 'v2' ? 2 : 1;
  const hierarchy = { version, mountPoint: '/cg', ownPath: '/cg', readOnly: false, controllers } as const;
  return {
    ...{ mode, withheld: null, swap, bases: new Map([['/cg', { path: '/cg' }]]) },
    unified: mode === 'v2' ? { ...hierarchy, version: 2 } : null,
    controllers: new Map(controllers.map((name) => [name, hierarchy])),
  };
}

/** What is written on a machine of this kind, of which the files have these texts: 'memory.max=5'. */
function written(mode: Layout, resources: object, texts: Readonly<Record<string, string>> = {}, swap?: GroupLayout['swap']): string[] {
  const read = (_: string, file: string): string | null => texts[file] ?? null;
  const files = { has: (_: string, file: string) => file in texts, read };
  return updateWrites(resourcesSchema.parse(resources), { layout: layoutOf(mode, swap), files, read }).map(
    ({ file, value }) => `${file}=${value}`,
  );
}

describe('what `update` writes', () => {
  it.each<[Layout, object, Record<string, string>, string[]]>([
    ['v1', { memory: { limit: 5 } }, {}, ['memory.limit_in_bytes=5']],
    [
      ...(['v1', { memory: { limit: 5, swap: 9 } }, { 'memory.memsw.limit_in_bytes': '8\n' }] as const),
      ['memory.memsw.limit_in_bytes=9', 'memory.limit_in_bytes=5'],
    ],
    [
      ...(['v1', { memory: { limit: 5, swap: 7 } }, { 'memory.memsw.limit_in_bytes': '8\n' }] as const),
      ['memory.limit_in_bytes=5', 'memory.memsw.limit_in_bytes=7'],
    ],
    ['v1', { memory: { limit: -1 } }, {}, ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=-1']],
    ['v2', { memory: { limit: 5, swap: 9, reservation: 2 } }, {}, ['memory.swap.max=4', 'memory.max=5', 'memory.low=2']],
    ['v2', { memory: { limit: -1 } }, {}, ['memory.swap.max=max', 'memory.max=max']],
    ['v1', { memory: { disableOOMKiller: false } }, {}, ['memory.oom_control=0']],
    ['v1', { cpu: { quota: -1 } }, {}, ['cpu.cfs_quota_us=-1']],
    ['v1', { cpu: { period: 50_000 } }, {}, ['cpu.cfs_period_us=50000']],
    ['v1', { cpu: { quota: 9, period: 8 } }, {}, ['cpu.cfs_quota_us=-1', 'cpu.cfs_period_us=8', 'cpu.cfs_quota_us=9']],
    ['v2', { cpu: { quota: 9000 } }, { 'cpu.max': 'max 50000\n' }, ['cpu.max=9000 50000']],
    ['v2', { cpu: { period: 20_000 } }, { 'cpu.max': '9000 50000\n' }, ['cpu.max=9000 20000']],
    ['v2', { cpu: { quota: -1, burst: 3 } }, { 'cpu.max': '9000 50000\n', 'cpu.max.burst': '0' }, ['cpu.max=max 50000', 'cpu.max.burst=3']],
    ['v1', { cpu: { shares: 512 }, pids: { limit: 7 } }, {}, ['pids.max=7', 'cpu.shares=512']],
    ['v2', { pids: { limit: -1 }, unified: { 'memory.high': '1' } }, {}, ['pids.max=max', 'memory.high=1']],
    ['v2', { cpu: { idle: 0, shares: 1024 } }, { 'cpu.idle': '1' }, ['cpu.idle=0', 'cpu.weight=100']],
    ['v1', { cpu: { cpus: '0-1' } }, { 'cpuset.effective_cpus': '0-3' }, ['cpuset.cpus=0-1']],
    [
      ...([
        'v1',
        { cpu: { realtimePeriod: 10, realtimeRuntime: 3 } },
        { 'cpu.rt_period_us': '900\n', 'cpu.rt_runtime_us': '600\n' },
      ] as const),
      ['cpu.rt_runtime_us=3', 'cpu.rt_period_us=10'],
    ],
    [
      ...([
        'v1',
        { cpu: { realtimePeriod: 90, realtimeRuntime: 30 } },
        { 'cpu.rt_period_us': '10\n', 'cpu.rt_runtime_us': '3\n' },
      ] as const),
      ['cpu.rt_period_us=90', 'cpu.rt_runtime_us=30'],
    ],
    ['v1', { memory: { limit: 0, swap: 0 }, cpu: { quota: 0, period: 0, shares: 0, cpus: '' }, pids: { limit: 0 } }, {}, []],
    ['v1', { devices: [{ allow: false, access: 'rwm' }] }, {}, []],
  ])('on %s of %j', (mode, resources, texts, expected) => {
    expect(written(mode, resources, texts)).toEqual(expected);
  });

  it('limits no swap where there is none, and refuses to where the kernel does not count it', () => {
    const both = { memory: { limit: 5, swap: 9 } };
    expect(written('v1', both, {}, { total: 0, accounted: false })).toEqual(['memory.limit_in_bytes=5']);
    expect(() => written('v1', both, {}, { total: 1, accounted: false })).toThrow('memory.swap of the resources is not supported here');
  });

  it.each<[Layout, object, string]>([
    ['v2', { memory: { swap: 9 } }, 'unable to set swap limit without memory limit'],
    ['v2', { memory: { limit: 9, swap: 5 } }, 'memory+swap limit should be >= memory limit'],
    ['v2', { memory: { limit: 9, checkBeforeUpdate: true } }, 'rejecting memory limit 9 as it is less than 10'],
    ['v1', { unified: { 'memory.high': '1' } }, 'this machine has no unified tree'],
    ['v1', { cpu: { burst: 1 } }, 'this kernel has no cpu.cfs_burst_us'],
    ['v1', { blockIO: { weight: 10 } }, 'the cgroup controller io is not there'],
  ])('is refused on %s of %j', (mode, resources, message) => {
    expect(() => written(mode, resources, { 'memory.current': '10\n' })).toThrow(message);
  });
});

describe('the flags of `update`', () => {
  const read = (...args: string[]) => resourcesOfFlags(parseFlags(args, updateFlags));

  it('are limits', () => {
    expect(read()).toBeNull();
    const flags = ['--memory', '64M', '--memory-swap=-1', '--cpu-quota', '-1', '--cpuset-cpus', '0-1', '--pids-limit', '20'];
    expect(read(...flags, '--memory-reservation', '1.5KiB')).toMatchObject({
      memory: { limit: 64 * 1024 ** 2, swap: -1, reservation: 1536 },
      cpu: { quota: -1, cpus: '0-1' },
      pids: { limit: 20 },
    });
  });

  it.each([
    [['--memory', 'much'], 'invalid value "much" for flag -memory'],
    [['--memory', '-2'], 'invalid value "-2" for flag -memory'],
    [['--cpu-quota', '1e3'], 'for flag -cpu-quota'],
    [['--blkio-weight', '1001'], 'invalid value for flag -blkio-weight'],
    [['--cpu-idle', '2'], 'invalid value for flag -cpu-idle'],
    [['--l3-cache-schema', 'L3:0=f'], 'Intel RDT/CAT: l3 cache schema is not enabled'],
    [['--mem-bw-schema', 'MB:0=20'], 'Intel RDT/MBA: memory bandwidth schema is not enabled'],
  ])('are refused: %j', (args, message) => {
    expect(() => read(...args)).toThrow(message);
  });

  it('take any text without a failure of another kind', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(updateFlags)), fc.string(), (name, text) => {
        try {
          const found = read(`--${name}=${text}`);
          if (found !== null) expect(found).toEqual(resourcesSchema.parse(JSON.parse(JSON.stringify(found))));
        } catch (error) {
          expect(error).toMatchObject({ name: expect.stringMatching(/^(?:NacelleError|UnsupportedError)$/) });
        }
      }),
    );
  });
});

describe('the numbers of `events --stats`', () => {
  it('have the shape of runc on v2 too', () => {
    const texts: Readonly<Record<string, string>> = {
      ...{
        'memory.current': '10',
        'memory.max': '100',
        'memory.swap.current': '3',
        'memory.swap.max': '50',
        'memory.stat': 'anon 1\nfile 7\n',
      },
      ...{ 'cpu.stat': 'usage_usec 9\nuser_usec 5\nsystem_usec 4\nnr_periods 2\nnr_throttled 1\nthrottled_usec 8\n' },
      ...{ 'pids.current': '2', 'pids.max': 'max', 'io.stat': '8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n' },
    };
    const read = (_: string, file: string): string | null => texts[file] ?? null;
    expect(statsOf(read, ['unified', 'memory', 'cpu', 'pids', 'io'], [])).toMatchObject({
      cpu: { usage: { total: 9000, user: 5000, kernel: 4000 }, throttling: { periods: 2, throttledPeriods: 1, throttledTime: 8000 } },
      memory: { cache: 7, usage: { limit: 100, usage: 10 }, swap: { limit: 150, usage: 13 }, raw: { anon: 1, file: 7 } },
      pids: { current: 2 },
      blkio: {
        ioServiceBytesRecursive: [
          { major: 8, op: 'Read', value: 4096 },
          { major: 8, op: 'Write' },
        ],
      },
    });
  });
});

describe('a file of limits that another process has named', () => {
  it('is not waited for where it is a named pipe, which nobody writes to', () => {
    const pipe = join(temporary, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const flags = parseFlags(['--resources', pipe], updateFlags);
    const caller = { hasOwnStreams: false, absolute: (path: string) => path, descriptor: () => 0 };
    expect(() => askedResources(flags, caller)).toThrow(`${pipe} is no regular file`);
  });
});
