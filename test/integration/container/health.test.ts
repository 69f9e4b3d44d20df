import { expect } from 'vitest';
import { Container, type ContainerOptions, Image } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
useNewStore(temporaryFolder());
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'tar'] });

type Check = Exclude<ContainerOptions['healthcheck'], 'none' | undefined>;

const quick = { interval: 20, timeout: 10_000, startInterval: 20 };
const shell = (line: string, more: Partial<Check> = {}): Check => ({ test: ['CMD-SHELL', line], ...quick, ...more });

async function checked(healthcheck: ContainerOptions['healthcheck'], options: ContainerOptions = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], healthcheck, ...options });
  await container.start();
  return container;
}

const healthOf = async (container: Container) => (await container.inspect()).health;

describe.each([
  ['of this process', {}],
  ['that is detached', { detach: true }],
] as const)('a container %s', (_, how) => {
  it('is starting, healthy, unhealthy and healthy again, as its check says', async () => {
    const container = await checked(shell('cat /state; [ "$(cat /state)" = good ]', { retries: 2 }), {
      ...how,
      copyIn: { '/state': 'good' },
    });
    expect((await healthOf(container))?.status).toMatch(/^(?:starting|healthy)$/);
    await container.waitFor({ healthy: true });
    await container.copyTo('/state', 'bad');
    await until('it is unhealthy', async () => (await healthOf(container))?.status === 'unhealthy');
    const health = await healthOf(container);
    expect(health?.failingStreak).toBeGreaterThanOrEqual(2);
    expect(health?.log.length).toBeLessThanOrEqual(5);
    expect(health?.log.at(-1)).toMatchObject({ exitCode: 1, output: 'bad' });
    const { startedAt, endedAt } = health?.log.at(-1) ?? {};
    expect(Number(endedAt)).toBeGreaterThanOrEqual(Number(startedAt));
    await container.copyTo('/state', 'good');
    await container.waitFor({ healthy: true });
    expect((await healthOf(container))?.failingStreak).toBe(0);
    await container.remove({ force: true });
  });

  it('runs the check as its own program: its user, environment, folder, limits and confinement', async () => {
    const script = 'id -u; pwd; echo $WHAT; grep -E "^(NoNewPrivs|Seccomp|CapEff):" /proc/self/status; cat /proc/1/comm';
    const options = { ...how, user: '65534:65534', cwd: '/tmp', env: { WHAT: 'this' } };
    const container = await checked(shell(script), options);
    await container.waitFor({ healthy: true });
    const own = await container.exec(['sh', '-c', script]);
    expect((await healthOf(container))?.log.at(-1)?.output).toBe(own.stdout);
    expect(own.stdout.startsWith('65534\n/tmp\nthis\n')).toBe(true);
    await container.remove({ force: true });
  });

  it('is not called unhealthy while it may be starting', async () => {
    const container = await checked(shell('[ -e /ready ]', { startPeriod: 1_000_000, retries: 1 }), how);
    await until('checks have failed', async () => (await healthOf(container))?.log.length === 5);
    expect(await healthOf(container)).toMatchObject({ status: 'starting', failingStreak: 0 });
    await container.copyTo('/ready', '');
    await container.waitFor({ healthy: true });
    // from then on a failure counts
    await container.exec(['rm', '/ready']);
    await until('it is unhealthy', async () => (await healthOf(container))?.status === 'unhealthy');
    await container.remove({ force: true });
  });

  it('ends a check that takes too long, with all that it has started', async () => {
    const container = await checked(shell('echo begun; sleep 1000 & sleep 1000', { timeout: 300, retries: 1 }), how);
    await until('it is unhealthy', async () => (await healthOf(container))?.status === 'unhealthy');
    expect((await healthOf(container))?.log.at(-1)).toMatchObject({
      exitCode: -1,
      output: expect.stringMatching(/too long: (?:begun\n)?$/),
    });
    await container.pause();
    const listed = await Container.list();
    expect(listed.find(({ id }) => id === container.id)?.state).toBe('paused');
    await container.resume();
    await container.remove({ force: true });
  });

  it('is killed when it is unhealthy, where that was asked for', async () => {
    const container = await checked(shell('exit 7', { retries: 2, then: 'kill' }), how);
    expect(await container.wait()).toMatchObject({
      status: 'signalled',
      signal: 'SIGKILL',
      reason: 'killed by SIGKILL because it was unhealthy',
    });
    await container.remove();
  });

  it('is started again when it is unhealthy, where that was asked for', async () => {
    const check = shell('[ -e /runs ] && [ "$(wc -l < /runs)" = 2 ]', { retries: 2, then: 'restart' });
    const container = await checked(check, {
      ...how,
      command: ['sh', '-c', 'trap "exit 0" TERM; echo run >> /runs; while :; do sleep 0.01; done'],
    });
    await until('it was started again', async () => (await container.inspect()).restartCount === 1);
    await container.waitFor({ healthy: true });
    expect((await container.inspect()).restartCount).toBe(1);
    await container.remove({ force: true });
  });

  it('is not checked while it is paused', async () => {
    const container = await checked(shell('echo check >> /checks', { timeout: 300, retries: 1 }), how);
    await container.waitFor({ healthy: true });
    await container.pause();
    const before = (await healthOf(container))?.log.at(-1)?.endedAt;
    // as long as several checks, and one that was frozen half way, would take
    const later = Date.now() + 1000;
    await until('time has passed', () => Date.now() > later);
    const health = await healthOf(container);
    expect(health?.status).toBe('healthy');
    expect(Number(health?.log.at(-1)?.endedAt) - Number(before)).toBeLessThan(500);
    await container.resume();
    await until('it is checked again', async () => Number((await healthOf(container))?.log.at(-1)?.endedAt) > later);
    expect((await healthOf(container))?.status).toBe('healthy');
    await container.remove({ force: true });
  });

  it('tells why a check can’t be run', async () => {
    const container = await checked({ test: ['CMD', '/no/such/program'], ...quick, retries: 1 }, how);
    await until('it is unhealthy', async () => (await healthOf(container))?.status === 'unhealthy');
    expect((await healthOf(container))?.log.at(-1)).toMatchObject({ exitCode: -1, output: expect.stringContaining('No such file') });
    await container.remove({ force: true });
  });

  it('keeps the first 4,096 bytes of what a check says', async () => {
    const container = await checked(shell('head -c 10000000 /dev/zero | tr "\\0" x'), how);
    await container.waitFor({ healthy: true });
    expect((await healthOf(container))?.log.at(-1)?.output).toBe('x'.repeat(4096));
    await container.remove({ force: true });
  });
});

describe('the health of a container', () => {
  it('is kept while no process of Node’s looks after it', async () => {
    const healthcheck = shell('[ ! -e /bad ]', { retries: 1, then: 'kill' });
    const options = { ...(await busybox()), detach: true, command: ['sleep', '1000'], healthcheck };
    const program = startNode('detach', [JSON.stringify(options), 'wait']);
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    program.process.kill('SIGKILL');
    await program.ended;
    const container = await Container.attach(id);
    await container.waitFor({ healthy: true });
    await container.copyTo('/bad', '');
    expect(await container.wait()).toMatchObject({ reason: 'killed by SIGKILL because it was unhealthy' });
    // the last results are there as long as the shim
    expect((await healthOf(container))?.log.at(-1)).toMatchObject({ exitCode: 1 });
    await container.remove();
  });

  it('is checked as the image says, unless the caller says otherwise', async () => {
    await using base = await Container.create({ image: await loadBusybox(), command: ['true'] });
    const healthcheck = { test: ['CMD-SHELL', 'echo of the image'], interval: 20 };
    const image = await Image.commit(base, { config: { healthcheck, cmd: ['sleep', '1000'] } });
    for (const [own, said] of [
      [undefined, 'of the image\n'],
      [shell('echo own'), 'own\n'],
      ['none', undefined],
      [{ test: ['NONE'] }, undefined],
    ] as const) {
      await using container = await Container.create({ image, ...(own ? { healthcheck: own } : {}) });
      await container.start();
      if (said === undefined) {
        expect(await healthOf(container)).toBeNull();
        await expect(container.waitFor({ healthy: true })).rejects.toMatchObject({ code: 'ERR_STATE' });
      } else {
        await container.waitFor({ healthy: true });
        expect((await healthOf(container))?.log.at(-1)?.output).toBe(said);
      }
    }
  });

  it('is waited for so long, and what was seen last is told', async () => {
    await using container = await checked(shell('echo not yet; exit 1', { retries: 1 }));
    await until('it was checked', async () => ((await healthOf(container))?.log.length ?? 0) > 0);
    await expect(container.waitFor({ healthy: true }, { timeout: 100 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringMatching(/unhealthy; the last check exited with 1 not yet/),
    });
    const waiting = container.waitFor({ healthy: true });
    await container.kill();
    await expect(waiting).rejects.toMatchObject({ name: 'ContainerRunError' });
  });

  it('is kept for a run too', async () => {
    const run = Container.run({
      ...(await busybox()),
      command: ['sleep', '1000'],
      healthcheck: shell('exit 1', { retries: 2, then: 'kill' }),
    });
    expect(await run).toMatchObject({ reason: 'killed by SIGKILL because it was unhealthy' });
  });

  it.each([
    [{ test: [] }, /healthcheck\.test/],
    [{ test: ['curl'] }, /must begin with 'CMD'/],
    [{ test: ['CMD'] }, /healthcheck\.test/],
    [{ test: ['CMD-SHELL', 'a', 'b'] }, /healthcheck\.test/],
    [{ test: ['CMD', 'true'], interval: 0 }, /healthcheck\.interval/],
    [{ test: ['CMD', 'true'], retries: 0 }, /healthcheck\.retries/],
    [{ test: ['CMD', 'true'], then: 'stop' }, /healthcheck\.then/],
    ['all', /healthcheck/],
  ])('refuses %j', async (healthcheck, message) => {
    const options = { ...(await busybox()), command: ['true'], healthcheck } as ContainerOptions;
    await expect(Container.create(options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) });
  });
});
