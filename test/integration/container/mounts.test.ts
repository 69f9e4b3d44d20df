import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../../../lib/security/paths.js';
import { mounts } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { output, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox', 'mount', 'umount'] });
const folder = temporaryFolder();

function source(name: string): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'file'), name);
  return path;
}

describe('bind mounts', () => {
  it('shows a folder of the host, writable', async () => {
    const path = source('writable');
    const text = await output('cat /data/file; echo new > /data/new; echo changed > /data/file', {
      mounts: [{ type: 'bind', source: path, target: '/data' }],
    });
    expect(text).toBe('writable');
    expect(readFileSync(join(path, 'new'), 'utf8')).toBe('new\n');
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('changed\n');
  });

  it('readOnly cannot be written, nor made writable', async () => {
    const path = source('readonly');
    const script = 'cat /data/file; echo x > /data/x; mount -o remount,rw,bind /data; echo x > /data/x';
    const result = await sh(script, { mounts: [{ type: 'bind', source: path, target: '/data', readOnly: true }], capAdd: ['SYS_ADMIN'] });
    expect(result.stdout).toBe('readonly');
    expect(result.stderr).toMatch(/Read-only/);
  });

  it('a single file, and a target that is missing', async () => {
    const path = join(source('one'), 'file');
    expect(
      await output('cat /new/place/config', { mounts: [{ type: 'bind', source: path, target: '/new/place/config', readOnly: true }] }),
    ).toBe('one');
    expect(await output('cat /etc/passwd', { mounts: [{ type: 'bind', source: path, target: '/etc/passwd' }] })).toBe('one');
  });

  it("volumes: '/host:/inside:ro'", async () => {
    const path = source('volume');
    const result = await sh('cat /data/file; touch /data/x', { volumes: [`${path}:/data:ro`] });
    expect(result.stdout).toBe('volume');
    expect(result.stderr).toMatch(/Read-only/);
    expect(await output('touch /data/x && echo written', { volumes: [`${path}:/data`] })).toBe('written');
  });

  it('later mounts lie on earlier ones, whatever way they are nested', async () => {
    const result = await output('cat /data/file; touch /data/inner/x; mount | grep -c " /data"', {
      mounts: [
        { type: 'bind', source: source('outer'), target: '/data', readOnly: false },
        { type: 'tmpfs', target: '/data/inner' },
      ],
    });
    expect(result).toBe('outer2');
  });

  it('a target that is a symlink in the image stays inside', async () => {
    const before = mounts().length;
    const text = await output('cat /link/file; cat /etc/passwd', {
      copyIn: {},
      mounts: [{ type: 'bind', source: source('linked'), target: '/link' }],
    });
    expect(text).toContain('linked');
    expect(mounts().length).toBe(before);
  });

  it('a source that is a symlink is followed, as mount does', async () => {
    const path = source('target');
    symlinkSync(path, join(folder, 'pointer'));
    expect(await output('cat /data/file', { mounts: [{ type: 'bind', source: join(folder, 'pointer'), target: '/data' }] })).toBe('target');
  });
});

asRoot.describe('recursive binds', () => {
  const path = join(folder, 'tree');
  beforeAll(() => {
    mkdirSync(join(path, 'sub'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'nacelle-test', join(path, 'sub')]);
    writeFileSync(join(path, 'sub/file'), 'below');
  });
  afterAll(() => {
    execFileSync('umount', [join(path, 'sub')]);
  });

  it('the mounts below come along, read-only as well', async () => {
    const result = await sh('cat /data/sub/file; touch /data/x; touch /data/sub/x', {
      mounts: [{ type: 'bind', source: path, target: '/data', recursive: true, readOnly: true }],
    });
    expect(result.stdout).toBe('below');
    expect(result.stderr.match(/Read-only/g)).toHaveLength(2);
  });

  it('recursive: false leaves them out', async () => {
    const result = await sh('ls /data/sub', { mounts: [{ type: 'bind', source: path, target: '/data', recursive: false }] });
    expect(result).toMatchObject({ exitCode: 0, stdout: '' });
  });
});

describe('tmpfs', () => {
  it('is nosuid, nodev and noexec unless it says otherwise', async () => {
    const options = async (words: string) =>
      (await output('mount | grep " /t "', { tmpfs: { '/t': words } })).replace(/.*\((.*)\)/, '$1').split(',');
    expect(await options('')).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));
    expect(await options('exec,suid')).not.toEqual(expect.arrayContaining(['noexec']));
    expect(await options('size=8m,ro')).toEqual(expect.arrayContaining(['ro', 'size=8192k']));
  });

  it('size, mode, uid and gid hold', async () => {
    const script = 'stat -c "%a %u %g" /t; dd if=/dev/zero of=/t/big bs=64k count=64 2>&1 | grep -o "No space left"';
    expect(await output(script, { tmpfs: { '/t': 'size=1m,mode=1770,uid=1000,gid=2000' } })).toBe('1770 1000 2000\nNo space left');
  });

  it('as a mount, with options', async () => {
    expect(await output('stat -c %a /t; stat -f -c %T /t', { mounts: [{ type: 'tmpfs', target: '/t', options: ['mode=700'] }] })).toBe(
      '700\ntmpfs',
    );
  });
});

describe('other mounts', () => {
  it('proc, sysfs and mqueue where they are asked for', async () => {
    const text = await output('ls /p/1/status; ls -d /s/kernel; stat -f -c %T /q', {
      mounts: [
        { type: 'proc', target: '/p' },
        { type: 'sysfs', target: '/s', readOnly: true },
        { type: 'mqueue', target: '/q' },
      ],
    });
    expect(text.split('\n').slice(0, 2)).toEqual(['/p/1/status', '/s/kernel']);
  });

  describe('a proc and a sysfs elsewhere', () => {
    const proc = { type: 'proc', target: '/p' } as const;
    const sysfs = { type: 'sysfs', target: '/s' } as const;
    /** Each path with what it is, and how much is in it. */
    const look = (paths: string[]) =>
      paths.map((path) => `echo ${path}: $(stat -c '%F %t %T' ${path}) $(ls -A ${path} | wc -l)`).join('\n');
    const hidden = [...defaultMaskedPaths, ...defaultReadonlyPaths].filter((path) => existsSync(path));

    it('show what /proc and /sys show, and no more', async () => {
      const text = await output(
        `{ ${look(hidden)}\n${look(hidden.map((path) => path.replace(/^\/proc/, '/p').replace(/^\/sys/, '/s')))}\n} 2>&1`,
        {
          mounts: [proc, sysfs],
        },
      );
      const lines = text.split('\n');
      const [first, second] = [lines.slice(0, hidden.length), lines.slice(hidden.length)];
      expect(second.map((line) => line.replace(/^\/p\//, '/proc/').replace(/^\/s\//, '/sys/'))).toEqual(first);
      expect(second).toContain('/p/interrupts: character special file 1 3 1');
      expect(second).toContain('/s/firmware: directory 0 0 0');
    });

    it('cannot be written to by root', async () => {
      const script = 'echo x > /p/irq/x; echo x > /p/sys/kernel/core_pattern; echo 1 > /s/kernel/profiling; mkdir /s/x';
      const { stderr } = await sh(script, { mounts: [proc, sysfs] });
      expect(stderr.match(/Read-only file system|nonexistent directory/g)).toHaveLength(4);
    });

    it('are hidden as the lists say that the caller gives', async () => {
      // which lets an ordinary user's root write there too
      const options = { mounts: [proc, sysfs], maskedPaths: ['/proc/version', '/p/uptime'], readonlyPaths: [], capAdd: ['NET_ADMIN'] };
      const script =
        'cat /p/version /p/uptime | wc -c; echo 1 > /p/sys/net/ipv4/ip_default_ttl && grep -c . /p/interrupts > /dev/null && echo as asked';
      expect(await output(script, options)).toBe('0\nas asked');
    });

    it('are so wherever a link of the image leads them, and whatever is mounted on that link later', async () => {
      const root = join(folder, 'linked');
      for (const name of ['bin', 'etc', 'dev', 'proc', 'sys', 'elsewhere', 'm']) mkdirSync(join(root, name), { recursive: true });
      symlinkSync('../elsewhere', join(root, 'm', 'link'));
      symlinkSync('m', join(root, 'same'));
      copyFileSync(join(await busyboxRootfs(), 'bin', 'busybox'), join(root, 'bin', 'busybox'));
      const { stdout } = await Container.run({
        image: `dir:${root}`,
        command: ['/bin/busybox', 'stat', '-c', '%F', '/elsewhere/interrupts'],
        mounts: [
          { type: 'proc', target: '/m/link' },
          { type: 'tmpfs', target: '/same' },
        ],
      });
      expect(stdout).toBe('character special file\n');
    });
  });

  it('the host sees none of them', async () => {
    const places = { tmpfs: { '/t-unseen': '' }, mounts: [{ type: 'bind', source: source('unseen'), target: '/d-unseen' }] } as const;
    await using container = await Container.create({ image: 'host', command: ['sleep', '1000'], ...places });
    // others mount on this machine what they like meanwhile
    const unseen = (of: number | 'self'): string[] =>
      mounts(of)
        .map(({ target }) => target)
        .filter((target) => target.endsWith('-unseen'))
        .sort();
    expect(unseen(container.pid)).toEqual(['/d-unseen', '/t-unseen']);
    expect(unseen('self')).toEqual([]);
    await container.remove({ force: true });
    expect(statSync(join(folder, 'unseen')).isDirectory()).toBe(true);
  });
});
