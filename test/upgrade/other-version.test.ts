import { expect } from 'vitest';
import { Container } from '../../lib/index.js';
import { useDetached } from '../fixtures/detached.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { busybox } from '../fixtures/sandbox.js';
import { useOtherLibrary } from './other-library.js';

useLeakCheck();
useDetached();
const other = useOtherLibrary();
const { describe, it } = requires({ root: true, tools: ['busybox'], otherBuild: true });

describe('a container that an older version keeps', () => {
  it('is found, told of and driven', async () => {
    const id = await other.make(['sh', '-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'], {
      labels: { of: 'older' },
    });
    const container = await Container.attach(id);
    expect(await Container.list({ labels: { of: 'older' } })).toMatchObject([{ id, state: 'running', pid: container.pid }]);
    const loud = container.exec(['sh', '-c', 'cat; echo "$WHO" >&2; exit 3'], { input: 'words', env: { WHO: 'me' } });
    expect(await loud).toMatchObject({ status: 'nonzero-exit', exitCode: 3, stdout: 'words', stderr: 'me\n' });
    await container.pause();
    expect(container.state).toBe('paused');
    await container.resume();
    await container.update({ pidsLimit: 50 });
    expect((await container.stats()).cpuTimeMs).toBeGreaterThan(0);
    await container.copyTo('/told', 'by the newer');
    expect((await container.exec(['cat', '/told'])).stdout).toBe('by the newer');
    await container.waitFor({ log: 'up' });
    expect(await container.stop()).toMatchObject({ exitCode: 7, stdout: 'up\nbye\n' });
    expect(await other.run('const { stdout } = await kept[values].wait(); return stdout;', id)).toBe('up\nbye\n');
    await container.remove();
    expect(await Container.list()).toEqual([]);
  });

  it('has its terminal resized, and its input typed', async () => {
    const id = await other.make(['sh', '-c', 'read go; stty size; read more; stty size'], {
      stdin: 'pipe',
      tty: { columns: 30, rows: 10 },
    });
    const container = await Container.attach(id);
    container.stdin?.write('go\n');
    await container.waitFor({ log: '10 30' });
    await container.resize({ columns: 50, rows: 20 });
    container.stdin?.write('more\n');
    expect((await container.wait()).stdout).toContain('20 50');
  });

  it('is started and restarted', async () => {
    const id = await other.run('const c = await nacelle.Container.create(values); return c.id;', {
      ...(await busybox()),
      command: ['sh', '-c', 'echo run; sleep 1000'],
      detach: true,
    });
    const container = await Container.attach(String(id));
    await container.start();
    await container.waitFor({ log: 'run' });
    await container.restart({ timeout: 0 });
    const logs = [];
    for await (const { data } of container.logs({ follow: true })) {
      logs.push(Buffer.from(data).toString());
      if (logs.join('') === 'run\nrun\n') break;
    }
    expect(await container.inspect()).toMatchObject({ restartCount: 1, state: 'running' });
  });

  it('is told of by events', async () => {
    const id = await other.make(['sleep', '1000'], {});
    const container = await Container.attach(id);
    const seen: string[] = [];
    const events = Container.events();
    const watching = (async () => {
      for await (const event of events) {
        if (event.id === id) seen.push(event.type);
        if (event.type === 'die') return;
      }
    })();
    while (seen.length === 0) await container.exec(['true']);
    await container.kill();
    await watching;
    expect(seen).toEqual(expect.arrayContaining(['exec_start', 'exec_die', 'kill', 'die']));
  });
});

describe('a container that a newer version keeps', () => {
  const find = 'const c = await nacelle.Container.attach(values.id);';

  it('is driven by an older one, which is not taken for newer', async () => {
    const command = ['sh', '-c', 'echo up; sleep 1000'];
    const container = await Container.create({ ...(await busybox()), command, detach: true });
    await container.start();
    await container.waitFor({ log: 'up' });
    const values = { id: container.id };
    expect(await other.run(`${find} return [await c.upgrade(), (await c.exec(['echo', 'older'])).stdout];`, values)).toEqual([
      false,
      'older\n',
    ]);
    const inspected = await other.run(`${find} const { state, pid } = await c.inspect(); return { state, pid };`, values);
    expect(inspected).toEqual({ state: 'running', pid: container.pid });
    expect(await other.run(`${find} return (await c.stop({ timeout: 0 })).stdout;`, values)).toBe('up\n');
    expect(await container.wait()).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    await other.run(`${find} await c.remove();`, values);
    expect(await Container.list()).toEqual([]);
  });
});
