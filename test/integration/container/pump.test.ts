import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type RunOptions } from '../../../lib/index.js';
import { descendants, processes, readText, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function withFile<T>(name: string, flags: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path(name), flags);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

describe('what is copied', () => {
  it('is every byte, in both directions at once', async () => {
    const bytes = Buffer.alloc(5 << 20, 'nacelle, byte by byte. ');
    writeFileSync(path('in'), bytes);
    await withFile('in', 'r', async (stdin) => {
      await withFile('out', 'w', async (stdout) => {
        expect(await sh('tee /dev/stderr', { stdin, stdout, stderr: { file: path('err') } })).toMatchObject({ status: 'ok' });
      });
    });
    for (const name of ['out', 'err']) expect(digest(readFileSync(path(name)))).toBe(digest(bytes));
  });

  it('begins where the descriptor stands, and moves it', async () => {
    writeFileSync(path('stand'), '0123456789');
    await withFile('stand', 'r+', async (fd) => {
      readSync(fd, Buffer.alloc(4));
      expect((await sh('cat', { stdin: fd })).stdout).toBe('456789');
      writeSync(fd, 'x');
    });
    expect(readFileSync(path('stand'), 'utf8')).toBe('0123456789x');
  });

  it('from streams of files, which are handed over', async () => {
    writeFileSync(path('source'), 'by a stream');
    const [stdin, stdout] = [createReadStream(path('source')), createWriteStream(path('sink'))];
    await sh('cat', { stdin, stdout });
    expect(readFileSync(path('sink'), 'utf8')).toBe('by a stream');
    for (const stream of [stdin, stdout]) await new Promise((resolve) => stream.close(resolve));
  });

  it('of two outputs to one file keeps their order', async () => {
    const script = 'for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done';
    await sh(script, { stdout: { file: path('both') }, stderr: { file: path('both') } });
    const lines = [1, 2, 3, 4, 5].flatMap((i) => [`out ${i}`, `err ${i}`]);
    expect(readFileSync(path('both'), 'utf8')).toBe(`${lines.join('\n')}\n`);
  });

  it('is there when the promise resolves, however the program ended', async () => {
    const output: RunOptions = { stdout: { file: path('ended') } };
    expect(await sh('head -c 3000000 /dev/zero; kill -KILL $$', { ...output, init: true })).toMatchObject({ signal: 'SIGKILL' });
    expect(statSync(path('ended')).size).toBe(3_000_000);
    expect(await sh('head -c 70000 /dev/zero; sleep 1000', { ...output, timeout: 300 })).toMatchObject({ timedOut: true });
    expect(statSync(path('ended')).size).toBe(70_000);
  });

  it('goes on in a container that was created before', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', 'cat; echo after'],
      stdin: { file: '/etc/hostname' },
      stdout: { file: path('created') },
    });
    await container.start();
    expect(await container.wait()).toMatchObject({ status: 'ok' });
    expect(readFileSync(path('created'), 'utf8')).toBe(`${readFileSync('/etc/hostname', 'utf8')}after\n`);
  });

  it('does not wait for a program that wants no input, nor end one that closes its output', async () => {
    writeFileSync(path('long'), Buffer.alloc(1 << 20));
    await withFile('long', 'r', async (stdin) => {
      expect(await sh('exec 0<&-; echo done', { stdin })).toMatchObject({ status: 'ok', stdout: 'done\n' });
      const closed = 'exec 1>&-; echo still >&2';
      expect(await sh(closed, { stdin, stdout: { file: path('closed') } })).toMatchObject({ status: 'ok', stderr: 'still\n' });
    });
  });
});

describe('a copy that fails', () => {
  const mounted = requires({ root: true, tools: ['busybox', 'unshare', 'mount'] });
  mounted.it('for want of space ends the program, and the error has the result and the path', async () => {
    // a Node process of its own, for a mount that nobody else sees
    const small = path('small');
    execFileSync('mkdir', [small]);
    const through = ['unshare', '-m', 'sh', '-ec', `mount -t tmpfs -o size=64k nacelle-test ${small}; exec "$@"`, 'sh'];
    const { stdout, stderr, code } = await startNode('full-output', [join(small, 'out')], { through }).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'ContainerRunError',
      code: 'ERR_STREAM',
      cause: { code: 'ENOSPC', path: join(small, 'out'), syscall: 'write' },
      stderr: 'begun\n',
      failed: true,
    });
  });

  it('of input is not taken for its end', async () => {
    // nothing is mapped where it begins
    const fd = openSync('/proc/self/mem', 'r');
    try {
      await expect(sh('cat; echo the end', { stdin: fd })).rejects.toMatchObject({
        code: 'ERR_STREAM',
        cause: { code: 'EIO', syscall: 'read' },
      });
    } finally {
      closeSync(fd);
    }
  });
});

describe('the pump', () => {
  const pumpOf = (): number | undefined =>
    processes().find(({ command, pid }) => command === 'nacelle-pump' && descendants().some((own) => own.pid === pid))?.pid;

  it('has no capability, no right to get one, a filter, and nothing but what it copies', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      command: ['cat'],
      stdin: 'pipe',
      stdout: { file: path('pumped') },
    });
    await container.start();
    const pid = await until('there is a pump', pumpOf);
    const status = await until('it is confined', () => {
      const text = readText(`/proc/${pid}/status`) ?? '';
      return statusField('Seccomp', text) === '2' ? text : null;
    });
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) expect(BigInt(`0x${statusField(set, status)}`)).toBe(0n);
    expect(statusField('NoNewPrivs', status)).toBe('1');
    const files = execFileSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' });
    expect([...files.matchAll(/ -> (.*)/g)].map(([, file = '']) => file.replace(/:.*/, ''))).toEqual(['socket', 'pipe', path('pumped')]);
    container.stdin?.end('all of it');
    await container.wait();
    expect(readFileSync(path('pumped'), 'utf8')).toBe('all of it');
    expect(pumpOf()).toBeUndefined();
  });

  it('is there for files alone', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['cat'], stdin: 'pipe' });
    await container.start();
    expect(pumpOf()).toBeUndefined();
    container.stdin?.end();
    await container.wait();
  });

  asRoot.it('that waits for its file for ever holds nobody up', async () => {
    // the kernel's log, read to its end: from then on a read waits
    const fd = openSync('/proc/kmsg', constants.O_RDONLY);
    try {
      expect(await sh('exec sleep 1000', { stdin: fd, timeout: 300 })).toMatchObject({ status: 'timeout' });
      expect(await sh('exit 3', { stdin: fd })).toMatchObject({ exitCode: 3 });
    } finally {
      closeSync(fd);
    }
  });

  it('that is killed loses nothing in silence', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['cat'], stdin: 'pipe', stdout: { file: path('lost') } });
    await container.start();
    process.kill(await until('there is a pump', pumpOf), 'SIGKILL');
    await expect(container.wait()).rejects.toMatchObject({ code: 'ERR_STREAM', cause: { code: 'ECHILD' } });
    await container.remove();
  });
});
