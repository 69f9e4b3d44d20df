import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { descendants } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live, outputOf } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const asRoot = requires({ root: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();

/** GNU tar's listing of an archive: mode, owner, size, time and name of each entry. */
const listed = (tar: Buffer): string[] =>
  execFileSync('tar', ['-tv', '--numeric-owner', '--full-time', '-f', '-'], { input: tar, encoding: 'utf8' }).trimEnd().split('\n');
const names = (tar: Buffer): string[] => execFileSync('tar', ['-tf', '-'], { input: tar, encoding: 'utf8' }).trimEnd().split('\n');
const content = (tar: Buffer, name: string): string => execFileSync('tar', ['-xOf', '-', name], { input: tar, encoding: 'utf8' });

async function from(container: Container, path: string, options: { maxBytes?: number } = {}): Promise<Buffer> {
  return buffer(await container.copyFrom(path, options));
}

/** A tar made by GNU tar of what a script makes. */
function tarOf(script: string, ...args: string[]): Buffer {
  const at = join(folder, `tree${Math.random()}`);
  mkdirSync(at);
  execFileSync('sh', ['-euc', script], { cwd: at });
  return execFileSync('tar', ['-c', ...args, '-f', '-', '.'], { cwd: at, maxBuffer: 1 << 28 });
}

const TREE = `
  mkdir -p /srv/tree/sub /srv/tree/empty
  echo one > /srv/tree/one; chown 5:6 /srv/tree/one; chmod 4751 /srv/tree/one
  ln /srv/tree/one /srv/tree/sub/hard; ln -s ../one /srv/tree/sub/soft; ln -s /etc/passwd /srv/tree/out
  mkfifo /srv/tree/fifo; echo wh > /srv/tree/.wh.name; touch -d @1000000000 /srv/tree/one
  dd if=/dev/zero of=/srv/tree/sparse bs=1 count=0 seek=1M 2>/dev/null`;

describe('copyFrom', () => {
  it('gives a file, a tree, and what is in one, as GNU tar has them', async () => {
    await using container = await live();
    await outputOf(container, TREE);
    const tree = await from(container, '/srv/tree');
    expect(names(tree)).toEqual(
      ['', '.wh.name', 'empty/', 'fifo', 'one', 'out', 'sparse', 'sub/', 'sub/hard', 'sub/soft'].map((name) => `tree/${name}`),
    );
    const lines = listed(tree).join('\n');
    expect(lines).toMatch(/^-rwsr-x--x 5\/6 +4 2001-09-09 01:46:40 +tree\/one$/m);
    expect(lines).toMatch(/ tree\/sub\/hard link to tree\/one$/m);
    expect(lines).toMatch(/^l.* tree\/out -> \/etc\/passwd$/m);
    expect(lines).toMatch(/^p.* tree\/fifo$/m);
    expect(content(tree, 'tree/.wh.name')).toBe('wh\n');
    expect(tree.length).toBeLessThan(1 << 18);
    expect(names(await from(container, '/srv/tree/one'))).toEqual(['one']);
    expect(names(await from(container, '/srv/tree/sub/'))).toEqual(['hard', 'soft']);
    expect(names(await from(container, '/srv/tree/sub/.'))).toEqual(['hard', 'soft']);
    expect(listed(await from(container, '/srv/tree/sub/soft'))[0]).toMatch(/soft -> \.\.\/one$/);
  });

  it("reads what the container's programs see: mounts, and a tmpfs", async () => {
    const shared = join(folder, 'shared');
    mkdirSync(shared);
    writeFileSync(join(shared, 'file'), 'of the host');
    await using container = await live({ volumes: [`${shared}:/shared:ro`], tmpfs: { '/scratch': '' } });
    await outputOf(container, 'echo scratch > /scratch/file');
    expect(content(await from(container, '/shared/file'), 'file')).toBe('of the host');
    expect(content(await from(container, '/scratch/file'), 'file')).toBe('scratch\n');
  });

  it('has no more right than the user of the container', async () => {
    await using container = await live({ user: 'user' });
    await container.exec(['sh', '-c', 'mkdir -m 700 /closed; echo x > /closed/x; echo y > /y; chmod 600 /y; echo z > /z'], { user: 0 });
    await expect(from(container, '/closed/x')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(from(container, '/closed')).rejects.toMatchObject({ code: 'EACCES' });
    await expect(from(container, '/y')).rejects.toMatchObject({ code: 'EACCES' });
    expect(content(await from(container, '/z'), 'z')).toBe('z\n');
  });

  asRoot.it('tells what is missing, or leads elsewhere by magic', async () => {
    await using container = await live({ namespaces: { pid: 'host' } });
    await expect(container.copyFrom('/no/such')).rejects.toMatchObject({ code: 'ENOENT', path: '/no/such' });
    await expect(container.copyFrom('/etc/passwd/')).rejects.toMatchObject({ code: 'ENOTDIR' });
    for (const path of ['/proc/1/root/etc', `/proc/${process.pid}/cwd/`, '/proc/self/root/']) {
      await expect(from(container, path)).rejects.toMatchObject({ code: expect.stringMatching(/^(?:ELOOP|EACCES|ENOENT)$/) });
    }
    await container.exec(['sh', '-c', 'ln -s /../../etc/passwd /up; ln -s loop /loop']);
    await expect(from(container, '/loop/')).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(container.copyFrom('relative')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(container.copyFrom('/etc', JSON.parse('{"max":1}'))).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('keeps maxBytes', async () => {
    await using container = await live();
    await outputOf(container, 'dd if=/dev/zero of=/tmp/big bs=1M count=2 2>/dev/null');
    await expect(from(container, '/tmp/big', { maxBytes: 1 << 20 })).rejects.toMatchObject({ code: 'ERR_TOO_LARGE' });
    expect((await from(container, '/tmp/big', { maxBytes: 3 << 20 })).length).toBeGreaterThan(2 << 20);
  });

  it('waits for its reader, and ends when that has gone, or the container', async () => {
    await using container = await live();
    await outputOf(container, 'dd if=/dev/zero of=/tmp/big bs=1M count=8 2>/dev/null');
    const workers = () => descendants().filter(({ command }) => command === 'nacelle-shim').length;
    const idle = workers();
    const left = await container.copyFrom('/tmp/big');
    // it may have another beside it
    expect(workers()).toBeGreaterThan(idle);
    left.destroy();
    await until('its process has ended', () => workers() === idle);
    const kept = await container.copyFrom('/tmp/big');
    const failed = new Promise((resolve) => kept.once('close', resolve));
    await container.remove({ force: true });
    await failed;
    await expect(container.copyFrom('/tmp/big')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('copyTo', () => {
  const stat = (container: Container, path: string) => outputOf(container, `stat -c '%a %u:%g %s' ${path}`);

  it("writes text and bytes, for the container's user, with folders on the way", async () => {
    await using container = await live({ user: 'user' });
    await container.copyTo('/box/deep/text', 'words');
    await container.copyTo('/box/bytes', new Uint8Array([0, 255]));
    expect(await outputOf(container, 'cat /box/deep/text')).toBe('words');
    expect(await stat(container, '/box/deep/text')).toBe('644 1000:1000 5');
    expect(await stat(container, '/box/deep')).toMatch(/^755 1000:1000/);
    expect(await stat(container, '/box/bytes')).toBe('644 1000:1000 2');
  });

  it('writes files and trees of the host, for whom CopyIn says', async () => {
    const source = join(folder, 'source');
    mkdirSync(join(source, 'sub'), { recursive: true });
    writeFileSync(join(source, 'sub', 'file'), 'content', { mode: 0o750 });
    await using container = await live({ user: 'user' });
    await container.copyTo('/box', { source });
    await container.copyTo('/owned', { source: join(source, 'sub', 'file'), uid: 7, gid: 8, mode: 0o4711 });
    await container.copyTo('/said', { content: 'said', uid: 0, gid: 0, mode: 0o600 });
    expect(await stat(container, '/box/sub/file')).toBe('750 1000:1000 7');
    expect(await stat(container, '/owned')).toBe('4711 7:8 7');
    expect(await stat(container, '/said')).toBe('600 0:0 4');
  });

  asRoot.it('unpacks what GNU tar makes, with its owners, and without whiteouts', async () => {
    await using container = await live({ user: 'user' });
    await outputOf(container, 'mkdir /tmp/in; echo old > /tmp/in/name; echo keep > /tmp/in/keep');
    const tar = tarOf(
      `mkdir d; echo one > d/one; chown 3:4 d/one; chmod 4755 d/one; ln d/one hard; ln -s d/one soft; mkfifo fifo; echo wh > .wh.keep
       mkdir .wh.folder; echo in > .wh.folder/.wh..wh..opq; echo new > name; dd if=/dev/zero of=sparse bs=1 count=0 seek=1M 2>/dev/null`,
      '--sparse',
    );
    await container.copyTo('/tmp/in', Readable.from([tar]));
    expect(await outputOf(container, 'cd /tmp/in; cat name keep .wh.keep .wh.folder/.wh..wh..opq soft')).toBe('new\nkeep\nwh\nin\none');
    expect(await stat(container, '/tmp/in/d/one')).toBe('4755 3:4 4');
    expect(await outputOf(container, 'cd /tmp/in; stat -c %h hard; stat -c %F fifo; stat -c %s sparse')).toBe('2\nfifo\n1048576');
    const back = await from(container, '/tmp/in/');
    expect(names(back).sort()).toEqual([...names(tar).flatMap((name) => name.slice(2) || []), 'keep'].sort());
  });

  it('tells what is wrong, and what the stream said', async () => {
    await using container = await live({ readOnly: true, tmpfs: { '/t': 'size=64k' } });
    const tar = tarOf('echo x > x');
    await expect(container.copyTo('/no/such', Readable.from([tar]))).rejects.toMatchObject({ code: 'ENOENT', path: '/no/such' });
    await expect(container.copyTo('/t', Readable.from([Buffer.alloc(5000, 'x')]))).rejects.toMatchObject({ name: 'SyscallError' });
    await expect(container.copyTo('/t', Readable.from([tar.subarray(0, 600)]))).rejects.toMatchObject({ name: 'SyscallError' });
    const broken = async function* () {
      yield tar.subarray(0, 100);
      throw new Error('the source broke');
    };
    await expect(container.copyTo('/t', Readable.from(broken()))).rejects.toThrow('the source broke');
    await expect(container.copyTo('/t', createReadStream('/no/such'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(container.copyTo('/file', 'x')).rejects.toMatchObject({ code: 'EROFS' });
    await expect(container.copyTo('/t/big', 'x'.repeat(1 << 20))).rejects.toMatchObject({ code: 'ENOSPC' });
    // a part of it would be worse than none
    expect(await outputOf(container, 'ls /t')).not.toMatch(/big/);
    await expect(container.copyTo('/t/source', { source: '/no/such' })).rejects.toMatchObject({ code: 'ENOENT', path: '/no/such' });
    await expect(container.copyTo('/t/device', { source: '/dev/zero' })).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(container.copyTo('/', 'x')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(container.copyTo('/t/x', {})).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(container.copyTo('relative', 'x')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  asRoot.it('makes no device', async () => {
    await using container = await live();
    const tar = tarOf('mknod null c 1 3');
    await expect(container.copyTo('/tmp', Readable.from([tar]))).rejects.toThrow(/device/);
  });
});

describe('files at each time of a container', () => {
  it('before it starts, while it runs and stands still, and after its end until it is removed', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['cat', '/tmp/in'], tmpfs: { '/scratch': '' } });
    await container.copyTo('/tmp/in', 'put in before');
    await container.copyTo('/scratch/file', 'kept');
    await container.start();
    expect((await container.wait()).stdout).toBe('put in before');
    await container.copyTo('/tmp/late', 'late');
    expect(content(await from(container, '/tmp/late'), 'late')).toBe('late');
    expect(content(await from(container, '/scratch/file'), 'file')).toBe('kept');
    await container.remove();
    await expect(container.copyFrom('/tmp/late')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(container.copyTo('/tmp/late', 'x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it.each([['tmpfs'], ['disk']] as const)('with its upper in %s', async (upper) => {
    await using container = await live({ upper });
    await container.copyTo('/tmp/file', 'x');
    await container.kill();
    await container.wait();
    expect(content(await from(container, '/tmp/file'), 'file')).toBe('x');
  });

  it('many at once', async () => {
    await using container = await live();
    const numbers = Array.from({ length: 100 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => container.copyTo(`/tmp/${number}`, number)));
    const read = await Promise.all(numbers.map(async (number) => content(await from(container, `/tmp/${number}`), number)));
    expect(read).toEqual(numbers);
  });
});

describe('a container that moves links under it', () => {
  // /box/place is now a folder, now a link to the folder of the host's that the root lies in, or to it by way of /proc
  const swap = (link: string) =>
    `cd /box; mkdir real; while :; do mv real place; mv place real; ln -s ${link} place; rm place; ln -sfn ${link} real2; mv -T real2 place 2>/dev/null; rm -f place; done`;

  asRoot.it.each([['../../../../../..'], ['/proc/1/root'], ['/proc/self/cwd'], ['/../..']])('never reaches outside by %s', async (link) => {
    const rootfs = await busyboxRootfsCopy();
    const marker = join(rootfs, '..', `nacelle-test-marker-${process.pid}`);
    try {
      mkdirSync(join(rootfs, 'box'));
      writeFileSync(marker, 'of the host');
      await using container = await live({ rootfs, image: undefined, command: ['sh', '-c', swap(link)], namespaces: { pid: 'host' } });
      const tar = tarOf(`mkdir place; echo x > place/nacelle-test-marker-${process.pid}`);
      const name = `nacelle-test-marker-${process.pid}`;
      for (let round = 0; round < rounds(40, 1000); round++) {
        const ends = await Promise.allSettled([
          container.copyTo(`/box/place/${name}`, 'x'),
          container.copyTo('/box/place', Readable.from([tar])),
          container.copyTo('/box', Readable.from([tar])),
          from(container, `/box/place/${name}`),
        ]);
        for (const end of ends)
          if (end.status === 'rejected')
            expect(end.reason).toMatchObject({ name: expect.stringMatching(/Error$/), code: expect.any(String) });
        const read = ends[3].status === 'fulfilled' ? content(ends[3].value, name).trim() : 'x';
        // a file that is just being written is empty
        expect(['', 'x']).toContain(read);
        expect(readFileSync(marker, 'utf8')).toBe('of the host');
      }
    } finally {
      execFileSync('rm', ['-rf', rootfs, marker]);
    }
  });
});
