import { expect } from 'vitest';
import { connectToShim } from '../../lib/container/detached/attach.js';
import { Container, type ContainerOptions } from '../../lib/index.js';
import { Encoder } from '../../lib/native/encode.js';
import { decodeListed, decodeWelcome } from '../../lib/native/messages.js';
import { Request } from '../../lib/native/protocol.js';
import { useDetached } from '../fixtures/detached.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';
import { useOtherLibrary } from './other-library.js';

useLeakCheck();
useDetached();
const other = useOtherLibrary();
const { describe, it } = requires({ root: true, tools: ['busybox'], otherBuild: true });

async function made(script: string, options: ContainerOptions = {}): Promise<Container> {
  return Container.attach(await other.make(['sh', '-c', script], options));
}

describe('an upgrade at an odd moment', () => {
  it('after a signal that the program has survived: its clocks go on', async () => {
    const container = await made('trap "echo heard" HUP; echo up; while :; do sleep 0.05; done', { timeout: 3000 });
    await container.waitFor({ log: 'up' });
    await container.kill('SIGHUP');
    await container.waitFor({ log: 'heard' });
    expect(await container.upgrade()).toBe(true);
    expect(await container.wait()).toMatchObject({ signal: 'SIGKILL' });
  });

  it('beside a stop between two runs: the program is not started again', async () => {
    const container = await made('echo run; exit 1', { restart: { on: 'failure' } });
    await until(
      'there is time between the runs',
      async () => (await container.inspect()).restartCount >= 4 && container.state === 'restarting',
    );
    await Promise.all([container.stop(), container.upgrade()]);
    // the last end, when no run follows
    await container.wait();
    expect(await Container.list()).toMatchObject([{ state: 'stopped' }]);
  });

  it('while a check of health hangs: the check is left out', async () => {
    const container = await made('echo up; sleep 1000', {
      healthcheck: { test: ['CMD-SHELL', 'echo looked; sleep 2000'], interval: 10, timeout: 1_000_000, retries: 1 },
    });
    const looks = async (): Promise<boolean> => (await container.exec(['sh', '-c', 'ps -o args | grep -c "^sleep 2000"'])).stdout === '1\n';
    await until('the check hangs', looks);
    expect(await container.upgrade()).toBe(true);
    expect((await container.inspect()).health).toMatchObject({ status: 'starting' });
    await until('the next check hangs', looks);
  });

  it('of one that was killed before it was started: it ends', async () => {
    const container = await made('sleep 1000');
    await Promise.all([container.kill(), container.upgrade()]);
    expect(await container.wait()).toMatchObject({ signal: 'SIGKILL' });
  });

  it('between hello and the first plan: the numbers that were learned are good', async () => {
    const container = await made('sleep 1000');
    const connection = connectToShim(container.id);
    if (connection === null) throw new Error('there is no shim');
    const { shim } = decodeWelcome(await connection.ask(Request.hello));
    expect(await container.upgrade()).toBe(true);
    connection.send(Request.speak, 1_000_000, new Encoder().u32(shim?.generation ?? -1).finish());
    expect(decodeListed(await connection.ask(Request.list))).toMatchObject([{ pid: container.pid }]);
    connection.send(Request.speak, 1_000_001, new Encoder().u32(77).finish());
    await expect(connection.ask(Request.list)).rejects.toMatchObject({ code: 'ERR_SHIM_DIED' });
  });
});
