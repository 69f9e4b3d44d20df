import { expect } from 'vitest';
import { Container, ContainerRunError } from '../../../lib/index.js';
import { isAlive, processes, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { patience } from '../../fixtures/patience.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh, shUntil } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const spin = 'while :; do :; done';

describe('timeout', () => {
  it('kills, and says so', async () => {
    const result = await shUntil((timeout) => ({ timeout }), 'echo before; sleep 1000');
    expect(result).toMatchObject({
      status: 'timeout',
      timedOut: true,
      signal: 'SIGKILL',
      exitCode: null,
      stdout: 'before\n',
      failed: true,
    });
    expect(result.reason).toMatch(/killed after [\d,]+ ms of wall time/);
    expect(result.durationMs).toBeGreaterThanOrEqual(300);
  });

  it('takes daemonised grandchildren along, with init or without', async () => {
    for (const init of [false, true]) {
      const daemon = `(setsid sh -c 'while :; do sleep 0.0${init ? 11 : 12}; done' >/dev/null 2>&1 &); sleep 1000`;
      expect(await sh(daemon, { timeout: 400, init })).toMatchObject({ status: 'timeout' });
    }
  });

  asRoot.it('and those in the pid namespace of the host', async () => {
    const daemon = `sleep ${1_000_000 + process.pid}`;
    const running = () => processes().filter(({ pid }) => readText(`/proc/${pid}/cmdline`) === `${daemon.replace(' ', '\0')}\0`);
    const script = `(setsid sh -c 'echo up; exec ${daemon} >/dev/null 2>&1' &); sleep 1000`;
    const result = await shUntil((timeout) => ({ timeout, namespaces: { pid: 'host' } }), script);
    expect(result).toMatchObject({ status: 'timeout', stdout: 'up\n' });
    expect(running()).toEqual([]);
  });

  it('holds while the event loop is blocked', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], timeout: 200 });
    await container.start();
    // Nothing of Node runs in here; the guard is only against hanging.
    const guard = Date.now() + 20_000 * patience;
    while (isAlive(container.pid) && Date.now() < guard);
    expect(isAlive(container.pid)).toBe(false);
    expect(await container.wait()).toMatchObject({ status: 'timeout' });
  });

  it('that is not reached changes nothing', async () => {
    expect(await sh('exit 3', { timeout: 60_000 })).toMatchObject({ status: 'nonzero-exit', timedOut: false, exitCode: 3 });
  });
});

describe('cpuTimeLimit', () => {
  asRoot.it('counts the whole tree', async () => {
    const result = await sh(`(${spin}) & (${spin}) & wait`, { cpuTimeLimit: 300 });
    expect(result).toMatchObject({ status: 'cpu-time-limit', timedOut: true, signal: 'SIGKILL' });
    expect(result.usage.cpuTimeMs).toBeGreaterThanOrEqual(300);
    expect(result.reason).toMatch(/CPU/);
  });

  asRoot.it('counts children that have ended', async () => {
    const script = 'while :; do (i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done); done';
    expect(await sh(script, { cpuTimeLimit: 300 })).toMatchObject({ status: 'cpu-time-limit' });
  });

  asRoot.it('does not count sleeping', async () => {
    expect(await sh('sleep 0.6; echo done', { cpuTimeLimit: 500 })).toMatchObject({ status: 'ok', stdout: 'done\n' });
  });
});

describe('cancelSignal', () => {
  it('that was aborted before starts nothing', async () => {
    const result = await sh('echo never', { cancelSignal: AbortSignal.abort() });
    expect(result).toMatchObject({ status: 'canceled', isCanceled: true, failed: true, stdout: '' });
  });

  it('kills the tree', async () => {
    const controller = new AbortController();
    const running = sh('echo started; (setsid sleep 1000 &); sleep 1000', {
      cancelSignal: controller.signal,
      stdout: [
        'pipe',
        new (await import('node:stream')).Writable({
          write(_chunk, _encoding, done) {
            controller.abort();
            done();
          },
        }),
      ],
    });
    expect(await running).toMatchObject({ status: 'canceled', isCanceled: true, signal: 'SIGKILL', stdout: 'started\n' });
  });

  it('after the end means nothing', async () => {
    const controller = new AbortController();
    const result = await sh('true', { cancelSignal: controller.signal });
    controller.abort();
    expect(result.status).toBe('ok');
  });
});

describe('maxBuffer', () => {
  const write = (bytes: number) => `head -c ${bytes} /dev/zero`;

  it('is reached exactly: no limit broken', async () => {
    const result = await sh(write(100_000), { maxBuffer: 100_000 });
    expect(result).toMatchObject({ status: 'ok', isMaxBuffer: false });
    expect(result.stdout.length).toBe(100_000);
  });

  it('one byte more is output-limit, with what fitted', async () => {
    const result = await sh(`${write(100_001)}; sleep 1000`, { maxBuffer: 100_000 });
    expect(result).toMatchObject({ status: 'output-limit', isMaxBuffer: true, failed: true });
    expect(result.stdout.length).toBe(100_000);
  });

  it('is for each stream', async () => {
    const both = `${write(60_000)}; ${write(60_000)} >&2`;
    expect((await sh(both, { maxBuffer: 100_000 })).status).toBe('ok');
    const result = await sh(`${write(100_001)} >&2`, { maxBuffer: '97k' });
    expect(result.status).toBe('output-limit');
    expect(result.stderr.length).toBe(97 << 10);
  });

  it('stops a flood', async () => {
    expect(await sh('yes', { maxBuffer: '1m' })).toMatchObject({ status: 'output-limit' });
  });
});

describe('killSignal and forceKillAfterDelay', () => {
  it('lets the program end in its own way', async () => {
    const script = 'trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.02; done';
    const result = await shUntil((timeout) => ({ timeout, killSignal: 'SIGTERM', forceKillAfterDelay: 60_000 }), script);
    expect(result).toMatchObject({ status: 'timeout', timedOut: true, exitCode: 3, signal: null, stdout: 'ready\nbye\n' });
  });

  it('kills what will not listen', async () => {
    const result = await sh('trap "" TERM; while :; do sleep 0.02; done', {
      timeout: 300,
      killSignal: 'SIGTERM',
      forceKillAfterDelay: 300,
    });
    expect(result).toMatchObject({ status: 'timeout', signal: 'SIGKILL' });
    expect(result.durationMs).toBeGreaterThanOrEqual(600);
  });
});

describe('reject: true', () => {
  it('throws what would have been the result', async () => {
    const error = await sh('echo out; echo err >&2; exit 9', { reject: true }).catch((reason: unknown) => reason);
    if (!(error instanceof ContainerRunError)) throw new Error(`not a ContainerRunError: ${String(error)}`);
    const resolved = await sh('echo out; echo err >&2; exit 9');
    expect(error).toMatchObject({
      status: 'nonzero-exit',
      exitCode: 9,
      stdout: 'out\n',
      stderr: 'err\n',
      failed: true,
      command: resolved.command,
    });
    for (const field of Object.keys(resolved)) expect(error).toHaveProperty(field);
    expect(error.message).toContain('9');
  });

  it('resolves when the program did well', async () => {
    expect(await sh('true', { reject: true })).toMatchObject({ status: 'ok' });
  });
});

describe('who sent the kill', () => {
  it('somebody else: signalled', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await container.start();
    process.kill(container.pid, 'SIGKILL');
    expect(await container.wait()).toMatchObject({
      status: 'signalled',
      signal: 'SIGKILL',
      signalNumber: 9,
      timedOut: false,
      oomKilled: false,
    });
  });

  it('kill(): signalled', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await container.start();
    await container.kill();
    expect(await container.wait()).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
  });
});
