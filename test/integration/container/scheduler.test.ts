import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import { Container, type Limits } from '../../../lib/index.js';
import { groupOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';

useLeakCheck();
// CAP_SYS_NICE
const needs = { root: true, tools: ['busybox', 'chrt', 'setpriv'], capability: { name: 'CAP_SYS_NICE', bit: 23 } };
const { describe, it } = requires(needs);
const MS = 1_000_000;
/** v1's cpu controller may hold real-time processes to a run time of their group. */
const v1 = groupOf('cpu')?.version === 1;

async function running(limits: Limits): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...limits });
  await container.start();
  return container;
}

describe('scheduler', () => {
  it.each([
    [{ policy: 'batch' }, /SCHED_BATCH.*priority: 0/s],
    [{ policy: 'idle' }, /SCHED_IDLE/],
    [{ policy: 'fifo', priority: 7 }, /SCHED_FIFO.*priority: 7/s],
    [{ policy: 'rr', priority: 99 }, /SCHED_RR.*priority: 99/s],
    [{ policy: 'deadline', runtime: 1 * MS, deadline: 10 * MS, period: 20 * MS }, /SCHED_DEADLINE.*1000000\/10000000\/20000000/s],
    [{ policy: 'deadline', runtime: 1 * MS, period: 20 * MS }, /SCHED_DEADLINE.*1000000\/20000000\/20000000/s],
  ] as const)('%j is what chrt sees', async (scheduler, expected) => {
    await using container = await running({ scheduler });
    expect(execFileSync('chrt', ['-p', String(container.pid)], { encoding: 'utf8' })).toMatch(expected);
  });

  it('nice, which what it starts inherits', async () => {
    const { stdout } = await sh('cut -d" " -f19 /proc/self/stat; sh -c "cut -d\\" \\" -f19 /proc/self/stat"', {
      scheduler: { policy: 'other', nice: -5 },
    });
    expect(stdout).toBe('-5\n-5\n');
  });

  it('the kernel says why not: not all CPUs for deadline', async () => {
    const refused = running({ scheduler: { policy: 'deadline', runtime: 1 * MS, period: 20 * MS }, cpusetCpus: '0' });
    await expect(refused).rejects.toMatchObject({
      code: 'EPERM',
      syscall: 'sched_setattr',
      message: expect.stringContaining('may not use all CPUs'),
    });
  });

  it('the kernel says why not: more time than the CPUs have', async () => {
    const most = { policy: 'deadline', runtime: 99 * MS, period: 100 * MS } as const;
    const made: Container[] = [];
    const all = async (): Promise<void> => {
      // each CPU promises 95 % of its time
      for (let i = 0; i < 4096; ++i) made.push(await running({ scheduler: most }));
    };
    try {
      await expect(all()).rejects.toMatchObject({ code: 'EBUSY', message: expect.stringContaining('promised too much') });
    } finally {
      for (const container of made) await container.remove({ force: true });
    }
  });

  (v1 ? it : it.skip)('the kernel says why not: a v1 group without real-time run time; with some it works', async () => {
    const scheduler = { policy: 'fifo', priority: 1 } as const;
    await expect(running({ scheduler, cpuShares: 512 })).rejects.toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('cpuRtRuntime'),
    });
    await using container = await running({ scheduler, cpuShares: 512, cpuRtRuntime: 10_000 });
    expect(container.state).toBe('running');
  });

  it('the kernel says why not: no capability, and the ulimit', async () => {
    const without = ['setpriv', '--bounding-set=-sys_nice'];
    const tried = async (scheduler: Limits['scheduler']) => {
      const options = { ...(await busybox()), command: ['true'], scheduler };
      return runNode<{ code: string; message: string }>('run', [JSON.stringify(options)], { through: without });
    };
    expect(await tried({ policy: 'other', nice: -5 })).toMatchObject({
      code: 'EPERM',
      message: expect.stringMatching(
        /its nice value is -?\d+: for a lower one it has no CAP_SYS_NICE on the host, and its ulimit nice is \d+/,
      ),
    });
    expect(await tried({ policy: 'rr', priority: 5 })).toMatchObject({
      code: 'EPERM',
      message: expect.stringMatching(/ulimit rtprio is \d+/),
    });
    expect(await tried({ policy: 'deadline', runtime: 1 * MS, period: 20 * MS })).toMatchObject({
      code: 'EPERM',
      message: expect.stringContaining('it has no CAP_SYS_NICE'),
    });
  });
});
