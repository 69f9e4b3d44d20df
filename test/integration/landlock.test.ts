import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, watch, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeAll, expect } from 'vitest';
import { HIDDEN } from '../../lib/image/host/host-hidden.js';
import { Container, features, type RunOptions } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { all } from '../fixtures/log-records.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['setsid'] });
const temporary = temporaryFolder();
// the program is another user
chmodSync(temporary, 0o755);

beforeAll(() => {
  // the first watch of a process makes libuv's inotify descriptor, which stays
  watch(temporary).close();
});

const run = (options: RunOptions) => Container.run({ isolation: 'landlock', ...options });
const sh = (line: string, options: RunOptions = {}) => run({ command: ['sh', '-c', line], ...options });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function folderOf(name: string, mode = 0o777): string {
  const path = join(temporary, name);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

describe('features()', () => {
  it('tells the version of Landlock', async () => {
    expect((await features()).landlock).toEqual({ available: true, reason: null, fix: null, abi: expect.any(Number) });
  });
});

describe('a program under Landlock', () => {
  it('has no rights, cannot gain any, and is in no group of others', async () => {
    const { stdout } = await sh('cat /proc/self/status');
    expect(stdout).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
    expect(stdout).toMatch(/^Gid:\t65534\t65534\t65534\t65534$/m);
    expect(stdout).toMatch(/^Groups:\t65534 ?$/m);
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) expect(stdout).toMatch(new RegExp(`^Cap${set}:\\t0{16}$`, 'm'));
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m);
    expect(stdout).toMatch(/^Seccomp_filters:\t2$/m);
  });

  it('has a folder of its own, which goes with it', async () => {
    const { stdout } = await sh(
      'pwd; echo $HOME; echo $TMPDIR; stat -c "%a %u %g" .; echo hi > a; cat a; hostname=$HOSTNAME; echo $hostname',
    );
    const [cwd = '', ...others] = stdout.split('\n');
    expect(cwd).toMatch(new RegExp(`^${tmpdir()}/nacelle-run-`));
    expect(others).toEqual([cwd, cwd, '700 65534 65534', 'hi', hostname(), '']);
    expect(existsSync(cwd)).toBe(false);
  });

  it('has none with readOnly, and can write nowhere', async () => {
    const { stdout, stderr } = await sh('pwd; echo $HOME; touch a /tmp/a', { readOnly: true });
    expect(stdout).toMatch(/^\/\n(?!.*nacelle-run).*\n$/);
    expect(stderr).toMatch(/cannot touch 'a'.*denied.*\n.*cannot touch '\/tmp\/a'.*denied/);
  });

  it('runs as the user that was asked for', async () => {
    expect((await sh('id -u; id -g; id -G', { user: '1234:5678', groupAdd: [42] })).stdout).toBe('1234\n5678\n5678 42\n');
    expect((await sh('id -un', { user: 'daemon' })).stdout).toBe('daemon\n');
    await expect(sh('id', { user: 'no-such-user' })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('sees nothing that the image host hides, as root neither', async () => {
    // a shell finds those that are there by its own patterns
    const patterns = HIDDEN.filter((path) => !['/run', '/tmp', '/var/tmp'].includes(path));
    const { stdout, stderr } = await sh(
      'for pattern in $PATTERNS; do for p in $pattern; do cat "$p" 2>/dev/null && echo "read $p"; ls "$p/" 2>/dev/null && echo "listed $p"; done; done; echo done',
      { user: 'root', env: { PATTERNS: patterns.join(' ') } },
    );
    expect({ stdout, stderr }).toEqual({ stdout: 'done\n', stderr: '' });
    // with nothing around it, root reads some of them
    expect(readFileSync('/etc/shadow', 'utf8')).toContain('root:');
  });

  it('reaches the paths that it is given, through links too, and those alone', async () => {
    const [open, readable, closed] = [folderOf('open'), folderOf('readable'), folderOf('closed')];
    for (const folder of [open, readable, closed]) {
      writeFileSync(join(folder, 'a'), 'content');
      chmodSync(join(folder, 'a'), 0o666);
    }
    const file = join(closed, 'one');
    writeFileSync(file, 'one file');
    chmodSync(file, 0o666);
    const link = join(temporary, 'link');
    symlinkSync(open, link);
    const volumes = [`${link}:${link}`, `${readable}:${readable}:ro`];
    const mounts = [{ type: 'bind', source: file, target: file, readOnly: true } as const];
    const line = `cat ${open}/a ${link}/a ${readable}/a ${file}; cat ${closed}/a; echo more >> ${link}/a; echo more >> ${readable}/a; echo more >> ${file}`;
    const { stdout, stderr } = await sh(line, { volumes, mounts });
    expect(stdout).toBe('contentcontentcontentone file');
    expect(stderr.match(/ermission denied/g)).toHaveLength(3);
    expect(readFileSync(join(open, 'a'), 'utf8')).toBe('contentmore\n');
  });

  it('runs nothing from a path with noexec', async () => {
    const folder = folderOf('noexec');
    writeFileSync(join(folder, 'tool'), '#!/bin/sh\necho ran\n', { mode: 0o755 });
    expect((await sh(`${folder}/tool`, { volumes: [`${folder}:${folder}`] })).stdout).toBe('ran\n');
    expect((await sh(`${folder}/tool`, { volumes: [`${folder}:${folder}:noexec`] })).stderr).toContain('Permission denied');
  });

  it('has its streams, and its input', async () => {
    const file = join(temporary, 'input');
    writeFileSync(file, 'of a file', { mode: 0o600 });
    const output = join(temporary, 'output');
    expect((await run({ command: ['cat'], input: 'given' })).stdout).toBe('given');
    expect((await run({ command: ['cat'], stdin: { file } })).stdout).toBe('of a file');
    expect((await sh('echo to > /dev/stdout; echo err > /dev/stderr')).stdout).toBe('to\n');
    await sh('echo written', { stdout: { file: output } });
    expect(readFileSync(output, 'utf8')).toBe('written\n');
    // to open it anew would be to open the file
    expect((await sh('cat /proc/self/fd/0 >&2', { stdin: { file } })).stderr).toContain('Permission denied');
  });

  it('lists what it lacks, and nothing else', async () => {
    const { notEnforced } = await run({ command: ['true'] });
    expect(notEnforced.map(({ feature }) => feature)).toEqual(expect.arrayContaining(['pid namespace', 'mnt namespace', 'net namespace']));
    expect((await Container.run({ image: 'host', command: ['true'] })).notEnforced).toEqual([]);
  });
});

describe('limits under Landlock', () => {
  it('of its group end it, and its usage is counted', async () => {
    const hungry = await sh('head -c 100m /dev/zero | tail > /dev/null', { memory: '16m' });
    expect(hungry).toMatchObject({ status: 'memory-limit' });
    const many = await sh('for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; wait', { pidsLimit: 4, timeout: 20_000 });
    expect(many.stderr).toMatch(/[Cc]annot fork/);
    const busy = await sh('while :; do :; done', { cpuTimeLimit: 100 });
    expect(busy).toMatchObject({ status: 'cpu-time-limit' });
    expect(busy.usage.cpuTimeMs).toBeGreaterThanOrEqual(100);
  });

  it('of time and of output end all that it has started', async () => {
    const seconds = `${200_000 + process.pid}`;
    const left = (): string[] =>
      readdirSync('/proc').filter((name) => {
        try {
          return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8') === `sleep\0${seconds}\0`;
        } catch {
          return false;
        }
      });
    expect(await sh(`setsid sleep ${seconds} & sleep ${seconds}`, { timeout: 300 })).toMatchObject({ status: 'timeout' });
    expect(await sh(`setsid sleep ${seconds} & yes`, { maxBuffer: '64k' })).toMatchObject({ status: 'output-limit' });
    expect(await sh(`setsid sleep ${seconds} >/dev/null 2>&1 & true`)).toMatchObject({ status: 'ok' });
    expect(left()).toEqual([]);
  });

  it('of the process are kept', async () => {
    expect((await sh('ulimit -n; umask', { ulimits: { nofile: 64 }, umask: 0o77 })).stdout).toBe('64\n0077\n');
  });
});

describe('a container of Landlock', () => {
  it('has a life', async () => {
    await using container = await Container.create({
      isolation: 'landlock',
      command: ['sh', '-c', 'trap "exit 7" TERM; echo up; sleep 1000 & wait'],
    });
    expect(container.state).toBe('created');
    await container.start();
    await container.waitFor({ log: 'up' });
    await container.pause();
    expect(container.state).toBe('paused');
    await container.resume();
    await container.update({ pidsLimit: 20 });
    expect((await container.stats()).pidsPeak).toBeGreaterThan(0);
    const seen = await container.inspect();
    expect(seen).toMatchObject({
      image: null,
      mounts: [],
      process: { user: '65534:65534', capabilities: [], noNewPrivileges: true, seccomp: 'default' },
    });
    expect(seen.options).toMatchObject({ isolation: 'landlock', network: 'none', namespaces: { pid: 'host', net: 'host' } });
    expect(seen.notEnforced.map(({ feature }) => feature)).toContain('pid namespace');
    expect(await container.stop()).toMatchObject({ exitCode: 7 });
  });

  it('refuses what needs namespaces, or a root of its own', async () => {
    await using container = await Container.create({ isolation: 'landlock', command: ['sleep', '1000'] });
    await container.start();
    const refused = { code: 'ERR_UNSUPPORTED', reason: expect.stringContaining("isolation: 'landlock'") };
    await expect(container.exec(['true'])).rejects.toMatchObject({ feature: 'exec()', ...refused });
    await expect(container.copyTo('/a', 'text')).rejects.toMatchObject({ feature: 'copyTo()', ...refused });
    await expect(container.copyFrom('/etc')).rejects.toMatchObject({ feature: 'copyFrom()', ...refused });
    await expect(container.namespace('pid')).rejects.toMatchObject({ feature: 'namespace()', ...refused });
    await expect(container.connect(80)).rejects.toMatchObject({ feature: 'connect()', ...refused });
    await expect(container.waitFor({ port: 80 })).rejects.toMatchObject({ feature: 'connect()', ...refused });
    await expect(container.restart()).rejects.toMatchObject({ feature: 'restart()', ...refused });
    expect(() => container.changes()).toThrow(expect.objectContaining({ feature: 'changes()', ...refused }));
  });

  it("can be connected to where the host's network is its own", async () => {
    const script =
      "require('node:net').createServer((socket) => socket.on('error', () => undefined).end('hi')).listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const command = [process.execPath, '-e', script];
    await using container = await Container.create({ isolation: 'landlock', network: 'host', command });
    await container.start();
    await container.waitFor({ log: /^\d+$/ });
    const [record] = await all(container.logs());
    const stream = await container.connect(Number(record?.data));
    stream.end();
    expect(await text(stream)).toBe('hi');
  });

  it('can be connected to where it has a port to listen on', async () => {
    const port = await freePort();
    const script = `require('node:net').createServer((socket) => socket.on('error', () => undefined).end('hi')).listen(${port}, '127.0.0.1')`;
    const command = [process.execPath, '-e', script];
    await using container = await Container.create({ isolation: 'landlock', tcpPorts: { bind: [port] }, command });
    await container.start();
    await container.waitFor({ port });
    const stream = await container.connect(port);
    stream.end();
    expect(await text(stream)).toBe('hi');
    await using other = await Container.create({ isolation: 'landlock', tcpPorts: { connect: [port] }, command: ['sleep', '1000'] });
    await other.start();
    await expect(other.connect(port)).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      reason: expect.stringContaining('may listen on no port'),
    });
  });

  it('that is never started leaves nothing', async () => {
    const container = await Container.create({ isolation: 'landlock', command: ['sleep', '1000'] });
    await container.remove();
  });
});

describe('what can not be run under Landlock', () => {
  it.each([
    ['a program that is not there', { command: ['no-such-program'] }, { code: 'ENOENT' }],
    ['a program that no rule allows', { command: [join(temporary, 'not-here')] }, { code: 'ENOENT' }],
    ['a path that is not there', { command: ['true'], volumes: ['/no/such:/no/such'] }, { code: 'ENOENT', path: '/no/such' }],
    ['a device', { command: ['true'], volumes: ['/dev/tty:/dev/tty'] }, { code: 'ERR_INVALID_OPTION' }],
    ['a folder to begin in that is not there', { command: ['true'], cwd: '/no/such' }, { code: 'ENOENT' }],
  ])('%s is told in words, and leaves nothing', async (_, options, error) => {
    await expect(run(options)).rejects.toMatchObject(error);
  });

  it('a program outside the rules, though its file can be run', async () => {
    const tool = join(folderOf('tools'), 'tool');
    writeFileSync(tool, '#!/bin/sh\n', { mode: 0o755 });
    await expect(run({ command: [tool] })).rejects.toMatchObject({ code: 'EACCES' });
    expect(statSync(tool).mode & 0o777).toBe(0o755);
  });

  it('one that is cancelled before it begins', async () => {
    expect(await run({ command: ['true'], cancelSignal: AbortSignal.abort() })).toMatchObject({ status: 'canceled' });
  });
});
