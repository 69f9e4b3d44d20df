import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type Limits } from '../../../lib/index.js';
import { cgroupMounts, folderOf, groupOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';

useLeakCheck();
const needs = { root: true, tools: ['busybox'] };
const { describe, it } = requires(needs);

/** What the kernel has in its file of a running container's group: by the names of v1 and v2, the same limit. */
async function fileOf(limits: Limits, controller: string, v1: string | null, v2: string | null): Promise<string> {
  await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...limits });
  await container.start();
  const folder = folderOf(container.pid, controller) ?? '';
  expect(folder).toContain('/nacelle/');
  const file = groupOf(controller)?.version === 2 ? v2 : v1;
  return readFileSync(join(folder, file ?? ''), 'utf8').trim();
}

const version = (controller: string): 1 | 2 | undefined => groupOf(controller)?.version;
const refusal = (limits: Limits) => busybox().then((image) => Container.run({ ...image, command: ['true'], ...limits }));

requires({ ...needs, cgroup: 'cpu' }).describe('cpu', () => {
  it('shares', async () => {
    expect(await fileOf({ cpuShares: 2000 }, 'cpu', 'cpu.shares', 'cpu.weight')).toBe(version('cpu') === 2 ? '170' : '2000');
  });

  it('a quota in a period, with a burst', async () => {
    const limits = { cpuQuota: 20_000, cpuPeriod: 50_000, cpuBurst: 10_000 };
    expect(await fileOf(limits, 'cpu', 'cpu.cfs_burst_us', 'cpu.max.burst')).toBe('10000');
    expect(await fileOf(limits, 'cpu', 'cpu.cfs_quota_us', 'cpu.max')).toBe(version('cpu') === 2 ? '20000 50000' : '20000');
  });

  it('real-time run time, on v1, out of what the groups above get for it', async () => {
    const limits = { cpuRtRuntime: 10_000 };
    const top = groupOf('cpu')?.path ?? '';
    if (existsSync(join(top, 'cpu.rt_runtime_us'))) {
      expect(await fileOf(limits, 'cpu', 'cpu.rt_runtime_us', null)).toBe('10000');
      expect(await fileOf({ ...limits, cpuRtPeriod: 500_000 }, 'cpu', 'cpu.rt_runtime_us', null)).toBe('10000');
    } else {
      await expect(refusal(limits)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit cpuRtRuntime' });
    }
  });

  it('idle', async () => {
    expect(await fileOf({ cpuIdle: true }, 'cpu', 'cpu.idle', 'cpu.idle')).toBe('1');
  });
});

requires({ ...needs, cgroup: 'cpuset' }).describe('cpuset', () => {
  it('holds the program to its CPUs', async () => {
    const { stdout } = await sh('grep Cpus_allowed_list /proc/self/status; grep Mems_allowed_list /proc/self/status', {
      cpusetCpus: '0',
      cpusetMems: '0',
    });
    expect(stdout).toMatch(/Cpus_allowed_list:\s+0\nMems_allowed_list:\s+0\n/);
  });

  it('refuses what is not there', async () => {
    await expect(refusal({ cpusetCpus: '0,4000' })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      feature: 'limit cpusetCpus',
      reason: expect.stringContaining('4000'),
    });
    await expect(refusal({ cpusetMems: '63' })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit cpusetMems' });
  });
});

requires({ ...needs, cgroup: 'memory' }).describe('memory', () => {
  it('reservation', async () => {
    expect(await fileOf({ memoryReservation: '32m' }, 'memory', 'memory.soft_limit_in_bytes', 'memory.low')).toBe(String(32 << 20));
  });

  it('what one version has alone: kept there, refused on the other', async () => {
    const v1: [Limits, string, string][] = [[{ memorySwappiness: 10 }, 'memory.swappiness', '10']];
    const v2: [Limits, string, string][] = [
      [{ memoryHigh: '32m' }, 'memory.high', String(32 << 20)],
      [{ memoryOomGroup: true }, 'memory.oom.group', '1'],
    ];
    for (const [mine, [limits, file, value]] of [...v1.map((row) => [1, row] as const), ...v2.map((row) => [2, row] as const)]) {
      if (mine === version('memory')) expect(await fileOf(limits, 'memory', file, file)).toBe(value);
      else await expect(refusal(limits)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: `limit ${Object.keys(limits)[0]}` });
    }
  });

  it("the kernel's part is refused by kernels that take no limit of it", async () => {
    // both kernels of the tests are such: from 5.16 on
    await expect(refusal({ kernelMemory: '32m' })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit kernelMemory' });
  });
});

/** A whole disk that the kernel can throttle. */
const disk = (existsSync('/sys/block') ? readdirSync('/sys/block') : []).find((name) => /^(?:vd|sd|nvme|loop)/.test(name)) ?? '';
const numbers = (): string => readFileSync(`/sys/block/${disk}/dev`, 'utf8').trim();

requires({ ...needs, cgroup: version('blkio') === 1 ? 'blkio' : 'io' }).describe('io', () => {
  const controller = version('blkio') === 1 ? 'blkio' : 'io';

  it('rates by major:minor, and by path where there is a node', async () => {
    const node = `/dev/${disk}`;
    if (disk === '') return;
    const devices = [numbers(), ...(existsSync(node) && statSync(node).isBlockDevice() ? [node] : [])];
    for (const device of devices) {
      const text = await fileOf(
        { ioMax: [{ device, readBps: 1_048_576, writeIops: 100 }] },
        controller,
        'blkio.throttle.read_bps_device',
        'io.max',
      );
      expect(text).toBe(controller === 'io' ? `${numbers()} rbps=1048576 wbps=max riops=max wiops=100` : `${numbers()} 1048576`);
    }
  });

  it('a weight, where the kernel has a file for one', async () => {
    const outcome = await fileOf({ ioWeight: 200 }, controller, 'blkio.bfq.weight', 'io.weight').catch((error: unknown) => error);
    if (typeof outcome === 'string') expect(outcome.split('\n')[0]).toBe(controller === 'io' ? 'default 200' : '109');
    else expect(outcome).toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit ioWeight' });
  });

  it('refuses what is no disk', async () => {
    await expect(refusal({ ioMax: [{ device: '/dev/null', readBps: 1 }] })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(refusal({ ioMax: [{ device: '/nonexistent', readBps: 1 }] })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(refusal({ ioMax: [{ device: '4095:7', readBps: 1 }] })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

requires({ ...needs, cgroup: 'hugetlb' }).describe('hugetlb', () => {
  it('by page size', async () => {
    expect(await fileOf({ hugetlb: { '2MB': '4m' } }, 'hugetlb', 'hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.max')).toBe(String(4 << 20));
    expect(await fileOf({ hugetlb: { '2MB': '4m' } }, 'hugetlb', 'hugetlb.2MB.rsvd.limit_in_bytes', 'hugetlb.2MB.rsvd.max')).toBe(
      String(4 << 20),
    );
  });

  it('refuses pages of another size', async () => {
    await expect(refusal({ hugetlb: { '3MB': '3m' } })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit hugetlb' });
  });
});

const v1Devices = cgroupMounts().find(({ version, controllers }) => version === 1 && controllers.includes('devices'));

describe('devices', () => {
  const read = (device: string) => `head -c 1 ${device} >/dev/null && echo may || echo "may not"`;

  it('are those of the list: another can be neither opened nor made', async () => {
    const all = { capAdd: ['MKNOD'] };
    const script = `mknod /dev/mem2 c 1 1; mknod /dev/mine c 1 5 && ${read('/dev/mine')}; ${read('/dev/zero')}`;
    const { stdout, stderr } = await sh(script, all);
    expect(stderr).toMatch(/mknod: \/dev\/mem2: Operation not permitted/);
    expect(stdout).toBe('may\nmay\n');
  });

  it('rules add and take away', async () => {
    const deviceRules = [
      { type: 'c', major: 1, minor: 8, access: 'r', allow: false },
      { type: 'c', major: 1, minor: 11, access: 'rwm', allow: true },
    ] as const;
    const options = { capAdd: ['MKNOD'], deviceRules: [...deviceRules] };
    const { stdout } = await sh(
      `mknod /dev/kmsg2 c 1 11 && echo made; ${read('/dev/random')}; echo x >/dev/random && echo written; ${read('/dev/urandom')}`,
      options,
    );
    expect(stdout).toBe('made\nmay not\nwritten\nmay\n');
  });
});

requires({ root: true, tools: ['busybox', 'unshare', 'umount'], unified: true }).describe('devices on the unified tree', () => {
  it('are confined by a BPF program, where v1 has no controller for them', async () => {
    const script = [
      'mknod /dev/mem2 c 1 1',
      'mknod /dev/mine c 1 5 && head -c 1 /dev/mine >/dev/null && echo zero',
      'head -c 1 /dev/urandom >/dev/null || echo none',
      'echo x >/dev/urandom && echo written',
    ].join('; ');
    const options = {
      ...(await busybox()),
      command: ['sh', '-c', script],
      capAdd: ['MKNOD'],
      deviceRules: [{ type: 'c', major: 1, minor: 9, access: 'r', allow: false }],
    };
    const hide = v1Devices ? ['unshare', '--mount', 'sh', '-ec', `umount ${v1Devices.path}; exec "$@"`, 'sh'] : [];
    const result = await runNode<{ stdout: string; stderr: string }>('run', [JSON.stringify(options)], { through: hide });
    expect(result).toMatchObject({ stdout: 'zero\nnone\nwritten\n', stderr: expect.stringMatching(/mem2: Operation not permitted/) });
  });
});

describe('a controller that is not there', () => {
  it.each([
    ['net_cls', { netClassId: 1 }, 'netClassId'],
    ['net_prio', { netPriorities: { lo: 1 } }, 'netPriorities'],
    ['misc', { misc: { none: 1 } }, 'misc'],
    ['rdma', { rdma: { none: { hcaHandles: 1 } } }, 'rdma'],
  ] as const)('%s: its limit is refused before anything is made, or reported', async (controller, limits, option) => {
    if (version(controller) !== undefined) return;
    await expect(refusal(limits)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: `limit ${option}`, fix: expect.any(String) });
    const { status, notEnforced } = await sh('true', { ...limits, onUnsupported: 'report' });
    expect(status).toBe('ok');
    expect(notEnforced).toEqual([{ feature: option, reason: expect.stringContaining(controller) }]);
  });
});
