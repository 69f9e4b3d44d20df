import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { withNotifyListener } from '../../fixtures/notify-listener.js';
import { requires } from '../../fixtures/requires.js';
import { installFront, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
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
function notifyingBundle(script: string, user = 0): string {
  return makeBundle(folder, ['sh', '-c', script], ({ process, mounts }) => {
    for (const name of ['/usr', '/lib', '/lib64']) mounts.push({ destination: name, type: 'bind', source: name, options: ['rbind', 'ro'] });
    Object.assign(process, { user: { uid: user, gid: user } });
  });
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
