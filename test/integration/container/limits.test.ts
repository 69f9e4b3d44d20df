import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type RunOptions } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { folderOf, groupOf, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { findTool } from '../../fixtures/tools.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'gcc'], cgroup: 'memory' });
/** A user's changes to the root are in memory since that kernel. */
const inMemory = requires({ containers: true, groups: true, ...(isRoot ? {} : { kernel: '6.6' }), tools: ['busybox'], cgroup: 'memory' });
const asRoot = requires({ root: true, tools: ['busybox'], cgroup: 'memory' });
const program = findTool('gcc') ? compile('probe') : '';
const copyIn = { '/probe': { source: program, mode: 0o755 } };

/** A file of the group of a container that runs, read on the host; the first name is v1's, the second v2's. */
async function groupFile(options: RunOptions, controller: string, v1: string, v2: string): Promise<string | undefined> {
  await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
  await container.start();
  const folder = folderOf(container.pid, controller);
  expect(folder).toContain('nacelle');
  return readText(join(folder ?? '', groupOf(controller)?.version === 2 ? v2 : v1))?.trim();
}

describe('memory', () => {
  it('past it is an OOM kill, and told as memory-limit', async () => {
    const result = await Container.run({ ...(await busybox()), command: ['/probe', 'eat', '200'], copyIn, memory: '64m' });
    expect(result).toMatchObject({ status: 'memory-limit', signal: 'SIGKILL', exitCode: null, oomKilled: true, failed: true, stdout: '' });
    expect(result.reason).toMatch(/memory/);
    expect(result.usage.oomKills).toBeGreaterThan(0);
  });

  it('a child that was killed counts, whatever process 1 then returns', async () => {
    const result = await sh('/probe eat 200; exit 0', { copyIn, memory: '64m' });
    expect(result).toMatchObject({ status: 'memory-limit', exitCode: 0, oomKilled: true });
  });

  it('below it all is well, and the peak is told', async () => {
    const result = await Container.run({ ...(await busybox()), command: ['/probe', 'eat', '50'], copyIn, memory: '128m' });
    expect(result).toMatchObject({ status: 'ok', stdout: 'ate', oomKilled: false });
    if (result.usage.memoryPeak !== null) {
      expect(result.usage.memoryPeak).toBeGreaterThan(50 << 20);
      expect(result.usage.memoryPeak).toBeLessThanOrEqual(128 << 20);
    }
  });

  inMemory.it('what is written to the root is charged to it', async () => {
    const result = await sh('dd if=/dev/zero of=/big bs=1024k count=200', { memory: '64m', upperSize: '1g' });
    expect(result.status).toBe('memory-limit');
  });

  it('is what the kernel has', async () => {
    expect(await groupFile({ memory: '64m' }, 'memory', 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 << 20));
    expect(await groupFile({ memory: 64 << 20 }, 'memory', 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 << 20));
  });
});

describe('pidsLimit', () => {
  it('holds a fork bomb', async () => {
    const [count, why] = (
      await Container.run({ ...(await busybox()), command: ['/probe', 'fork', '100'], copyIn, pidsLimit: 10 })
    ).stdout.split(' ');
    expect(Number(count)).toBe(9);
    expect(why).toBe('EAGAIN');
  });

  it('is what the kernel has', async () => {
    expect(await groupFile({ pidsLimit: 17 }, 'pids', 'pids.max', 'pids.max')).toBe('17');
  });
});

describe('cpus', () => {
  it('is a quota of the period', async () => {
    if (groupOf('cpu')?.version === 2) {
      expect(await groupFile({ cpus: 0.5 }, 'cpu', '', 'cpu.max')).toBe('50000 100000');
    } else {
      const quota = Number(await groupFile({ cpus: 0.5 }, 'cpu', 'cpu.cfs_quota_us', ''));
      const period = Number(await groupFile({ cpus: 0.5 }, 'cpu', 'cpu.cfs_period_us', ''));
      expect(quota / period).toBe(0.5);
    }
  });
});

describe('ulimits', () => {
  it('soft and hard, or both at once', async () => {
    const text = await output('ulimit -Sn; ulimit -Hn; ulimit -Sf; ulimit -Hf', {
      ulimits: { nofile: { soft: 100, hard: 200 }, fsize: 1 << 20 },
    });
    expect(text.split('\n')).toEqual(['100', '200', '2048', '2048']);
  });

  it('core, as the kernel shows it', async () => {
    expect(await output('grep core /proc/self/limits', { ulimits: { core: 0 } })).toMatch(/core file size\s+0\s+0/);
  });

  it('one that this user may not raise is an error that names it', async () => {
    const max = Number(readText('/proc/sys/fs/nr_open'));
    await expect(sh('true', { ulimits: { nofile: max + 1 } })).rejects.toThrow(/nofile/);
  });
});

describe('other limits of processes', () => {
  it('oomScoreAdj', async () => {
    expect(await output('cat /proc/self/oom_score_adj', { oomScoreAdj: 500 })).toBe('500');
  });
});

describe('devices', () => {
  const read = (path: string) => `dd if=${path} bs=1 count=0 2>&1 || true`;

  it('one that was not given is refused by the controller, even where it can be made', async () => {
    const text = await output(`mknod /dev/kmsg c 1 11 2>&1; ${read('/dev/kmsg')}`, { capAdd: ['MKNOD', 'SYSLOG'] });
    expect(text).toMatch(/Operation not permitted/);
  });

  asRoot.it('one that was given works, at its own place or another', async () => {
    expect(await output(read('/dev/log'), { devices: ['/dev/kmsg:/dev/log:r'], capAdd: ['SYSLOG'] })).toMatch(/0\+0 records/);
    expect(await output('stat -c "%t:%T" /dev/kmsg', { devices: ['/dev/kmsg'] })).toBe('1:b');
    expect(await output('stat -c "%t:%T" /dev/x', { devices: [{ path: '/dev/zero', target: '/dev/x', access: 'rw' }] })).toBe('1:5');
  });

  asRoot.it('its access holds', async () => {
    const result = await sh('echo x > /dev/log', { devices: ['/dev/kmsg:/dev/log:r'], capAdd: ['SYSLOG'] });
    expect(result.stderr).toMatch(/Operation not permitted/);
  });

  it('a path that is no device is refused', async () => {
    await expect(sh('true', { devices: ['/etc/passwd'] })).rejects.toThrow(/\/etc\/passwd/);
  });
});

describe('usage', () => {
  it('counts the CPU time of the tree', async () => {
    const { usage } = await sh('(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done) & wait');
    expect(usage.cpuTimeMs).toBeGreaterThan(0);
    expect(usage.userMs + usage.systemMs).toBeGreaterThan(0);
    expect(usage.oomKills).toBe(0);
  });

  it('stats() of one that runs', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], memory: '64m' });
    await container.start();
    const usage = await container.stats();
    expect(usage.memoryCurrent).toBeGreaterThan(0);
    expect(container.state).toBe('running');
  });
});
