import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyedNumber, parseKeyed, parseNested, parseNumber } from '../../../../lib/cgroup/files/interface-file-formats.js';
import { readStats, statsFiles } from '../../../../lib/cgroup/stats/group-stats.js';
import { parsePressure } from '../../../../lib/cgroup/stats/pressure.js';

const reader = (files: Record<string, string>) => (controller: string, file: string) => files[`${controller}/${file}`] ?? null;

const psi = 'some avg10=1.50 avg60=0.20 avg300=0.03 total=5000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n';

describe('statistics', () => {
  it('of v2', () => {
    const files = {
      'unified/cpu.stat': 'usage_usec 10000\nuser_usec 7000\nsystem_usec 3000\nnr_periods 4\nnr_throttled 2\nthrottled_usec 1500\n',
      'unified/memory.pressure': psi,
      'memory/memory.current': '4096\n',
      'memory/memory.max': 'max\n',
      'memory/memory.swap.current': '0\n',
      'memory/memory.stat': 'anon 100\nfile 200\nkernel 300\npgfault 5\npgmajfault 1\n',
      'memory/memory.events': 'oom_kill 2\n',
      'pids/pids.current': '3\n',
      'pids/pids.max': '10\n',
      'io/io.stat': '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1 dbytes=0 dios=0\n',
    };
    expect(readStats(reader(files), ['memory', 'pids', 'io', 'cpu'])).toEqual({
      cpu: { usageMs: 10, userMs: 7, systemMs: 3, periods: 4, throttledPeriods: 2, throttledMs: 1.5 },
      memory: {
        current: 4096,
        peak: null,
        limit: null,
        swap: 0,
        anon: 100,
        file: 200,
        kernel: 300,
        pageFaults: 5,
        majorFaults: 1,
        oomKills: 2,
      },
      pids: { current: 3, peak: null, limit: 10 },
      io: {
        readBytes: 11,
        writeBytes: 22,
        devices: [
          { device: '8:0', readBytes: 10, writeBytes: 20, reads: 1, writes: 2 },
          { device: '8:16', readBytes: 1, writeBytes: 2, reads: 1, writes: 1 },
        ],
      },
      hugetlb: null,
      pressure: {
        cpu: null,
        memory: { some: { avg10: 1.5, avg60: 0.2, avg300: 0.03, totalMs: 5 }, full: { avg10: 0, avg60: 0, avg300: 0, totalMs: 1 } },
        io: null,
      },
    });
  });

  it('of huge pages: v2 has no peak', () => {
    const v1 = {
      'hugetlb/hugetlb.2MB.usage_in_bytes': '2097152\n',
      'hugetlb/hugetlb.2MB.max_usage_in_bytes': '4194304\n',
      'hugetlb/hugetlb.2MB.limit_in_bytes': '9223372036852678656\n',
    };
    const of = (files: Record<string, string>) => readStats(reader(files), ['hugetlb'], ['2MB', '1GB']).hugetlb;
    expect(of(v1)).toEqual({ '2MB': { current: 2097152, peak: 4194304, limit: null } });
    const v2 = { 'hugetlb/hugetlb.2MB.current': '0\n', 'hugetlb/hugetlb.2MB.max': '4194304\n' };
    expect(of(v2)).toEqual({ '2MB': { current: 0, peak: null, limit: 4194304 } });
    expect(readStats(reader(v2), ['memory']).hugetlb).toBe(null);
  });

  it('of I/O that v1 does not count are not 0', () => {
    const files = { 'blkio/blkio.throttle.io_service_bytes_recursive': 'Total 0\n' };
    expect(readStats(reader(files), ['blkio']).io).toBe(null);
  });

  it('ask for no file that is not read at once', () => {
    const controllers = ['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'io', 'hugetlb'];
    const known = new Set(statsFiles(['unified', ...controllers], ['2MB']).map(({ controller, file }) => `${controller}/${file}`));
    const asked = new Set<string>();
    for (const value of [null, '1']) {
      const read = (controller: string, file: string): string | null => {
        asked.add(`${controller}/${file}`);
        return value;
      };
      readStats(read, controllers, ['2MB']);
      readStats(
        read,
        controllers.filter((name) => name !== 'blkio'),
        ['2MB'],
      );
    }
    expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  });

  it('of v1, in the same fields', () => {
    const files = {
      'cpuacct/cpuacct.usage': '4000000000\n',
      'cpuacct/cpuacct.usage_user': '3000000000\n',
      'cpuacct/cpuacct.usage_sys': '1000000000\n',
      'cpu/cpu.stat': 'nr_periods 4\nnr_throttled 2\nthrottled_time 1500000\n',
      'memory/memory.usage_in_bytes': '4096\n',
      'memory/memory.max_usage_in_bytes': '8192\n',
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
      'memory/memory.stat': 'cache 1\nrss 2\ntotal_cache 200\ntotal_rss 100\ntotal_swap 0\ntotal_pgfault 5\ntotal_pgmajfault 1\n',
      'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
      'pids/pids.current': '3\n',
      'pids/pids.max': 'max\n',
      'pids/pids.peak': '5\n',
      'blkio/blkio.throttle.io_service_bytes_recursive': '8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\nTotal 30\n',
      'blkio/blkio.throttle.io_serviced_recursive': '8:0 Read 1\n8:0 Write 2\nTotal 3\n',
    };
    expect(readStats(reader(files), ['memory', 'pids', 'blkio', 'cpu', 'cpuacct'])).toEqual({
      cpu: { usageMs: 4000, userMs: 3000, systemMs: 1000, periods: 4, throttledPeriods: 2, throttledMs: 1.5 },
      memory: {
        current: 4096,
        peak: 8192,
        limit: null,
        swap: 0,
        anon: 100,
        file: 200,
        kernel: null,
        pageFaults: 5,
        majorFaults: 1,
        oomKills: 2,
      },
      pids: { current: 3, peak: 5, limit: null },
      io: { readBytes: 10, writeBytes: 20, devices: [{ device: '8:0', readBytes: 10, writeBytes: 20, reads: 1, writes: 2 }] },
      hugetlb: null,
      pressure: null,
    });
  });

  it('of a group without controllers: null, not 0', () => {
    expect(readStats(() => null, [])).toMatchObject({ memory: null, pids: null, io: null, pressure: null, cpu: { periods: null } });
  });
});

describe('files of the kernel', () => {
  it('keyed lines come back as they were written', () => {
    const key = fc.stringMatching(/^[a-z_.]{1,12}$/);
    fc.assert(
      fc.property(fc.dictionary(key, fc.nat()), (values) => {
        const text = Object.entries(values).map(([name, value]) => `${name} ${value}\n`);
        expect(Object.fromEntries(parseKeyed(text.join('')))).toEqual({ ...values });
        for (const [name, value] of Object.entries(values)) expect(keyedNumber(text.join(''), name)).toBe(value);
      }),
    );
  });

  it('one number is found by its whole word alone, also in the last line', () => {
    expect(keyedNumber('oom 1\noom_kill 2', 'oom_kill')).toBe(2);
    expect(keyedNumber('oom_kill 2\n', 'kill')).toBeUndefined();
    expect(keyedNumber('max max\n', 'max')).toBeUndefined();
    expect(keyedNumber('', 'max')).toBeUndefined();
  });

  it('any text is read as something', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseNested(text);
        parsePressure(text, text, text);
        const number = parseNumber(text);
        expect(number === null || Number.isFinite(number)).toBe(true);
      }),
    );
  });

  it("'max' is no number", () => {
    expect(parseNumber('max\n')).toBeNull();
    expect(parseNumber('')).toBeNull();
    expect(parseNumber('12\n')).toBe(12);
  });
});
