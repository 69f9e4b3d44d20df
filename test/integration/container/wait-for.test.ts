import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { all, textOf } from '../../fixtures/log-records.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

async function started(script: string, more: object = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sh', '-c', script], ...more });
  await container.start();
  return container;
}

describe.each([false, true])('waitFor() of a container (detached: %s)', (detach) => {
  it('a line, whichever stream it is on, and whether it came before', async () => {
    const container = await started('echo starting; echo "listening on 80" >&2; sleep 1000', { detach });
    await container.waitFor({ log: 'listening' });
    await container.waitFor({ log: /^starting$/g });
    await container.waitFor({ log: /^starting$/g });
    await container.remove({ force: true });
  });

  it('a line that comes in pieces', async () => {
    const container = await started('printf list; sleep 0.2; echo ening; sleep 1000', { detach });
    await container.waitFor({ log: /^listening$/ });
    await container.remove({ force: true });
  });

  it('a command that succeeds', async () => {
    const container = await started('sleep 0.3; touch /ready; sleep 1000', { detach });
    await container.waitFor({ command: ['test', '-e', '/ready'] });
    await container.remove({ force: true });
  });

  it('a port on which somebody listens, by IPv4 or IPv6', async () => {
    const container = await started('sleep 0.3; nc -ll -p 7000 -e cat & httpd -p [::1]:7001 -h /; sleep 1000', { detach });
    for (const host of [undefined, '127.0.0.1']) await container.waitFor({ port: 7000, host });
    for (const host of [undefined, '::1']) await container.waitFor({ port: 7001, host });
    await container.remove({ force: true });
  });

  it('an answer by HTTP', async () => {
    const script = 'sleep 0.3; mkdir -p /www/folder; httpd -p 8080 -h /www; sleep 0.3; echo well > /www/health; sleep 1000';
    const container = await started(script, { detach });
    await container.waitFor({ http: '/health', port: 8080 });
    await container.waitFor({ http: '/health?full=1', port: 8080, host: '127.0.0.1', status: 200 });
    await container.waitFor({ http: '/none', port: 8080, status: 404 });
    // what is answered by a redirect is not looked for elsewhere
    await container.waitFor({ http: '/folder', port: 8080, status: 302 });
    await container.remove({ force: true });
  });

  it('rejects with the result of one that ends before', async () => {
    const container = await started('echo no; exit 4', { detach });
    await expect(container.waitFor({ log: 'yes' })).rejects.toMatchObject({ name: 'ContainerRunError', exitCode: 4, stdout: 'no\n' });
    await expect(container.waitFor({ command: ['true'] })).rejects.toMatchObject({ code: expect.any(String) });
    await expect(container.waitFor({ port: 7000 })).rejects.toMatchObject({ name: 'ContainerRunError', exitCode: 4 });
    await expect(container.waitFor({ http: '/', port: 7000 })).rejects.toMatchObject({ name: 'ContainerRunError', exitCode: 4 });
    // the line may be the last thing that it said
    await container.waitFor({ log: 'no' });
    await container.remove();
  });

  it('says what was seen last when the time is over, and hears a cancel', async () => {
    const container = await started('echo waiting for a database; sleep 1000', { detach });
    await container.waitFor({ log: 'database' });
    await expect(container.waitFor({ log: 'ready' }, { timeout: 300 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringContaining('waiting for a database'),
    });
    await expect(container.waitFor({ command: ['sh', '-c', 'echo refused >&2; exit 1'] }, { timeout: 300 })).rejects.toMatchObject({
      message: expect.stringContaining('refused'),
    });
    await expect(container.waitFor({ port: 7000 }, { timeout: 300 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    const controller = new AbortController();
    const cancelled = container.waitFor({ http: '/', port: 7000 }, { cancelSignal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    const cancelSignal = AbortSignal.timeout(100);
    await expect(container.waitFor({ log: 'ready' }, { cancelSignal })).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(container.state).toBe('running');
    await container.remove({ force: true });
  });
});

it.each([
  ...[{}, { log: 1 }, { log: 'x', command: ['y'] }, { command: [] }],
  ...[{ port: 0 }, { port: '80' }, { port: 80, host: 'localhost' }, { http: '/' }, { http: 'health', port: 80 }],
  ...[
    { http: '/a b', port: 80 },
    { http: '/\r\nx: y', port: 80 },
    { http: '/', port: 80, status: 100 },
    { port: 80, status: 200 },
  ],
])('a wrong condition is refused: %j', async (wrong) => {
  await using container = await Container.create({ ...(await busybox()), command: ['true'] });
  await expect(container.waitFor(wrong as { log: string })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
});

describe('logs() of a container that ends with this process', () => {
  it('gives what is kept, with its time, stream and last lines', async () => {
    const before = Date.now();
    await using container = await started('echo one; echo two >&2; sleep 0.1; echo three');
    await container.wait();
    const records = await all(container.logs());
    expect(textOf(records.filter(({ stream }) => stream === 'stdout'))).toBe('one\nthree\n');
    expect(textOf(await all(container.logs({ stream: 'stderr' })))).toBe('two\n');
    expect(textOf(await all(container.logs({ tail: 1 })))).toBe('three\n');
    for (const { at } of records) expect(at.getTime()).toBeGreaterThanOrEqual(before - 1);
  });

  it('goes on until the end, and takes nothing from the result', async () => {
    await using container = await started('echo one; read x; echo two', { stdin: 'pipe' });
    await container.waitFor({ log: 'one' });
    const followed = all(container.logs({ follow: true }));
    container.stdin?.end('go\n');
    expect(textOf(await followed)).toBe('one\ntwo\n');
    expect((await container.wait()).stdout).toBe('one\ntwo\n');
  });
});

it.each([false, true])('inspect() tells the options as resolved, and the end (detached: %s)', async (detach) => {
  const container = await started('exit 6', {
    detach,
    memory: '64m',
    env: { A: 'b' },
    labels: { x: 'y' },
    tmpfs: { '/t': 'size=1m' },
    user: '1000:1000',
  });
  const result = await container.wait();
  const shown = await (detach ? await Container.attach(container.id) : container).inspect();
  expect(shown).toMatchObject({
    id: container.id,
    state: 'stopped',
    pid: 0,
    detached: detach,
    labels: { x: 'y' },
    command: ['sh', '-c', 'exit 6'],
    process: { user: '1000:1000', cwd: '/', env: { A: 'b' }, seccomp: 'default', noNewPrivileges: true },
    limits: { memory: 64 * 1024 ** 2 },
    mounts: [{ type: 'tmpfs', source: null, target: '/t', readOnly: false }],
    result: { exitCode: 6, status: result.status },
  });
  expect(shown.process.capabilities).toContain('CHOWN');
  expect(JSON.parse(JSON.stringify(shown)).id).toBe(container.id);
  await container.remove();
});
