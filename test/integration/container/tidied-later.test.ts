import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { Container, type ContainerPool, type Execution, reap } from '../../../lib/index.js';
import { cgroupFolders, pidOf, readText, shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
// what is killed in the group that holds the program would go with it: another hierarchy keeps a process of somebody else's
const { describe, it } = requires({ root: true, cgroup: 'v1', tools: ['busybox', 'sleep'] });

interface Kept {
  readonly run: Execution;
  readonly group: string;
  readonly sleeper: ChildProcess;
}

/** A run that goes on until its input ends, and whose group of v1's pids has a process of this test's too. */
async function kept(start: () => Execution): Promise<Kept> {
  await forgetMadeAhead();
  const sleeper = spawn('sleep', ['1000']);
  onTestFinished(() => void sleeper.kill('SIGKILL'));
  const run = start();
  const pid = await run.pid;
  const group = cgroupFolders().find((path) => path.includes('/pids/') && isIn(path, pid));
  if (group === undefined) throw new Error('the run has no group of v1');
  writeFileSync(join(group, 'cgroup.procs'), String(pidOf(sleeper)));
  run.stdin?.end();
  return { run, group, sleeper };
}

/** Groups of others may go meanwhile. */
const isIn = (group: string, pid: number): boolean => (readText(join(group, 'cgroup.procs')) ?? '').split('\n').includes(String(pid));

async function gone(sleeper: ChildProcess): Promise<void> {
  const ended = once(sleeper, 'exit');
  sleeper.kill('SIGKILL');
  await ended;
}

describe('the groups of a run that has ended', () => {
  it('are removed after the result, and nothing is told of that', async () => {
    const options = { ...(await busybox()), command: ['cat'] };
    const { run, group, sleeper } = await kept(() => Container.run({ ...options, stdin: 'pipe' }));
    expect(await run).toMatchObject({ status: 'ok' });
    expect(existsSync(group)).toBe(true);
    expect(await Container.list()).toEqual([]);
    await gone(sleeper);
    await until('the group is gone', () => !existsSync(group));
  });

  it('are waited for by whoever closes the pool', async () => {
    const pool: ContainerPool = await Container.pool({ ...(await busybox()), command: ['cat'] }, { ready: 1 });
    const { run, group, sleeper } = await kept(() => pool.run({ stdin: 'pipe' }));
    expect(await run).toMatchObject({ status: 'ok' });
    expect(existsSync(group)).toBe(true);
    const closed = pool.close();
    await gone(sleeper);
    await closed;
    expect(existsSync(group)).toBe(false);
  });

  it('are told of by a warning where they stay, and go by reap() when their owner is gone', async () => {
    const options = { ...(await busybox()), command: ['cat'] };
    const { run, group, sleeper } = await kept(() => Container.run({ ...options, stdin: 'pipe' }));
    const warned = once(process, 'warning');
    expect(await run).toMatchObject({ status: 'ok' });
    expect((await warned)[0]).toMatchObject({ name: 'NacelleWarning', code: 'ERR_CLEANUP', message: expect.stringContaining(group) });
    expect(existsSync(group)).toBe(true);
    await gone(sleeper);
    process.kill(pidOf(shimOf()), 'SIGKILL');
    await until('its shim is gone', () => shimOf() === null);
    expect(await sh('true')).toMatchObject({ status: 'ok' });
    expect(await reap()).toMatchObject({ failures: [] });
    expect(existsSync(group)).toBe(false);
  });
});
