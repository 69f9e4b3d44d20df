import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Cgroup, Container, type Limits } from '../../../lib/index.js';
import { folderOf, groupOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'], cgroup: 'memory' });
const asRoot = requires({ root: true, tools: ['busybox'], cgroup: 'memory' });

async function running(limits: Limits = {}, command = ['sleep', '1000']): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command, ...limits });
  await container.start();
  return container;
}

/** What the kernel has for a process; the first name is v1's. */
function fileOf(pid: number, controller: string, v1: string, v2: string): string {
  return readFileSync(join(folderOf(pid, controller) ?? '', groupOf(controller)?.version === 2 ? v2 : v1), 'utf8').trim();
}
const memoryOf = (pid: number) => Number(fileOf(pid, 'memory', 'memory.limit_in_bytes', 'memory.max'));
const MiB = 1 << 20;

describe('container.update()', () => {
  it('moves memory up and down, with its swap', async () => {
    await using container = await running({ memory: '64m' });
    for (const megabytes of [128, 16, 32]) {
      await container.update({ memory: megabytes * MiB, memorySwap: 2 * megabytes * MiB });
      expect(memoryOf(container.pid)).toBe(megabytes * MiB);
    }
  });

  it('leaves alone what is not named', async () => {
    await using container = await running({ memory: '64m', pidsLimit: 20 });
    await container.update({ pidsLimit: 30 });
    expect(fileOf(container.pid, 'pids', 'pids.max', 'pids.max')).toBe('30');
    expect(memoryOf(container.pid)).toBe(64 * MiB);
  });

  it('limits what was not limited before, for all that runs already', async () => {
    await using container = await running({}, ['sh', '-c', 'sleep 1000 & echo $!; wait']);
    const first = await new Promise<string>((resolve) => container.stdout?.once('data', (data) => resolve(String(data))));
    expect(first.trim()).toMatch(/^\d+$/);
    await container.update({ cpuShares: 512, cpus: 0.5, cpuBurst: 1000 });
    const folder = folderOf(container.pid, 'cpu') ?? '';
    expect(folder).toContain('/nacelle/');
    expect(fileOf(container.pid, 'cpu', 'cpu.shares', 'cpu.weight')).toBe(groupOf('cpu')?.version === 2 ? '59' : '512');
    // on the unified tree the processes are in a group of their own below
    const processes = ['main', ''].map((leaf) => join(folder, leaf, 'cgroup.procs')).find(existsSync) ?? '';
    expect(readFileSync(processes, 'utf8').trim().split('\n')).toHaveLength(2);
    // and again, over what is there
    await container.update({ cpus: 0.25, cpuBurst: 500 });
    expect(fileOf(container.pid, 'cpu', 'cpu.cfs_quota_us', 'cpu.max')).toMatch(/^25000( 100000)?$/);
  });

  it('refuses less memory than is in use, kills nobody, and puts back what it had set', async () => {
    // what lies in a tmpfs can't be freed without swap
    const fill = 'dd if=/dev/zero of=/dev/shm/x bs=1048576 count=40 2>/dev/null; echo full; sleep 1000';
    await using container = await running({ memory: '128m', memoryReservation: '8m' }, ['sh', '-c', fill]);
    await new Promise((resolve) => container.stdout?.once('data', resolve));
    await expect(container.update({ memory: '16m', memoryReservation: '4m' })).rejects.toMatchObject({ code: 'EBUSY' });
    expect(container.state).toBe('running');
    expect(memoryOf(container.pid)).toBe(128 * MiB);
    expect(fileOf(container.pid, 'memory', 'memory.soft_limit_in_bytes', 'memory.low')).toBe(String(8 * MiB));
    expect((await container.stats()).oomKills).toBe(0);
  });

  asRoot.it('replaces device rules', async () => {
    const script = 'while read word; do head -c 1 /dev/urandom >/dev/null 2>&1 && echo may || echo may not; done';
    const container = await Container.create({ ...(await busybox()), command: ['sh', '-c', script], stdin: 'pipe' });
    await container.start();
    try {
      const answers: string[] = [];
      const ask = async (): Promise<void> => {
        const answer = new Promise((resolve) => container.stdout?.once('data', resolve));
        container.stdin?.write('now\n');
        answers.push(String(await answer).trim());
      };
      await ask();
      await container.update({ deviceRules: [{ type: 'c', major: 1, minor: 9, access: 'r', allow: false }] });
      await ask();
      await container.update({ deviceRules: [] });
      await ask();
      expect(answers).toEqual(['may', 'may not', 'may']);
    } finally {
      await container.remove({ force: true });
    }
  });

  it('refuses what is of a process, what is wrong, and what has ended', async () => {
    const container = await running();
    await expect(container.update({ ulimits: { nofile: 5 } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(container.update({ scheduler: { policy: 'idle' } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(container.update({ cpusetCpus: '4000' })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    await container.remove({ force: true });
    await expect(container.update({ pidsLimit: 5 })).rejects.toMatchObject({ code: 'ERR_STATE' });
  });
});

describe('cgroup.set()', () => {
  it('takes its processes into a hierarchy that it was not in', async () => {
    await using group = await Cgroup.create(`nacelle-test-${process.pid}/inner`);
    const execution = group.run(['sleep', '1000']);
    const pid = await execution.pid;
    await group.set({ cpusetCpus: '0' });
    expect(group.controllers).toContain('cpuset');
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/Cpus_allowed_list:\s+0\n/);
    await group.remove();
    await execution;
  });
});
