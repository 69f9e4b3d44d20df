import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GroupFiles, noFiles } from '../../../../lib/cgroup/limits/group-write.js';
import { limitWrites } from '../../../../lib/cgroup/limits/limit-writes.js';
import { weightOfShares } from '../../../../lib/cgroup/limits/limits-cpu.js';
import { bfqWeight, cfqWeight } from '../../../../lib/cgroup/limits/limits-io.js';
import { UnsupportedError } from '../../../../lib/errors.js';
import type { GroupLayout } from '../../../../lib/host/cgroup-base.js';
import type { ParsedLimits } from '../../../../lib/options/limits.js';
import { groupLayoutOf, hybrid, systemd, v1 } from '../machines.js';

const MiB = 1024 ** 2;
const filesOf = (names: Record<string, string>): GroupFiles => ({
  has: (controller, file) => `${controller}/${file}` in names,
  read: (controller, file) => names[`${controller}/${file}`] ?? null,
});
const writesOf = (limits: ParsedLimits, layout: GroupLayout, files = noFiles) => limitWrites(limits, { layout, files });
const lines = (writes: { file: string; value: string }[]): string[] => writes.map(({ file, value }) => `${file}=${value}`);

describe('limits', () => {
  const all = { memory: 64 * MiB, cpus: 0.5, pidsLimit: 20 };

  it('on v1, memory before memory plus swap', () => {
    expect(lines(writesOf(all, groupLayoutOf(hybrid)))).toEqual([
      'memory.limit_in_bytes=67108864',
      'memory.memsw.limit_in_bytes=67108864',
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=50000',
      'pids.max=20',
    ]);
  });

  it('on v2, swap by itself', () => {
    expect(lines(writesOf({ ...all, memorySwap: 96 * MiB }, groupLayoutOf(systemd)))).toEqual([
      'memory.swap.max=33554432',
      'memory.max=67108864',
      'cpu.max=50000 100000',
      'pids.max=20',
    ]);
  });

  it('no swap unless it is asked for', () => {
    expect(lines(writesOf({ memory: 4096 }, groupLayoutOf(systemd)))).toContain('memory.swap.max=0');
  });

  it('a quota in a period of its own, and never less than the kernel takes', () => {
    expect(lines(writesOf({ cpuQuota: 2000, cpuPeriod: 10_000 }, groupLayoutOf(systemd)))).toEqual(['cpu.max=2000 10000']);
    expect(lines(writesOf({ cpus: 0.01, cpuPeriod: 1000 }, groupLayoutOf(systemd)))).toEqual(['cpu.max=1000 1000']);
  });

  it('none writes nothing', () => {
    expect(writesOf({}, groupLayoutOf(hybrid))).toEqual([]);
  });

  it('a machine without swap that does not count it needs no limit of it', () => {
    const layout = groupLayoutOf(v1, { swap: { total: 0, accounted: false } });
    expect(lines(writesOf({ memory: 4096 }, layout))).toEqual(['memory.limit_in_bytes=4096']);
  });

  it('a machine with swap that does not count it is refused', () => {
    const layout = groupLayoutOf(v1, { swap: { total: 1, accounted: false } });
    expect(() => writesOf({ memory: 4096 }, layout)).toThrow(UnsupportedError);
  });

  it('a controller that is not there is refused by name', () => {
    const layout = groupLayoutOf({ ...systemd, controllers: {} });
    expect(() => writesOf({ pidsLimit: 3 }, layout)).toThrow(/pidsLimit.*pids.*subtree_control/);
    expect(() => writesOf({ memory: 4096 }, layout)).toThrow(UnsupportedError);
    expect(() => writesOf({ cpus: 1 }, layout)).toThrow(UnsupportedError);
  });

  it('where no group can be made, that is the reason', () => {
    const bases = { '/sys/fs/cgroup': { path: null, reason: '/sys/fs/cgroup is mounted read-only', fix: 'In Docker, …' } };
    const layout = groupLayoutOf({ ...systemd, controllers: {} }, { bases });
    expect(() => writesOf({ pidsLimit: 3 }, layout)).toThrow(/pidsLimit.*read-only.*In Docker/);
  });

  it('where processes stand in the way of a controller, that is the reason', () => {
    const withheld = { controllers: ['memory'], reason: 'other processes are there', fix: 'Delegate=yes' };
    const layout = groupLayoutOf({ ...systemd, controllers: {} }, { withheld });
    expect(() => writesOf({ memory: 4096 }, layout)).toThrow(/limit memory.*other processes.*Delegate/);
    expect(() => writesOf({ pidsLimit: 3 }, layout)).toThrow(/pidsLimit.*pids.*subtree_control/);
  });

  it('change in an order that keeps memory within memory plus swap at every moment', () => {
    const size = fc.integer({ min: 1, max: 1000 }).map((pages) => pages * 4096);
    const pair = fc.tuple(size, size).map(([a, b]) => ({ memory: Math.min(a, b), memorySwap: Math.max(a, b) }));
    fc.assert(
      fc.property(pair, pair, (from, to) => {
        const state = { ...from };
        for (const { file, value } of limitWrites(to, { layout: groupLayoutOf(v1), files: noFiles, current: from })) {
          if (file === 'memory.limit_in_bytes') state.memory = Number(value);
          else state.memorySwap = Number(value);
          expect(state.memory).toBeLessThanOrEqual(state.memorySwap);
        }
        expect(state).toEqual(to);
      }),
    );
  });
});

describe('CPU', () => {
  // what runc gives from 1.3.2 on: its tests, and opencontainers/runc#4896
  it.each([
    [2, 1],
    [1024, 100],
    [262_144, 10_000],
    [2000, 170],
    [256, 35],
  ])('shares of %i weigh %i', (shares, weight) => {
    expect(weightOfShares(shares)).toBe(weight);
  });

  it('a weight never falls when shares grow', () => {
    const shares = fc.integer({ min: 2, max: 262_144 });
    fc.assert(
      fc.property(shares, shares, (a, b) => {
        expect(weightOfShares(Math.min(a, b))).toBeLessThanOrEqual(weightOfShares(Math.max(a, b)));
      }),
    );
  });

  const files = filesOf({
    'cpu/cpu.idle': '',
    'cpu/cpu.max.burst': '',
    'cpu/cpu.cfs_burst_us': '',
    'cpu/cpu.rt_runtime_us': '',
    'cpuset/cpuset.cpus.effective': '0-3\n',
    'cpuset/cpuset.effective_cpus': '0-3\n',
    'cpuset/cpuset.effective_mems': '0\n',
  });

  it('weight, burst and idle, by the files of each version', () => {
    const limits = { cpuShares: 512, cpuQuota: 50_000, cpuBurst: 10_000 };
    expect(lines(writesOf(limits, groupLayoutOf(systemd), files))).toEqual([
      'cpu.weight=59',
      'cpu.max=50000 100000',
      'cpu.max.burst=10000',
    ]);
    expect(lines(writesOf(limits, groupLayoutOf(v1), files))).toEqual([
      'cpu.shares=512',
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=50000',
      'cpu.cfs_burst_us=10000',
    ]);
    expect(lines(writesOf({ cpuIdle: true }, groupLayoutOf(v1), files))).toEqual(['cpu.idle=1']);
  });

  it('of a group that has limits: the burst goes first, then the old quota', () => {
    const limits = { cpuQuota: 5000, cpuBurst: 100 };
    const current = { memory: 1, memorySwap: 1 };
    expect(lines(limitWrites(limits, { layout: groupLayoutOf(v1), files, current })).slice(0, 2)).toEqual([
      'cpu.cfs_burst_us=0',
      'cpu.cfs_quota_us=-1',
    ]);
    expect(lines(limitWrites(limits, { layout: groupLayoutOf(systemd), files, current })).slice(0, 1)).toEqual(['cpu.max.burst=0']);
  });

  it('real time is of v1', () => {
    expect(lines(writesOf({ cpuRtPeriod: 500_000, cpuRtRuntime: 1000 }, groupLayoutOf(v1), files))).toEqual([
      'cpu.rt_period_us=500000',
      'cpu.rt_runtime_us=1000',
    ]);
    expect(() => writesOf({ cpuRtRuntime: 1000 }, groupLayoutOf(systemd), files)).toThrow(/cpuRtRuntime.*v2/);
  });

  it('CPUs and memory nodes that are there', () => {
    expect(lines(writesOf({ cpusetCpus: '0,2-3', cpusetMems: '0' }, groupLayoutOf(hybrid), files))).toEqual([
      'cpuset.cpus=0,2-3',
      'cpuset.mems=0',
    ]);
    expect(() => writesOf({ cpusetCpus: '2-5' }, groupLayoutOf(hybrid), files)).toThrow(/4, 5 can't be used here.*There are 0-3/);
  });

  it.each([{ cpuIdle: true }, { cpuQuota: 5000, cpuBurst: 1 }, { cpuRtRuntime: 1 }])(
    '%j is refused where the kernel lacks the file',
    (limits) => {
      expect(() => writesOf(limits, groupLayoutOf(v1))).toThrow(UnsupportedError);
    },
  );
});

describe('memory beside the limit', () => {
  it('v1', () => {
    const files = filesOf({ 'memory/memory.kmem.limit_in_bytes': '' });
    expect(lines(writesOf({ memoryReservation: 4096, memorySwappiness: 10, kernelMemory: 8192 }, groupLayoutOf(v1), files))).toEqual([
      'memory.soft_limit_in_bytes=4096',
      'memory.swappiness=10',
      'memory.kmem.limit_in_bytes=8192',
    ]);
    expect(() => writesOf({ kernelMemory: 8192 }, groupLayoutOf(v1))).toThrow(/kernelMemory.*ignores it/);
    for (const limits of [{ memoryHigh: 4096 }, { memoryOomGroup: true }]) {
      expect(() => writesOf(limits, groupLayoutOf(v1))).toThrow(/is on cgroup v1 here, which has no such limit/);
    }
  });

  it('v2', () => {
    expect(lines(writesOf({ memoryReservation: 4096, memoryHigh: 8192, memoryOomGroup: true }, groupLayoutOf(systemd)))).toEqual([
      'memory.low=4096',
      'memory.high=8192',
      'memory.oom.group=1',
    ]);
    for (const limits of [{ memorySwappiness: 1 }, { kernelMemory: 4096 }]) {
      expect(() => writesOf(limits, groupLayoutOf(systemd))).toThrow(/is on cgroup v2 here, which has no such limit/);
    }
  });
});

describe('block devices', () => {
  const v2 = { ...systemd, controllers: { [Object.keys(systemd.controllers)[0] ?? '']: 'io\n' } };
  const blkio = { ...v1, mountinfo: v1.mountinfo.replaceAll('pids', 'blkio'), membership: v1.membership.replaceAll('pids', 'blkio') };
  const limits = { ioMax: [{ device: '8:0', readBps: 1024, writeIops: 0 }] };

  it('on v2 in one line, on v1 in a file each; 0 is no limit', () => {
    expect(lines(writesOf(limits, groupLayoutOf(v2), filesOf({ 'io/io.max': '' })))).toEqual(['io.max=8:0 rbps=1024 wiops=max']);
    const files = filesOf({ 'blkio/blkio.throttle.read_bps_device': '', 'blkio/blkio.throttle.write_iops_device': '' });
    expect(lines(writesOf(limits, groupLayoutOf(blkio), files))).toEqual([
      'blkio.throttle.read_bps_device=8:0 1024',
      'blkio.throttle.write_iops_device=8:0 0',
    ]);
    expect(() => writesOf(limits, groupLayoutOf(v2))).toThrow(UnsupportedError);
  });

  it('weigh in the file that the kernel has, or in both', () => {
    const files = filesOf({ 'io/io.weight': '', 'io/io.bfq.weight': '', 'blkio/blkio.weight': '' });
    expect(lines(writesOf({ ioWeight: 1090 }, groupLayoutOf(v2), files))).toEqual(['io.weight=default 1090', 'io.bfq.weight=190']);
    expect(lines(writesOf({ ioWeight: 50 }, groupLayoutOf(blkio), files))).toEqual(['blkio.weight=250']);
    expect(() => writesOf({ ioWeight: 50 }, groupLayoutOf(blkio))).toThrow(/blkio.bfq.weight or blkio.weight/);
  });

  it('weights stay in the range of each scheduler, and the default is the default', () => {
    expect([bfqWeight(1), bfqWeight(100), bfqWeight(10_000)]).toEqual([1, 100, 1000]);
    expect([cfqWeight(1), cfqWeight(100), cfqWeight(10_000)]).toEqual([10, 500, 1000]);
  });
});

describe('the other controllers', () => {
  it('huge pages, those reserved too where the kernel tells them apart', () => {
    const layout = groupLayoutOf(hybrid);
    const limits = { hugetlb: { '2MB': 4096 } };
    expect(lines(writesOf(limits, layout, filesOf({ 'hugetlb/hugetlb.2MB.max': '', 'hugetlb/hugetlb.2MB.rsvd.max': '' })))).toEqual([
      'hugetlb.2MB.rsvd.max=4096',
      'hugetlb.2MB.max=4096',
    ]);
    expect(() => writesOf({ hugetlb: { '1GB': 0 } }, layout)).toThrow(/no huge pages of 1GB/);
  });

  it('network classes and priorities, of v1', () => {
    expect(lines(writesOf({ netClassId: 0x100001, netPriorities: { eth0: 5, lo: 1 } }, groupLayoutOf(v1)))).toEqual([
      'net_cls.classid=1048577',
      'net_prio.ifpriomap=eth0 5',
      'net_prio.ifpriomap=lo 1',
    ]);
    expect(() => writesOf({ netClassId: 1 }, groupLayoutOf(systemd))).toThrow(/net_cls is not mounted.*cgroup --path/);
  });

  it('rdma and misc', () => {
    const machine = { ...systemd, controllers: { [Object.keys(systemd.controllers)[0] ?? '']: 'rdma misc\n' } };
    expect(lines(writesOf({ rdma: { mlx4_0: { hcaHandles: 2, hcaObjects: 3 } }, misc: { sev: 1 } }, groupLayoutOf(machine)))).toEqual([
      'rdma.max=mlx4_0 hca_handle=2 hca_object=3',
      'misc.max=sev 1',
    ]);
    expect(() => writesOf({ misc: { sev: 1 } }, groupLayoutOf(systemd))).toThrow(/misc is not there.*\+misc/);
  });
});
