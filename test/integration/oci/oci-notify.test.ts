import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { descendants, isAlive, pidOf, processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { withNotifyListener } from '../../fixtures/notify-listener.js';
import { requires } from '../../fixtures/requires.js';
import { type BundleChange, installFront, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'python3', 'systemd-notify'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);
const front = join(folder, 'runtime');

/** Each runtime with its folder of states. */
const RUNTIMES = {
  ours: () => [existsSync(front) ? front : installFront(front), '--root', states],
  runc: () => ['runc', '--root', join(folder, 'runc')],
};

function runtime(which: keyof typeof RUNTIMES, address: string, ...args: string[]): ChildProcess {
  const [file = '', ...rest] = RUNTIMES[which]();
  // the container has what is inherited open, as long as it lives
  return spawn(file, [...rest, ...args], { stdio: 'ignore', env: { ...process.env, NOTIFY_SOCKET: address } });
}

const statusOf = async (child: ChildProcess): Promise<unknown> => (await once(child, 'exit'))[0];

/** A bundle with systemd-notify(1) of this machine in it. */
function notifyingBundle(script: string, user = 0, change: BundleChange = () => undefined): string {
  return makeBundle(folder, ['sh', '-c', script], (config) => {
    for (const name of ['/usr', '/lib', '/lib64'])
      config.mounts.push({ destination: name, type: 'bind', source: name, options: ['rbind', 'ro'] });
    Object.assign(config.process, { user: { uid: user, gid: user } });
    change(config);
  });
}

const HOSTILE = fileURLToPath(new URL('../../fixtures/programs/hostile-notices.py', import.meta.url));

/** A bundle as above, which has a folder of the host's at /gate, with the program hostile-notices.py in it. */
function gatedBundle(script: string, change: BundleChange = () => undefined): { readonly bundle: string; readonly gate: string } {
  const gate = mkdtempSync(join(folder, 'gate-'));
  copyFileSync(HOSTILE, join(gate, 'hostile-notices.py'));
  const bundle = notifyingBundle(script, 0, (config) => {
    config.mounts.push({ destination: '/gate', type: 'bind', source: gate, options: ['bind'] });
    change(config);
  });
  return { bundle, gate };
}

const open = (gate: string): void => writeFileSync(join(gate, 'go'), '');
const AT_GATE = 'until [ -e /gate/go ]; do busybox sleep 0.01; done';

async function untilIs(id: string, status: string): Promise<void> {
  await until(`it is ${status}`, async () => (await oci('state', id)).stdout.includes(`"${status}"`));
}

/** Whoever is at the container's socket for a command of the runtime. */
function notifierOf(command: ChildProcess): number {
  return pidOf(descendants(pidOf(command)).find((info) => info.command === 'nacelle-notify'));
}

/** Has a process stand still. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until('it stands still', () => processInfo(pid)?.state === 'T');
}

const READY = '/usr/bin/systemd-notify --status=nearly; /usr/bin/systemd-notify --ready; exec busybox sleep 1000';

describe('NOTIFY_SOCKET', () => {
  it.each(['ours', 'runc'] as const)('hears of a container that is ready, of its process and of no more, with %s', async (which) => {
    const address = join(folder, `${which}.sock`);
    const bundle = notifyingBundle(READY, 1000);
    await withNotifyListener(address, async (next) => {
      const running = runtime(which, address, 'run', '--detach', '--bundle', bundle, '--pid-file', `${address}.pid`, which);
      const ended = statusOf(running);
      const messages = [await next(), await next()];
      // runc waits for nobody to hear that before version 1.2
      if (which === 'ours') expect(await next()).toEqual({ text: 'BARRIER=1', pid: running.pid, descriptors: 1 });
      expect(await ended).toBe(0);
      const main = readFileSync(`${address}.pid`, 'utf8');
      expect(messages).toEqual([
        { text: 'READY=1\n', pid: running.pid, descriptors: 0 },
        { text: `MAINPID=${main}\n`, pid: running.pid, descriptors: 0 },
      ]);
    });
  });

  it('is waited for by `start`, by a name that is in no folder too', async () => {
    const address = `@nacelle-test-${process.pid}`;
    await withNotifyListener(address, async (next) => {
      const create = runtime('ours', address, 'create', '--bundle', notifyingBundle(READY), 'one');
      expect(await statusOf(create)).toBe(0);
      const { pid, status } = JSON.parse((await oci('state', 'one')).stdout);
      expect(status).toBe('created');
      const ended = statusOf(runtime('ours', address, 'start', 'one'));
      const texts = [(await next()).text, (await next()).text, (await next()).text];
      expect(texts).toEqual(['READY=1\n', `MAINPID=${pid}\n`, 'BARRIER=1']);
      expect(await ended).toBe(0);
    });
  });

  it.each(['ours', 'runc'] as const)(
    'hears of a container in the foreground, whose runtime is the main process, with %s',
    async (which) => {
      const address = join(folder, `foreground-${which}.sock`);
      const bundle = notifyingBundle('/usr/bin/systemd-notify --ready && exit 7');
      await withNotifyListener(address, async (next) => {
        const running = runtime(which, address, 'run', '--bundle', bundle, which);
        const ended = statusOf(running);
        expect(await next()).toEqual({ text: 'READY=1\n', pid: running.pid, descriptors: 0 });
        expect(await next()).toEqual({ text: `MAINPID=${running.pid}\n`, pid: running.pid, descriptors: 0 });
        expect(await ended).toBe(7);
      });
    },
  );

  it('is not waited for any longer when the container ends, or the runtime', async () => {
    const address = join(folder, 'ended.sock');
    await withNotifyListener(address, async () => {
      const short = notifyingBundle('exit 0');
      expect(await statusOf(runtime('ours', address, 'run', '--detach', '--bundle', short, 'one'))).toBe(0);
      const waiting = runtime('ours', address, 'run', '--detach', '--bundle', notifyingBundle('exec busybox sleep 1000'), 'two');
      const ended = statusOf(waiting);
      await until('it runs', async () => (await oci('state', 'two')).stdout.includes('running'));
      waiting.kill('SIGKILL');
      await ended;
      expect(JSON.parse((await oci('state', 'two')).stdout).status).toBe('running');
    });
  });

  it('hears of no process that has ended', async () => {
    const address = join(folder, 'late.sock');
    const { bundle, gate } = gatedBundle(`${AT_GATE}; exec /usr/bin/systemd-notify --no-block --ready`);
    await withNotifyListener(address, async (next) => {
      const running = runtime('ours', address, 'run', '--detach', '--bundle', bundle, 'one');
      const ended = statusOf(running);
      await untilIs('one', 'running');
      const notifier = notifierOf(running);
      await stop(notifier);
      open(gate);
      await untilIs('one', 'stopped');
      process.kill(notifier, 'SIGCONT');
      expect([(await next()).text, (await next()).text]).toEqual(['READY=1\n', 'BARRIER=1']);
      expect(await ended).toBe(0);
    });
  });

  it('hears of a container that is ready, whatever came before with a message', async () => {
    const address = join(folder, 'lingering.sock');
    // its connection is to itself, so it is in the host's network, whose loopback is up
    const { bundle, gate } = gatedBundle('exec /usr/bin/python3 /gate/hostile-notices.py linger', ({ linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'network');
    });
    await withNotifyListener(address, async (next) => {
      const running = runtime('ours', address, 'run', '--detach', '--bundle', bundle, 'one');
      const ended = statusOf(running);
      await untilIs('one', 'running');
      const notifier = notifierOf(running);
      // the container's own close is not the last then
      await stop(notifier);
      open(gate);
      await until('it has sent', () => existsSync(join(gate, 'sent')));
      process.kill(notifier, 'SIGCONT');
      expect((await next()).text).toBe('READY=1\n');
      expect((await next()).text).toMatch(/^MAINPID=/);
      expect((await next()).text).toBe('BARRIER=1');
      expect(await ended).toBe(0);
    });
  });

  it('has nobody speak for a runtime that was killed, however much a container sends', async () => {
    const address = join(folder, 'flooded.sock');
    await withNotifyListener(address, async () => {
      const { bundle } = gatedBundle('exec /usr/bin/python3 /gate/hostile-notices.py flood');
      const running = runtime('ours', address, 'run', '--detach', '--bundle', bundle, 'one');
      const ended = statusOf(running);
      await untilIs('one', 'running');
      const notifier = notifierOf(running);
      running.kill('SIGKILL');
      await ended;
      await until('nobody is at the socket', () => !isAlive(notifier));
    });
  });

  it('has a container in the foreground waited for no longer than that runs', async () => {
    const address = join(folder, 'still.sock');
    const { bundle, gate } = gatedBundle(`${AT_GATE}; exit 7`);
    await withNotifyListener(address, async () => {
      const running = runtime('ours', address, 'run', '--bundle', bundle, 'one');
      const ended = statusOf(running);
      await untilIs('one', 'running');
      const notifier = notifierOf(running);
      await stop(notifier);
      open(gate);
      expect(await ended).toBe(7);
      expect(isAlive(notifier)).toBe(false);
    });
  });

  it('has nobody wait when a hook of the start fails', async () => {
    const address = join(folder, 'hook.sock');
    const bundle = notifyingBundle('exec busybox sleep 1000', 0, (config) => {
      Object.assign(config, { hooks: { poststart: [{ path: '/bin/sh', args: ['sh', '-c', 'exit 1'] }] } });
    });
    await withNotifyListener(address, async () => {
      expect(await statusOf(runtime('ours', address, 'run', '--detach', '--bundle', bundle, 'one'))).toBe(1);
    });
  });

  it('that is no address, or that nobody listens at, is an error before the program runs', async () => {
    const bundle = notifyingBundle('exec busybox sleep 1000');
    expect(await statusOf(runtime('ours', 'vsock:2:1234', 'create', '--bundle', bundle, 'one'))).toBe(1);
    expect((await oci('state', 'one')).stderr).toContain('does not exist');
    const nobody = join(folder, 'nobody.sock');
    expect(await statusOf(runtime('ours', nobody, 'create', '--bundle', bundle, 'one'))).toBe(0);
    expect(await statusOf(runtime('ours', nobody, 'start', 'one'))).toBe(1);
    expect(JSON.parse((await oci('state', 'one')).stdout).status).toBe('created');
    // whoever starts it without the variable waits for nothing
    expect(await oci('start', 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
