import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { expect } from 'vitest';
import { connectToShim } from '../../lib/container/detached/attach.js';
import { Container, type ContainerOptions, reap } from '../../lib/index.js';
import { Encoder } from '../../lib/native/encode.js';
import { closeDescriptor, loadNative } from '../../lib/native/load-addon.js';
import { decodeUpgraded } from '../../lib/native/messages.js';
import { Request } from '../../lib/native/protocol.js';
import { useDetached } from '../fixtures/detached.js';
import { cgroupFolders, pidOf, processInfo, readText } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { busybox } from '../fixtures/sandbox.js';
import { until } from '../fixtures/until.js';
import { useOtherLibrary } from './other-library.js';

useLeakCheck();
useDetached();
const other = useOtherLibrary();
const { describe, it } = requires({ root: true, tools: ['busybox'], otherBuild: true });

async function made(script: string, options: ContainerOptions = {}): Promise<Container> {
  return Container.attach(await other.make(['sh', '-c', script], options));
}

/** A container that was not started. */
async function created(script: string, options: ContainerOptions = {}): Promise<Container> {
  const whole = { ...(await busybox()), command: ['sh', '-c', script], detach: true, ...options };
  return Container.attach(String(await other.run('return (await nacelle.Container.create(values)).id;', whole)));
}

/** Resolves when the pipe has the line that the other library's handle writes. */
async function typed(line: string, id: string): Promise<void> {
  await other.run('await new Promise((done) => kept[values.id].stdin.write(values.line + "\\n", done));', { id, line });
}

const shimOf = (container: Container): number => pidOf({ pid: processInfo(container.pid)?.parent });
const runs = (count: number): string => Array.from({ length: count }, (_, index) => `run ${index + 1}\n`).join('');
/** Counts the runs in a file of the container's root. */
const COUNT = 'echo run >> /runs; n=$(wc -l < /runs); echo "run $n";';

describe('an upgrade', () => {
  it('keeps process, program, input, output, and the handles of both versions', async () => {
    const container = await made('while read l; do echo "got $l"; done; echo over', { stdin: 'pipe' });
    const { id, pid } = container;
    await typed('one', id);
    const shim = shimOf(container);
    expect(readText(`/proc/${shim}/cmdline`)).toMatch(/^nacelle-shim\0/);
    expect(await container.upgrade()).toBe(true);
    expect(readText(`/proc/${shim}/cmdline`)).toMatch(/^nacelle-take-over\0/);
    expect(readText(`/proc/${shim}/comm`)).toBe('nacelle-shim\n');
    expect([container.pid, shimOf(container)]).toEqual([pid, shim]);
    expect(await container.upgrade()).toBe(false);
    expect((await container.exec(['echo', 'newer'])).stdout).toBe('newer\n');
    expect(await other.run('return (await kept[values].exec(["echo", "older"])).stdout;', id)).toBe('older\n');
    // one that comes now learns the newer numbers
    expect(await other.run('return (await (await nacelle.Container.attach(values)).exec(["echo", "again"])).stdout;', id)).toBe('again\n');
    await typed('two', id);
    container.stdin?.end('three\n');
    const stdout = 'got one\ngot two\ngot three\nover\n';
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout });
    expect(await other.run('return (await kept[values].wait()).stdout;', id)).toBe(stdout);
    await container.remove();
    expect(await Container.list()).toEqual([]);
  });

  it('leaves no descriptor open that was not, and none that a program could inherit', async () => {
    const container = await made('sleep 1000');
    const shim = shimOf(container);
    const open = () => readdirSync(`/proc/${shim}/fd`).length;
    const inherited = async () => (await container.exec(['sh', '-c', 'ls /proc/self/fd'])).stdout;
    // the first program that joins leaves what the next ones use
    const before = { inherited: await inherited(), open: open() };
    expect(await container.upgrade()).toBe(true);
    expect(await inherited()).toBe(before.inherited);
    await until('the shim has none that it had not', () => open() <= before.open);
  });

  it('keeps the lock, by which others know that the container is not left over', async () => {
    const container = await made('sleep 1000');
    await container.upgrade();
    await other.run('await nacelle.reap();');
    await reap();
    expect((await container.exec(['echo', 'there'])).stdout).toBe('there\n');
  });

  it('of one that was not started: it can be', async () => {
    const container = await created('echo started');
    expect(await container.upgrade()).toBe(true);
    await container.start();
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout: 'started\n' });
  });

  it('of one that stands still: it goes on', async () => {
    const container = await made('read go; echo went', { stdin: 'pipe' });
    await container.pause();
    await container.upgrade();
    expect(container.state).toBe('paused');
    await container.resume();
    container.stdin?.end('go\n');
    expect((await container.wait()).stdout).toBe('went\n');
  });

  it('of one that has ended: the end, the logs and the files stay, and the newer shim removes it', async () => {
    const container = await made('echo told; echo kept > /file; exit 3');
    await container.wait();
    const { id } = container;
    await container.upgrade();
    const again = await Container.attach(id);
    expect(await again.wait()).toMatchObject({ exitCode: 3, stdout: 'told\n' });
    const changed = [];
    for await (const { path } of again.changes()) changed.push(path);
    expect(changed).toContain('/file');
    await again.remove();
    expect(cgroupFolders().filter((path) => path.includes(id))).toEqual([]);
    expect(await Container.list()).toEqual([]);
  });

  it('of one that goes with its end', async () => {
    const container = await made('read go', { stdin: 'pipe', autoRemove: true });
    await container.upgrade();
    container.stdin?.end('go\n');
    expect(await container.wait()).toMatchObject({ status: 'ok' });
    await until('the container has gone', async () => (await Container.list()).length === 0);
  });

  it('keeps the clocks going', async () => {
    const [wall, cpu] = [await made('sleep 1000', { timeout: 1500 }), await made('while :; do :; done', { cpuTimeLimit: 700 })];
    await Promise.all([wall.upgrade(), cpu.upgrade()]);
    expect(await wall.wait()).toMatchObject({ status: 'timeout' });
    expect(await cpu.wait()).toMatchObject({ status: 'cpu-time-limit' });
  });

  it('keeps a SIGKILL in mind that is to come', async () => {
    const container = await made('trap "echo asked" TERM; while :; do sleep 0.1; done', {
      timeout: 1500,
      killSignal: 'SIGTERM',
      // longer than an upgrade takes
      forceKillAfterDelay: 5000,
    });
    await container.waitFor({ log: 'asked' });
    expect(await container.upgrade()).toBe(true);
    expect(await container.wait()).toMatchObject({ status: 'timeout', signal: 'SIGKILL' });
  });

  it('lets a program beside the own one run on, with whoever hears of it', async () => {
    const container = await made('sleep 1000');
    const beside = 'kept.beside = kept[values].exec(["sh", "-c", "read x; echo heard $x"], { stdin: "pipe" }); await kept.beside.pid;';
    await other.run(beside, container.id);
    expect(await container.upgrade()).toBe(true);
    expect(await other.run('kept.beside.stdin.end("words\\n"); return (await kept.beside).stdout;')).toBe('heard words\n');
  });

  it('while programs come and go: none is lost', async () => {
    const container = await made('sleep 1000');
    const beside = Array.from({ length: 40 }, (_, index) => container.exec(['echo', String(index)]));
    const theirs = other.run(
      'const all = Array.from({ length: 40 }, (_, i) => kept[values].exec(["echo", String(i)])); return (await Promise.all(all)).map((r) => r.stdout);',
      container.id,
    );
    expect(await container.upgrade()).toBe(true);
    const numbers = Array.from({ length: 40 }, (_, index) => `${index}\n`);
    expect((await Promise.all(beside)).map(({ stdout }) => stdout)).toEqual(numbers);
    expect(await theirs).toEqual(numbers);
  });

  it('starts a program again as the older shim would have', async () => {
    const container = await made(`${COUNT} [ $n = 1 ] && read go; exit 1`, { stdin: 'pipe', restart: { on: 'failure', maxRetries: 3 } });
    await container.waitFor({ log: 'run 1' });
    await container.upgrade();
    container.stdin?.write('go\n');
    expect(await container.wait()).toMatchObject({ exitCode: 1, stdout: runs(4) });
    expect(await container.inspect()).toMatchObject({ restartCount: 3 });
  });

  it('between two runs', async () => {
    const container = await made(`${COUNT} exit 1`, { restart: { on: 'failure', maxRetries: 4 } });
    await until('it waits for the next run', () => container.state === 'restarting');
    expect(await container.upgrade()).toBe(true);
    expect(await container.wait()).toMatchObject({ exitCode: 1, stdout: runs(5) });
  });

  it('goes on with the checks of health', async () => {
    const container = await made('touch /good; sleep 1000', {
      healthcheck: { test: ['CMD-SHELL', 'echo looked; [ -e /good ]'], interval: 50, retries: 2, timeout: 10_000 },
    });
    await container.waitFor({ healthy: true });
    expect(await container.upgrade()).toBe(true);
    expect((await container.inspect()).health).toMatchObject({ status: 'healthy' });
    await container.exec(['rm', '/good']);
    await until('the program is told to be unwell', async () => (await container.inspect()).health?.status === 'unhealthy');
  });

  it('keeps those who watch, and tells them in order', async () => {
    const container = await made('sleep 1000');
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { id, type } of Container.events()) {
        if (id === container.id) seen.push(type);
        if (type === 'die') return;
      }
    })();
    while (seen.length === 0) await container.exec(['true']);
    await container.upgrade();
    await container.exec(['true']);
    await container.kill();
    await watching;
    expect(seen.slice(-5)).toEqual(['exec_create', 'exec_start', 'exec_die', 'kill', 'die']);
  });

  it('keeps a terminal', async () => {
    const container = await made('read go; stty size', { stdin: 'pipe', tty: { columns: 30, rows: 10 } });
    await container.upgrade();
    await container.resize({ columns: 40, rows: 20 });
    container.stdin?.write('go\n');
    expect((await container.wait()).stdout).toContain('20 40');
  });
});

describe('an upgrade that can not be', () => {
  /** As `upgrade()`, with any executable and version. */
  async function ask(id: string, version: string, path: string, copies = true): Promise<{ errno: number; why: string }> {
    const connection = connectToShim(id);
    if (connection === null) throw new Error('there is no shim');
    const { addon } = loadNative();
    const fd = copies ? addon.copyShim(path) : addon.duplicateDescriptor(0);
    expect(fd).toBeGreaterThan(0);
    try {
      return decodeUpgraded(await connection.ask(Request.upgrade, new Encoder().str(version).finish(), [fd]));
    } finally {
      closeDescriptor(fd);
      connection.close();
    }
  }

  it.each([
    ['is not newer after all', '9.0.0', `${process.env.NACELLE_OTHER}/build/Release/nacelle-shim`, 'EALREADY'],
    ['is no program', '9.0.0', '/etc/passwd', 'ENOEXEC'],
    ['says that it is not newer', '0.0.1', `${process.env.NACELLE_OTHER}/build/Release/nacelle-shim`, 'EALREADY'],
    ['has no version', 'new', `${process.env.NACELLE_OTHER}/build/Release/nacelle-shim`, 'EINVAL'],
  ] as const)('leaves all as it was: the other shim %s', async (_, version, path, code) => {
    const container = await made('while read l; do echo "got $l"; done', { stdin: 'pipe' });
    const shim = shimOf(container);
    const { errno } = await ask(container.id, version, path);
    expect(errno).toBe(constants.errno[code]);
    expect(shimOf(container)).toBe(shim);
    expect((await container.exec(['echo', 'there'])).stdout).toBe('there\n');
    expect(await other.run('return (await kept[values].exec(["echo", "older"])).stdout;', container.id)).toBe('older\n');
    expect(await container.upgrade()).toBe(true);
    container.stdin?.end('words\n');
    expect((await container.wait()).stdout).toBe('got words\n');
  });

  it('is not made with an executable that somebody could change', async () => {
    const container = await made('sleep 1000');
    expect(await ask(container.id, '9.0.0', '', false)).toMatchObject({ errno: 1, why: 'the executable could be changed' });
  });

  it('is refused for a container that ends with this process', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['true'] });
    await expect(container.upgrade()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await container.remove();
  });
});
