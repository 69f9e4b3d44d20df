import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type ContainerOptions, type ExecOptions } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, kernel: '6.3', tools: ['busybox', 'mkfifo', 'script'] });
const asRoot = requires({ root: true, kernel: '6.3', tools: ['busybox'] });
const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);

const stranger = async (script: string, more: ContainerOptions = {}): Promise<ContainerOptions> => ({
  ...(await busybox()),
  profile: 'untrusted',
  command: ['sh', '-c', script],
  ...more,
});
const says = async (script: string, more: ContainerOptions = {}) => (await Container.run(await stranger(script, more))).stdout.trim();

/** A terminal of the host's, which somebody else has. */
class Terminal {
  static #made = 0;
  shown = '';
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk) => {
      this.shown += String(chunk);
    });
  }

  static async make(): Promise<{ terminal: Terminal; tty: string }> {
    const note = path(`tty-${Terminal.#made++}`);
    const script = `stty -echo; tty > ${note}.new; mv ${note}.new ${note}; exec sleep 1000`;
    const terminal = new Terminal(spawn('script', ['-qfc', script, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] }));
    await until('there is a terminal', () => existsSync(note));
    return { terminal, tty: readFileSync(note, 'utf8').trim() };
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

describe('a stranger', () => {
  it('is nobody, without a capability, and writes to /tmp alone', async () => {
    const lines = (
      await says(
        'id -u; pwd; grep -hE "^(Cap|NoNew|Seccomp:)" /proc/self/status | tr -d "\\t"; cat /proc/self/uid_map; cat /sys/class/net/*/address; ulimit -n; ulimit -c',
      )
    ).split('\n');
    const none = '0000000000000000';
    const sets = ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:${none}`);
    // an ordinary user is root inside, and all others are the subordinate ids
    const map = (isRoot ? [/^ +0 +[1-9]\d* +65536$/] : [/^ +0 +0 +1$/, /^ +1 +1 +65536$/]).map((line) => expect.stringMatching(line));
    expect(lines).toEqual(['65534', '/tmp', ...sets, 'NoNewPrivs:1', 'Seccomp:2', ...map, '00:00:00:00:00:00', '1024', '0']);
    expect(
      await says(
        'for f in /x /etc/x /root/x /var/x /run/x /etc/hosts; do (: >> $f) 2>/dev/null && echo $f; done; cp /bin/busybox .; ./busybox echo ran',
      ),
    ).toBe('ran');
  });

  it('has the root user, another folder and more memory when asked', async () => {
    expect(await says('id -u; pwd', { user: 0, cwd: '/' })).toBe('0\n/');
    await using container = await Container.create(await stranger('true', { memory: '64m' }));
    expect(await container.inspect()).toMatchObject({
      limits: { memory: 64 << 20, pidsLimit: 128 },
      options: { profile: 'untrusted', readOnly: true, timeout: 30_000, cpuTimeLimit: 10_000 },
    });
  });

  asRoot.it('can not use up what the kernel counts for the host’s root', async () => {
    const look =
      'cat /proc/sys/user/max_inotify_instances /proc/sys/user/max_inotify_watches; (echo 99 > /proc/sys/user/max_inotify_instances) 2>/dev/null && echo raised';
    expect(await says(`${look}; true`, { user: 0 })).toBe('16\n8192');
    const { stdout } = await Container.run({
      ...(await busybox()),
      userns: 'auto',
      command: ['cat', '/proc/sys/user/max_inotify_instances'],
    });
    expect(Number(stdout)).toBeGreaterThan(16);
  });

  it('is nobody in place of root, whatever the image’s files say of its name', async () => {
    const rootfs = await busyboxRootfsCopy();
    try {
      appendFileSync(join(rootfs, 'etc/passwd'), 'toor:x:0:0::/root:/bin/sh\nmixed:x:1000:0::/:/bin/sh\n');
      const who = (user: string) => says('id -u; id -g; id -G', { image: `dir:${rootfs}`, user });
      expect(await who('toor')).toBe('65534\n65534\n65534');
      expect(await who('mixed')).toBe('1000\n65534\n65534');
      await using container = await Container.create(await stranger('sleep 1000', { image: `dir:${rootfs}` }));
      await container.start();
      expect((await container.exec(['id', '-u'], { user: 'toor' })).stdout).toBe('65534\n');
      expect((await container.exec(['id', '-u'], { user: '0' })).stdout).toBe('0\n');
    } finally {
      rmSync(rootfs, { recursive: true });
    }
  });

  it('gets files, and gives some back', async () => {
    const options = await stranger('tr a-z A-Z < in > out', { copyIn: { '/tmp/in': 'text' }, copyOut: ['/tmp/out'] });
    expect((await Container.run(options)).files['/tmp/out']?.toString()).toBe('TEXT');
  });

  it.each([
    ['time', 'sleep 1000', { timeout: 200 }, 'timeout'],
    ['processor time', 'while :; do :; done', { cpuTimeLimit: 50 }, 'cpu-time-limit'],
    ['memory, by a file in /tmp', 'head -c 100m /dev/zero > f', { memory: '32m' }, 'memory-limit'],
    ['output', 'yes', {}, 'output-limit'],
  ])('is ended at its limit of %s', async (_, script, more, status) => {
    expect(await Container.run(await stranger(script, more))).toMatchObject({ status });
  });

  asRoot.it('finds no device that opens, and no set-user-id program that works, in a bind', async () => {
    mkdirSync(path('bind'), { mode: 0o755 });
    execFileSync('cp', ['/dev/null', path('bind/plain')]);
    execFileSync('mknod', ['-m', '666', path('bind/zero'), 'c', '1', '5']);
    const look = 'head -c 1 /b/zero | wc -c; grep " /b " /proc/mounts | grep -o "nosuid,nodev"';
    expect(await says(`(${look}) 2>/dev/null`, { volumes: [`${path('bind')}:/b`] })).toBe('0\nnosuid,nodev');
    expect(await says(`(${look}) 2>/dev/null`, { volumes: [`${path('bind')}:/b:dev,suid`] })).toBe('1');
  });
});

type Way = (script: string, options: ExecOptions) => Promise<{ status: string; stdout: string; reason: string }>;
const ways: Record<string, Way> = {
  run: async (script, options) => Container.run(await stranger(script, options)),
  exec: async (script, options) => {
    await using container = await Container.create(await stranger('sleep 1000', { timeout: 0 }));
    await container.start();
    return await container.exec(['sh', '-c', script], options);
  },
};
/** What the program's streams are, then what it reads. */
const LOOK = 'for fd in 0 1 2; do readlink /proc/self/fd/$fd | sed "s/:.*//"; done >&2; cat';
const PIPES = 'pipe\npipe\npipe\n';

describe.each(Object.entries(ways))('the streams of a stranger, by %s', (_, by) => {
  it('are pipes where files are given, by their names and their descriptors', async () => {
    writeFileSync(path('in'), 'text');
    const stderr = { file: path('err') };
    expect(await by(LOOK, { stdin: { file: path('in') }, stdout: { file: path('out') }, stderr })).toMatchObject({
      status: 'ok',
      stdout: '',
    });
    expect([readFileSync(path('out'), 'utf8'), readFileSync(path('err'), 'utf8')]).toEqual(['text', PIPES]);
    const [stdin, stdout] = [openSync(path('in'), 'r'), openSync(path('out'), 'w')];
    expect(await by(LOOK, { stdin, stdout, stderr })).toMatchObject({ status: 'ok' });
    expect([readFileSync(path('out'), 'utf8'), readFileSync(path('err'), 'utf8')]).toEqual(['text', PIPES]);
    // they are still the caller's
    for (const fd of [stdin, stdout]) closeSync(fd);
    const input = createReadStream(path('in'));
    expect(await by(LOOK, { stdin: input, stderr })).toMatchObject({ status: 'ok', stdout: 'text' });
  });

  it('are pipes where a terminal is given, which shows and types what it did', async () => {
    const { terminal, tty } = await Terminal.make();
    const fd = openSync(tty, constants.O_RDWR | constants.O_NOCTTY);
    try {
      terminal.type('typed\n\x04');
      expect(await by(`${LOOK}; echo shown`, { stdin: fd, stdout: fd, stderr: { file: path('err') } })).toMatchObject({ status: 'ok' });
      expect(readFileSync(path('err'), 'utf8')).toBe(PIPES);
      await until('the terminal shows it', () => terminal.shown.includes('typed') && terminal.shown.includes('shown'));
      expect(fstatSync(fd).isCharacterDevice()).toBe(true);
    } finally {
      closeSync(fd);
      await terminal.close();
    }
  });

  it('are other pipes where FIFOs are given', async () => {
    execFileSync('mkfifo', [path('fifo')]);
    const fd = openSync(path('fifo'), constants.O_RDWR | constants.O_NONBLOCK);
    try {
      const { ino } = statSync(path('fifo'));
      const { stdout } = await by('readlink /proc/self/fd/0', { stdin: fd });
      expect(stdout).toMatch(/^pipe:/);
      expect(stdout).not.toContain(String(ino));
      expect(await by('echo text', { stdout: fd })).toMatchObject({ status: 'ok', stdout: '' });
      const bytes = Buffer.alloc(10);
      expect(bytes.toString('utf8', 0, readSync(fd, bytes))).toBe('text\n');
    } finally {
      closeSync(fd);
      execFileSync('rm', [path('fifo')]);
    }
  });

  it('are pipes where a socket is given, which the caller goes on to use', async () => {
    const heard: string[] = [];
    const server = createServer((other) => other.on('data', (data) => heard.push(String(data)))).listen(path('socket'));
    await once(server, 'listening');
    const socket = connect(path('socket'));
    await once(socket, 'connect');
    const { fd } = Reflect.get(socket, '_handle') as { fd: number };
    await Container.run(await stranger('echo out', { stdout: fd }));
    const closed = once(socket, 'close');
    socket.end('after');
    await closed;
    await until('all has come', () => heard.join('') === 'out\nafter');
    server.close();
  });

  it('are refused where a folder or a device is given', async () => {
    const [dir, zero] = [openSync(folder, constants.O_DIRECTORY), openSync('/dev/zero', 'r')];
    for (const fd of [dir, zero]) await expect(by('true', { stdin: fd })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    for (const fd of [dir, zero]) await expect(by('true', { stdout: fd })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    for (const fd of [dir, zero]) closeSync(fd);
  });

  it('end at the limit of output wherever that goes, which takes no more', async () => {
    const stdout = { file: path('flood') };
    expect(await by('yes', { stdout, maxBuffer: '1m' })).toMatchObject({ status: 'output-limit' });
    expect(statSync(path('flood')).size).toBe(1 << 20);
    const fd = openSync(path('flood'), 'w');
    expect(await by('yes', { stdout: fd, maxBuffer: '64k' })).toMatchObject({ status: 'output-limit' });
    expect(statSync(path('flood')).size).toBe(1 << 16);
    closeSync(fd);
    expect(await by('yes', { tty: true, stdout, maxBuffer: '64k' })).toMatchObject({ status: 'output-limit' });
    expect(statSync(path('flood')).size).toBe(1 << 16);
  });
});

describe('programs beside a stranger', () => {
  it('have the limits of one each, also in a container that others attach to', async () => {
    const options = await stranger('sleep 1000', { timeout: 0, cpuTimeLimit: 0, detach: true });
    const container = await Container.create(options);
    try {
      await container.start();
      const attached = await Container.attach(container.id);
      expect(await attached.exec(['yes'])).toMatchObject({ status: 'output-limit' });
      expect(await attached.exec(['sh', '-c', 'while :; do :; done'], { cpuTimeLimit: 50 })).toMatchObject({ status: 'cpu-time-limit' });
      expect(await attached.exec(['sh', '-c', LOOK], { stdin: { file: '/etc/hostname' }, stdout: 'ignore' })).toMatchObject({
        stderr: expect.stringMatching(/^pipe\n/),
      });
    } finally {
      await container.remove({ force: true });
    }
  });
});
