import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { isAlive } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { patience } from '../../fixtures/patience.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

/** One container in two hands: that which made it, and one that has found it. */
async function two(script = 'sleep 1000', more: object = {}): Promise<[made: Container, found: Container]> {
  const made = await Container.create({ ...(await busybox()), detach: true, command: ['sh', '-c', script], ...more });
  return [made, await Container.attach(made.id)];
}

describe('a handle of a detached container', () => {
  it('knows of the start that another one asked for', async () => {
    const [made, found] = await two();
    await found.start();
    await until('the other one hears of it', () => made.state === 'running');
    expect((await made.exec(['echo', 'here'])).stdout).toBe('here\n');
    await expect(made.remove()).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(isAlive(made.pid)).toBe(true);
  });

  it('knows that another one has paused it', async () => {
    const [made, found] = await two();
    await made.start();
    await until('the other one hears of the start', () => found.state === 'running');
    await found.pause();
    expect(made.state).toBe('paused');
    await expect(made.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE' });
    await made.resume();
    expect([made.state, found.state]).toEqual(['running', 'running']);
    await made.pause();
    const result = await found.stop({ timeout: 0 });
    expect(result.signal).toMatch(/^SIG(?:TERM|KILL)$/);
  });

  it('changes its own limits, and leaves those that another one has changed', async () => {
    const [made, found] = await two('sleep 1000', { memory: '64m' });
    await made.start();
    await made.update({ memory: '48m' });
    await found.update({ pidsLimit: 33 });
    for (const handle of [made, found, await Container.attach(made.id)]) {
      expect((await handle.inspect()).limits).toMatchObject({ memory: 48 * 1024 ** 2, pidsLimit: 33 });
    }
  });

  it('judges the end by limits that another one has changed', async () => {
    const [made, found] = await two('read x; x=a; while :; do x=$x$x; done', { memory: '64m', stdin: 'pipe' });
    await made.start();
    await found.update({ memory: '32m', memorySwap: '32m' });
    made.stdin?.write('go\n');
    expect(await made.wait()).toMatchObject({ status: 'memory-limit', reason: expect.stringContaining('33,554,432') });
  });

  it('is listed by its state between two runs', async () => {
    const [made] = await two('exit 1', { restart: { on: 'failure' } });
    await made.start();
    const listed = async () => (await Container.list({ state: 'restarting' })).map(({ id }) => id);
    await until('it waits for its next run', async () => (await listed()).includes(made.id));
    await made.remove({ force: true });
  });

  it('has labels of any name and text', async () => {
    const labels = { $bigint: '5', $bytes: 'AAAA' };
    const [, found] = await two('true', { labels });
    expect((await found.inspect()).labels).toEqual(labels);
    expect((await Container.list({ labels })).map(({ id }) => id)).toEqual([found.id]);
  });

  it('has no lines to wait for where its output goes nowhere', async () => {
    const [made] = await two('echo one', { stdout: 'ignore', stderr: 'ignore' });
    await expect(made.waitFor({ log: 'one' })).rejects.toMatchObject({ code: 'ERR_STATE' });
  });
});

describe('a program that was detached in a container', () => {
  it('goes on when the process ends that started it, and ends with the container', async () => {
    const [made] = await two();
    await made.start();
    const program = startNode('exec-detached', [made.id, 'sleep 1000 & sleep 2000']);
    await program.lines.next();
    program.process.kill('SIGKILL');
    await program.ended;
    const sleeping = async () => (await made.exec(['sh', '-c', 'ps -o args | grep -c "^sleep [12]000"'])).stdout.trim();
    // the container's own one is the third
    expect(await sleeping()).toBe('3');
    await made.kill();
    await made.wait();
  });

  it('leaves what it started in the background', async () => {
    const [made] = await two();
    await made.start();
    await made.exec(['sh', '-c', 'sleep 3000 & echo begun > /begun'], { detach: true });
    const seen = async () => (await made.exec(['sh', '-c', 'cat /begun; ps -o args | grep "^sleep 3000"'])).stdout;
    // the shell goes on before what it has started is that program
    await expect.poll(seen, { timeout: 60_000 * patience, interval: 20 }).toBe('begun\nsleep 3000\n');
  });
});
