import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceWrites, limitWrites } from '../../../lib/cgroup/limits.js';
import { UnsupportedError } from '../../../lib/errors.js';
import { groupLayoutOf, hybrid, systemd, v1 } from './machines.js';

const MiB = 1024 ** 2;
const lines = (writes: { file: string; value: string }[]): string[] => writes.map(({ file, value }) => `${file}=${value}`);

describe('limits', () => {
  const all = { memory: 64 * MiB, cpus: 0.5, pidsLimit: 20 };

  it('on v1, memory before memory plus swap', () => {
    expect(lines(limitWrites(all, groupLayoutOf(hybrid)))).toEqual([
      'memory.limit_in_bytes=67108864',
      'memory.memsw.limit_in_bytes=67108864',
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=50000',
      'pids.max=20',
    ]);
  });

  it('on v2, swap by itself', () => {
    expect(lines(limitWrites({ ...all, memorySwap: 96 * MiB }, groupLayoutOf(systemd)))).toEqual([
      'memory.swap.max=33554432',
      'memory.max=67108864',
      'cpu.max=50000 100000',
      'pids.max=20',
    ]);
  });

  it('no swap unless it is asked for', () => {
    expect(lines(limitWrites({ memory: 4096 }, groupLayoutOf(systemd)))).toContain('memory.swap.max=0');
  });

  it('a quota in a period of its own, and never less than the kernel takes', () => {
    expect(lines(limitWrites({ cpuQuota: 2000, cpuPeriod: 10_000 }, groupLayoutOf(systemd)))).toEqual(['cpu.max=2000 10000']);
    expect(lines(limitWrites({ cpus: 0.01, cpuPeriod: 1000 }, groupLayoutOf(systemd)))).toEqual(['cpu.max=1000 1000']);
  });

  it('none writes nothing', () => {
    expect(limitWrites({}, groupLayoutOf(hybrid))).toEqual([]);
  });

  it('a machine without swap that does not count it needs no limit of it', () => {
    const layout = groupLayoutOf(v1, { swap: { total: 0, accounted: false } });
    expect(lines(limitWrites({ memory: 4096 }, layout))).toEqual(['memory.limit_in_bytes=4096']);
  });

  it('a machine with swap that does not count it is refused', () => {
    const layout = groupLayoutOf(v1, { swap: { total: 1, accounted: false } });
    expect(() => limitWrites({ memory: 4096 }, layout)).toThrow(UnsupportedError);
  });

  it('a controller that is not there is refused by name', () => {
    const layout = groupLayoutOf({ ...systemd, controllers: {} });
    expect(() => limitWrites({ pidsLimit: 3 }, layout)).toThrow(/pidsLimit.*pids.*subtree_control/);
    expect(() => limitWrites({ memory: 4096 }, layout)).toThrow(UnsupportedError);
    expect(() => limitWrites({ cpus: 1 }, layout)).toThrow(UnsupportedError);
  });

  it('change in an order that keeps memory within memory plus swap at every moment', () => {
    const size = fc.integer({ min: 1, max: 1000 }).map((pages) => pages * 4096);
    const pair = fc.tuple(size, size).map(([a, b]) => ({ memory: Math.min(a, b), memorySwap: Math.max(a, b) }));
    fc.assert(
      fc.property(pair, pair, (from, to) => {
        const state = { ...from };
        for (const { file, value } of limitWrites(to, groupLayoutOf(v1), from)) {
          if (file === 'memory.limit_in_bytes') state.memory = Number(value);
          else state.memorySwap = Number(value);
          expect(state.memory).toBeLessThanOrEqual(state.memorySwap);
        }
        expect(state).toEqual(to);
      }),
    );
  });
});

describe('device rules', () => {
  it('as the kernel reads them', () => {
    expect(
      lines(
        deviceWrites([
          { type: 'a', access: 'rwm', allow: false },
          { type: 'c', major: 1, minor: 3, access: 'rwm', allow: true },
          { type: 'c', major: 136, access: 'rw', allow: true },
          { type: 'b', access: 'm', allow: false },
        ]),
      ),
    ).toEqual(['devices.deny=a', 'devices.allow=c 1:3 rwm', 'devices.allow=c 136:* rw', 'devices.deny=b *:* m']);
  });
});
