import { chmodSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect } from 'vitest';
import { Container, type RunOptions, type RunResult } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { entries, type ProcessInfo, processes, readLink, readText, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'gcc'] });
const program = compile('leavings', temporaryFolder());
const folder = temporaryFolder();

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

function reasons({ notCopied }: RunResult): Record<string, string> {
  return Object.fromEntries(notCopied.map(({ path, reason }) => [path, reason]));
}

/** A program that leaves things in /box, where it may write. */
async function leave(what: string[], options: RunOptions = {}): Promise<RunResult> {
  const copyIn = { '/leavings': { source: program, mode: 0o755 } };
  const result = await Container.run({
    ...(await busybox()),
    command: ['/leavings', ...what],
    cwd: '/box',
    user: 'user',
    copyIn,
    ...options,
  });
  expect(result, result.stderr).toMatchObject({ status: 'ok', stderr: '' });
  return result;
}

describe('copyOut reads with no more right than the container’s user', () => {
  const secret = { content: 'secret', mode: 0o600, uid: 0, gid: 0 };

  it('and through no link, wherever in the path it is', async () => {
    const result = await sh('ln -s /srv/secret /box/out; ln -s /srv /box/way; ln -s /srv/open /box/open', {
      user: 'nobody',
      cwd: '/box',
      copyIn: { '/srv/secret': secret, '/srv/open': { content: 'open', mode: 0o644 } },
      copyOut: ['/box/out', '/box/way/secret', '/box/open', '/box/way/open', '/srv/secret', '/srv/open'],
    });
    expect(Object.keys(result.files)).toEqual(['/srv/open']);
    expect(reasons(result)).toEqual({
      '/box/out': expect.stringContaining('/box/out is a symbolic link'),
      '/box/way/secret': expect.stringContaining('/box/way is a symbolic link'),
      '/box/open': expect.stringContaining('/box/open is a symbolic link'),
      '/box/way/open': expect.stringContaining('/box/way is a symbolic link'),
      '/srv/secret': expect.stringContaining('EACCES'),
    });
  });

  it('which is who it was at the start, with its groups, whatever the program makes of /etc/passwd', async () => {
    const result = await sh('echo user:x:0:0::/:/bin/sh > /etc/passwd; echo root:x:0:user > /etc/group; id -G; cat /srv/group', {
      user: 'user',
      copyIn: {
        '/etc/passwd': { content: 'user:x:1000:1000::/:/bin/sh\n', mode: 0o666 },
        '/etc/group': { content: 'extra:x:2000:user\n', mode: 0o666 },
        '/srv/secret': secret,
        '/srv/group': { content: 'of the group', mode: 0o640, uid: 0, gid: 2000 },
        '/srv/own': { content: 'own', mode: 0o400, uid: 1000, gid: 0 },
      },
      copyOut: ['/srv'],
    });
    expect(result.stdout).toBe('1000 2000\nof the group');
    expect(text(result.files['/srv/group'])).toBe('of the group');
    expect(text(result.files['/srv/own'])).toBe('own');
    expect(Object.keys(reasons(result))).toEqual(['/srv/secret']);
  });

  it('root reads what is its own, without the capability to read everything', async () => {
    const result = await sh('echo mine > /mine; chmod 600 /mine; echo his > /his; chmod 600 /his; chown 1000 /his', {
      copyOut: ['/mine', '/his'],
    });
    expect(text(result.files['/mine'])).toBe('mine\n');
    expect(reasons(result)).toEqual({ '/his': expect.stringContaining('EACCES') });
  });

  it('of a folder that is bound from the host too', async () => {
    writeFileSync(join(folder, 'secret'), 'of the host', { mode: 0o600 });
    chmodSync(folder, 0o755);
    const result = await sh('true', { user: 'nobody', volumes: [`${folder}:/vol`], copyOut: ['/vol'] });
    expect(result.files).toEqual({});
    expect(reasons(result)).toEqual({ '/vol/secret': expect.stringContaining('EACCES') });
  });
});

describe('copyOutMax', () => {
  const weight = ({ files, notCopied }: RunResult): number =>
    Object.entries(files).reduce((sum, [path, bytes]) => sum + Buffer.byteLength(path) + bytes.length, 0) +
    notCopied.reduce((sum, { path }) => sum + Buffer.byteLength(path), 0);

  it.each(['links', 'symlinks', 'sockets', 'fifos'])('bounds names as well as contents: 3,000 %s with long names', async (kind) => {
    const result = await leave([kind, '3000'], { copyOut: ['/box'], copyOutMax: 65_536 });
    expect(weight(result)).toBeLessThan(65_536 + 100);
    expect(reasons(result)['/box']).toMatch(/copyOutMax.*65,536/);
  });

  it('bounds what is empty too', async () => {
    const folders = 'for i in 1 2 3 4 5 6 7 8 9; do for j in 1 2 3 4 5 6 7 8 9; do mkdir -p /box/$i/$j; done; done';
    expect(reasons(await sh(folders, { copyOut: ['/box'], copyOutMax: '64k' }))['/box']).toMatch(/copyOutMax.*65,536/);
    expect(await sh(folders, { copyOut: ['/box'], copyOutMax: '100k' })).toMatchObject({ notCopied: [], files: {} });
  });

  it('is apart from maxBuffer, which is of the streams', async () => {
    const result = await sh('head -c 1000000 /dev/zero > /box/binary; echo short', {
      cwd: '/box',
      maxBuffer: 100,
      copyOut: ['/box/binary'],
    });
    expect(result).toMatchObject({ status: 'ok', stdout: 'short\n', notCopied: [] });
    expect(result.files['/box/binary']?.length).toBe(1_000_000);
  });

  it('what is too big stays, and the others come', async () => {
    const result = await sh('head -c 5000 /dev/zero > /box/a; head -c 500 /dev/zero > /box/b', {
      cwd: '/box',
      copyOut: ['/box/a', '/box/b', '/box/none'],
      copyOutMax: '1k',
    });
    expect(Object.keys(result.files)).toEqual(['/box/b']);
    expect(reasons(result)).toEqual({ '/box/a': expect.stringMatching(/5,000.*copyOutMax.*1,024/) });
  });
});

describe('what a program makes of its paths is told in the result, which is there', () => {
  it('links in a circle, a terabyte of nothing, a socket, a FIFO, what may not be read, what is too deep', async () => {
    const result = await leave(['everything'], {
      copyOut: ['/box', '/box/loop', '/box/sparse', '/box/socket', '/box/loop/x', '/box/file/x'],
    });
    expect(Object.keys(result.files)).toEqual(['/box/file']);
    expect(text(result.files['/box/file'])).toBe('file');
    const told = reasons(result);
    const deep = Object.keys(told).find((path) => path.startsWith('/box/deep/')) ?? '';
    expect(told).toEqual({
      '/box/loop': expect.stringContaining('is a symbolic link'),
      '/box/loop/x': expect.stringContaining('/box/loop is a symbolic link'),
      '/box/sparse': expect.stringMatching(/1,099,511,627,776.*copyOutMax/),
      '/box/socket': expect.stringContaining('socket'),
      '/box/fifo': expect.stringContaining('FIFO'),
      '/box/shut': expect.stringContaining('EACCES'),
      '/box/closed': expect.stringContaining('EACCES'),
      [deep]: expect.stringContaining('deep'),
    });
  });

  it('a device is not opened', async () => {
    const result = await sh('true', { copyOut: ['/dev/zero', '/dev/pts/ptmx'] });
    expect(result.files).toEqual({});
    expect(reasons(result)).toEqual({ '/dev/zero': 'it is a device', '/dev/pts/ptmx': 'it is a device' });
  });

  it('for a program that failed, with reject: true too', async () => {
    await expect(sh('ln -s x /out; exit 3', { copyOut: ['/out'], reject: true })).rejects.toMatchObject({
      code: 'ERR_RUN_FAILED',
      exitCode: 3,
      notCopied: [{ path: '/out', reason: expect.stringContaining('symbolic link') }],
    });
  });
});

describe('the process that reads', () => {
  const UID = 4242;
  const options = { user: `${UID}:${UID}`, cwd: '/box', copyOut: ['/first', '/box/sparse', '/after'], copyIn: { '/first': 'first' } };
  const script = 'dd if=/dev/zero of=/box/sparse bs=1 count=0 seek=90M 2>/dev/null; echo made';

  /**
   * The reader: it has that user's number, and has the second file open, so the first one is read. Looked for in each turn of the event loop,
   * in which a few of its bytes are read.
   */
  async function readerOf(running: Promise<unknown>): Promise<ProcessInfo> {
    let over = false;
    const ended = (): void => {
      over = true;
    };
    running.then(ended, ended);
    while (!over) {
      const found = processes().find(
        ({ pid, state, command }) => command === 'nacelle-shim' && state !== 'Z' && isUser(pid) && hasOpen(pid, 'sparse'),
      );
      if (found) return found;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`nobody read for the user: ${JSON.stringify(await running.catch(String))}`.slice(0, 500));
  }

  function isUser(pid: number): boolean {
    return statusField('Uid', readText(`/proc/${pid}/status`) ?? '').startsWith(`${UID}\t${UID}`);
  }

  function hasOpen(pid: number, name: string): boolean {
    return entries(`/proc/${pid}/fd`).some((fd) => readLink(`/proc/${pid}/fd/${fd}`)?.endsWith(`/${name}`));
  }

  /** Runs it, and gives its reader when there is one. */
  async function begun(more: RunOptions = {}): Promise<{ running: Promise<RunResult>; reader: ProcessInfo }> {
    let say = (): void => undefined;
    const made = new Promise<void>((resolve) => {
      say = resolve;
    });
    const sink = new Writable({
      write(_chunk, _encoding, done) {
        say();
        done();
      },
    });
    const running = sh(script, { ...options, stdout: sink, ...more });
    await made;
    return { running, reader: await readerOf(running) };
  }

  it('has the user’s ids, no capability and no way to gain one', async () => {
    const { running, reader: found } = await begun();
    const status = readText(`/proc/${found.pid}/status`) ?? '';
    const fields = ['Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs'];
    const ids = [UID, UID, UID, UID].join('\t');
    const none = '0000000000000000';
    const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1]?.trim();
    expect(fields.map(field)).toEqual([ids, ids, `${UID}`, none, none, none, none, none, '1']);
    expect((await running).notCopied).toEqual([]);
  });

  it('when it is killed, what came before is there and the rest is told', async () => {
    const { running, reader: found } = await begun();
    process.kill(found.pid, 'SIGKILL');
    const result = await running;
    expect(result).toMatchObject({ status: 'ok', exitCode: 0 });
    expect(Object.keys(result.files)).toEqual(['/first']);
    const killed = expect.stringContaining('SIGKILL');
    expect(reasons(result)).toEqual({ '/box/sparse': killed, '/after': killed });
  });

  it('hears cancelSignal, which no longer says how the program ended', async () => {
    const controller = new AbortController();
    const { running } = await begun({ cancelSignal: controller.signal });
    controller.abort();
    const result = await running;
    expect(result).toMatchObject({ status: 'ok', isCanceled: false });
    const cancelled = expect.stringContaining('cancelSignal');
    expect(reasons(result)).toEqual({ '/box/sparse': cancelled, '/after': cancelled });
  });

  it('sees the mounts of the container', async () => {
    const { running, reader: found } = await begun();
    expect(readlinkSync(`/proc/${found.pid}/ns/mnt`)).not.toBe(readlinkSync('/proc/self/ns/mnt'));
    await running;
  });
});
