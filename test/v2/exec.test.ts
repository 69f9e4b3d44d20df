import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { live, outputOf } from '../fixtures/live.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'], cgroup: 'v2' });

const EAT = 'dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null';
const LIMITS = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max';

describe('a container in which programs join', () => {
  it('shows its limits inside, before and after they are changed', async () => {
    await using container = await live({ memory: '64m', cpus: 0.5 });
    expect(await outputOf(container, LIMITS)).toBe(`${64 << 20}\n50000 100000`);
    await container.update({ memory: '96m', cpus: 0.25 });
    expect(await outputOf(container, LIMITS)).toBe(`${96 << 20}\n25000 100000`);
    await container.update({ memory: '32m' });
    expect(await outputOf(container, LIMITS)).toBe(`${32 << 20}\n25000 100000`);
  });

  it('shows limits that it had not from the beginning', async () => {
    await using container = await live();
    await container.exec(['true'], { limits: { memory: '16m' } });
    await container.update({ memory: '64m' });
    expect(await outputOf(container, 'cat /sys/fs/cgroup/memory.max')).toBe(`${64 << 20}`);
  });

  it('puts all of them back when one is refused', async () => {
    await using container = await live({ memory: '64m', tmpfs: { '/t': 'size=48m' } });
    await container.exec(['dd', 'if=/dev/zero', 'of=/t/file', 'bs=1M', 'count=32']);
    await expect(container.update({ memory: '8m' })).rejects.toMatchObject({ code: 'EBUSY' });
    expect(await outputOf(container, 'cat /sys/fs/cgroup/memory.max')).toBe(`${64 << 20}`);
  });

  it('outlives a program that is killed for a limit of its own', async () => {
    await using container = await live({ memory: '256m' });
    const result = await container.exec(['sh', '-c', EAT], { limits: { memory: '16m' } });
    expect(result).toMatchObject({ status: 'memory-limit', oomKilled: true });
    expect(container.state).toBe('running');
    expect(await container.exec(['sh', '-c', EAT])).toMatchObject({ status: 'ok' });
  });

  it('counts and limits each program by itself', async () => {
    await using container = await live();
    const limits = { memory: '64m', pidsLimit: 8, cpus: 0.5 };
    const { usage } = await container.exec(['sh', '-c', 'for i in $(seq 5); do sleep 0.1 & done; wait'], { limits });
    expect(usage.pidsPeak).toBeLessThanOrEqual(8);
    expect(usage.memoryPeak === null || usage.memoryPeak < 64 << 20).toBe(true);
  });
});
