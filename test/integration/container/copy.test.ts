import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { output, sh, shUntil } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const folder = temporaryFolder();
const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

describe('copyIn', () => {
  it('takes text and bytes, and makes the folders', async () => {
    const bytes = Uint8Array.from([0, 255, 10, 13, 128]);
    const result = await output('cat /in/text; od -An -tx1 /in/deep/er/bytes', {
      copyIn: { '/in/text': 'text\n', '/in/deep/er/bytes': bytes },
    });
    expect(result).toBe('text\n 00 ff 0a 0d 80');
  });

  it('gives mode and owner; the user and 0644 unless said', async () => {
    const result = await output('stat -c "%a %u %g" /plain /program; /program', {
      copyIn: { '/plain': 'x', '/program': { content: '#!/bin/sh\necho runs\n', mode: 0o750, uid: 1000, gid: 2000 } },
    });
    expect(result).toBe('644 0 0\n750 1000 2000\nruns');
  });

  it("is the user's with all that is made for it: he may work there", async () => {
    const source = join(folder, 'private');
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'key'), 'of the user', { mode: 0o600 });
    const result = await output(
      'stat -c "%n %u %g %a" /box /box/a /box/deep /box/deep/er /box/deep/er/tree /box/deep/er/tree/key; cat deep/er/tree/key; echo; echo x > new && cat new',
      { user: 'nobody', cwd: '/box', copyIn: { '/box/a': 'x', '/box/deep/er/tree': { source } } },
    );
    expect(result.split('\n')).toEqual([
      '/box 65534 65534 755',
      '/box/a 65534 65534 644',
      '/box/deep 65534 65534 755',
      '/box/deep/er 65534 65534 755',
      '/box/deep/er/tree 65534 65534 755',
      '/box/deep/er/tree/key 65534 65534 600',
      'of the user',
      'x',
    ]);
  });

  it('an owner that is given has the folders that are made for the file, and what is there keeps its own', async () => {
    const source = join(folder, 'merged');
    mkdirSync(join(source, 'made'), { recursive: true });
    chmodSync(source, 0o777);
    const result = await output('stat -c "%n %u %g %a" /own /own/x /home /home/made /var /var/y', {
      user: 'nobody',
      copyIn: { '/own/x': { content: 'x', uid: 0, gid: 2000 }, '/home': { source }, '/var/y': 'y' },
    });
    expect(result.split('\n')).toEqual([
      '/own 0 2000 755',
      '/own/x 0 2000 644',
      '/home 0 0 755',
      '/home/made 65534 65534 755',
      '/var 0 0 755',
      '/var/y 65534 65534 644',
    ]);
  });

  it("the user may be one that copyIn brings, whatever the order; where he is looked up is root's", async () => {
    const etc = join(folder, 'etc');
    mkdirSync(etc, { recursive: true });
    writeFileSync(join(etc, 'group'), 'mine:x:4321:me\n');
    const result = await output('stat -c "%n %u %g" /box/a /etc/passwd /etc/group; id -u; id -G', {
      user: 'me',
      copyIn: { '/box/a': 'x', '/etc': { source: etc }, '/etc/passwd': 'me:x:1234:1235::/:/bin/sh\n' },
    });
    expect(result.split('\n')).toEqual(['/box/a 1234 1235', '/etc/passwd 0 0', '/etc/group 0 0', '1234', '1235 4321']);
  });

  it('copies a file of the host, with its mode', async () => {
    const source = join(folder, 'source.sh');
    writeFileSync(source, '#!/bin/sh\necho from the host\n');
    chmodSync(source, 0o755);
    expect(await output('/bin/copied', { copyIn: { '/bin/copied': { source } } })).toBe('from the host');
  });

  it('copies a tree with its links, which are not followed', async () => {
    const source = join(folder, 'tree');
    mkdirSync(join(source, 'a/b'), { recursive: true });
    writeFileSync(join(source, 'a/b/file'), 'deep');
    symlinkSync('/etc/shadow', join(source, 'a/link'));
    expect(await output('cat /t/a/b/file; echo; readlink /t/a/link; ls /t/a', { copyIn: { '/t': { source } } })).toBe(
      'deep\n/etc/shadow\nb\nlink',
    );
  });

  it('replaces a file of the image, for this container alone', async () => {
    expect(await output('cat /etc/group', { copyIn: { '/etc/group': 'mine' } })).toBe('mine');
    expect(await output('cat /etc/group')).toMatch(/^root:/);
  });

  it('a file of 20 MiB arrives whole', async () => {
    const content = Buffer.alloc(20 << 20, 'nacelle!');
    expect(await output('wc -c < /big; tail -c 8 /big', { copyIn: { '/big': content } })).toBe(`${20 << 20}\nnacelle!`);
  });

  it('lands on mounts too', async () => {
    expect(await output('cat /t/file; mount | grep -c " /t "', { tmpfs: { '/t': '' }, copyIn: { '/t/file': 'on it\n' } })).toBe('on it\n1');
  });
});

describe('copyOut', () => {
  it('brings files back as bytes, and leaves out what is missing', async () => {
    const { files } = await sh('printf "\\000\\377" > /out; echo two > /tmp/two', {
      copyOut: ['/out', '/tmp/two', '/missing', '/missing/too'],
    });
    expect(Object.keys(files).sort()).toEqual(['/out', '/tmp/two']);
    expect([...(files['/out'] ?? [])]).toEqual([0, 255]);
    expect(text(files['/tmp/two'])).toBe('two\n');
  });

  it('reads what is on mounts of the container', async () => {
    const { files } = await sh('echo x > /t/x; echo y > /dev/shm/y', { tmpfs: { '/t': '' }, copyOut: ['/t/x', '/dev/shm/y'] });
    expect(text(files['/t/x'])).toBe('x\n');
    expect(text(files['/dev/shm/y'])).toBe('y\n');
  });

  it('works for a program that failed, was killed or ran out of time', async () => {
    expect(text((await sh('echo x > /x; exit 3', { copyOut: ['/x'] })).files['/x'])).toBe('x\n');
    const late = await shUntil((timeout) => ({ timeout, copyOut: ['/x'] }), 'echo x > /x; echo written; sleep 1000');
    expect(late.status).toBe('timeout');
    expect(text(late.files['/x'])).toBe('x\n');
  });

  it("symlinks are resolved inside: the host's files are out of reach", async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'of the host');
    const { files } = await sh(`ln -s ${secret} /link; ln -s /etc/passwd /inside; ln -s ../../../../..${secret} /climb`, {
      copyOut: ['/link', '/inside', '/climb'],
    });
    expect(text(files['/link'])).not.toBe('of the host');
    expect(text(files['/climb'])).not.toBe('of the host');
  });

  it('a FIFO or a device does not hang it', async () => {
    const { files } = await sh('mkfifo /fifo; echo x > /x', { copyOut: ['/fifo', '/dev/zero', '/x'] }).catch((error: unknown) => ({
      files: { '/x': Buffer.from(String(error)) },
    }));
    expect(files['/x']).toBeDefined();
    expect(files).not.toHaveProperty('/fifo');
  });

  it('a large file arrives whole', async () => {
    const { files } = await sh('dd if=/dev/zero of=/big bs=1024k count=20', { copyOut: ['/big'] });
    expect(files['/big']?.length).toBe(20 << 20);
  });
});
