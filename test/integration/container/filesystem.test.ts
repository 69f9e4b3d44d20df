import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, OverlayFs, type RunOptions } from '../../../lib/index.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();

/** A small root of its own, to be written to. */
async function ownRootfs(name: string): Promise<string> {
  const root = join(folder, name);
  for (const path of ['bin', 'etc', 'dev', 'proc', 'sys', 'tmp']) mkdirSync(join(root, path), { recursive: true });
  writeFileSync(join(root, 'bin/busybox'), readFileSync(join(await busyboxRootfs(), 'bin/busybox')), { mode: 0o755 });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  return root;
}

describe("image: 'host'", () => {
  const host = (script: string) => Container.run({ image: 'host', command: ['sh', '-c', script] });

  it('is copy-on-write: the host keeps its files', async () => {
    const before = statSync('/etc/passwd');
    const result = await host('rm /etc/passwd && echo changed > /etc/group && mkdir /made && ls /etc/passwd');
    expect(result.exitCode).not.toBe(0);
    expect(result.stderr).toMatch(/No such file/);
    expect(statSync('/etc/passwd')).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs, size: before.size });
    expect(readFileSync('/etc/group', 'utf8')).not.toBe('changed\n');
    expect(existsSync('/made')).toBe(false);
  });

  it('each container starts from the host again', async () => {
    await host('echo one > /etc/nacelle-test');
    expect((await host('cat /etc/nacelle-test')).failed).toBe(true);
  });

  it('what is hidden does not exist inside', async () => {
    const hidden = ['/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/ssh/ssh_host_rsa_key', '/etc/ssl/private/ssl-cert-snakeoil.key'];
    for (const path of hidden) {
      expect((await host(`cat ${path}`)).stderr, path).toMatch(/No such file/);
      expect((await host(`ls -A ${path.slice(0, path.lastIndexOf('/'))}`)).stdout.split('\n')).not.toContain(
        path.slice(path.lastIndexOf('/') + 1),
      );
    }
  });

  it('/root, /home, /run, /tmp and /var/tmp are there, empty', async () => {
    for (const path of ['/root', '/home', '/run', '/tmp', '/var/tmp']) {
      const result = await host(`ls -A ${path}`);
      expect(result, path).toMatchObject({ exitCode: 0, stdout: '' });
    }
    expect((await host('stat -c %a /tmp /var/tmp')).stdout).toBe('1777\n1777\n');
    expect((await host('echo x > /tmp/x && cat /tmp/x')).stdout).toBe('x\n');
  });
});

describe('root file systems', () => {
  it('an image: dir: is never written to', async () => {
    const root = await ownRootfs('image');
    const script = 'cd /bin; ./busybox touch /made; ./busybox rm /etc/passwd; ./busybox ls /';
    const result = await Container.run({ image: `dir:${root}`, command: ['/bin/busybox', 'sh', '-c', script] });
    expect(result.stdout.split('\n')).toContain('made');
    expect(existsSync(join(root, 'made'))).toBe(false);
    expect(existsSync(join(root, 'etc/passwd'))).toBe(true);
  });

  it('a rootfs is written to as it is', async () => {
    const root = await ownRootfs('rootfs');
    const result = await Container.run({
      rootfs: root,
      command: ['/bin/busybox', 'sh', '-c', 'echo kept > /kept; /bin/busybox rm /etc/passwd'],
    });
    expect(result.status).toBe('ok');
    expect(readFileSync(join(root, 'kept'), 'utf8')).toBe('kept\n');
    expect(existsSync(join(root, 'etc/passwd'))).toBe(false);
  });

  it('readOnly: nothing of the root can be written, mounts on it can', async () => {
    const result = await sh('touch /x; touch /etc/x; touch /data/x && echo written', { readOnly: true, tmpfs: { '/data': '' } });
    expect(result.stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(result.stdout).toBe('written\n');
  });

  it('readOnly: the files of /etc that are mounted over the root are of it, those of the caller are his', async () => {
    const own = join(folder, 'hosts');
    writeFileSync(own, '');
    const script = 'cd /etc; for f in hosts hostname resolv.conf; do echo x 2>&1 >> $f && echo $f; chmod 777 $f 2>&1; done';
    const { stdout } = await sh(script, { readOnly: true });
    expect(stdout.match(/Read-only file system/g)).toHaveLength(6);
    expect((await sh(script, { readOnly: true, volumes: [`${own}:/etc/hosts`] })).stdout.split('\n')[0]).toBe('hosts');
    expect(readFileSync(own, 'utf8')).toBe('x\n');
    expect((await sh('echo x >> /etc/hosts && tail -n 1 /etc/hosts')).stdout).toBe('x\n');
  });

  asRoot.it('readOnly: what is mounted in a rootfs is of it too', async () => {
    const root = await ownRootfs('mounted');
    const lower = join(folder, 'lower');
    for (const path of [lower, join(root, 'inner')]) mkdirSync(path);
    await using _ = await OverlayFs.mount({ lower: [lower], target: join(root, 'inner') });
    const write = async (options: RunOptions) =>
      (await Container.run({ rootfs: root, command: ['/bin/busybox', 'sh', '-c', 'echo x > /inner/x'], ...options })).stderr;
    expect(await write({ readOnly: true })).toContain('Read-only file system');
    expect(await write({ readOnly: true, tmpfs: { '/data/t': '' }, copyIn: { '/in': 'x' } })).toContain('Read-only file system');
    expect(await write({})).toBe('');
  });

  it('upperSize: past it is ENOSPC', async () => {
    const result = await sh('dd if=/dev/zero of=/big bs=64k count=64; dd if=/dev/zero of=/small bs=1k count=8; rm /big; echo ok > /after', {
      upperSize: '1m',
    });
    expect(result.stderr).toMatch(/No space left/);
    expect(result.exitCode).toBe(0);
  });

  it("upper: 'disk' works the same and leaves nothing", async () => {
    expect(await output('echo x > /etc/new; rm /etc/group; cat /etc/new; ls /etc/group 2>&1', { upper: 'disk' }).catch(String)).toContain(
      'No such file',
    );
    expect(await output('echo x > /etc/new; cat /etc/new', { upper: 'disk' })).toBe('x');
  });

  it('an image need not have the mount points', async () => {
    const root = join(folder, 'bare');
    mkdirSync(join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'bin/busybox'), readFileSync(join(await busyboxRootfs(), 'bin/busybox')), { mode: 0o755 });
    const result = await Container.run({
      image: `dir:${root}`,
      command: ['/bin/busybox', 'ls', '/proc/self/exe', '/dev/null', '/sys/kernel'],
    });
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(0);
  });
});

describe('what is on the root', () => {
  it('/dev has the devices of docker and no others', async () => {
    const lines = (await output('cd /dev && for f in *; do stat -c "%n %F %t:%T %a" $f; done')).split('\n').sort();
    const device = (name: string, numbers: string, mode = '666') => `${name} character special file ${numbers} ${mode}`;
    expect(lines.filter((line) => line.includes('special'))).toEqual(
      [
        device('full', '1:7'),
        device('null', '1:3'),
        device('random', '1:8'),
        device('tty', '5:0'),
        device('urandom', '1:9'),
        device('zero', '1:5'),
      ].sort(),
    );
    const names = lines.map((line) => line.split(' ')[0]);
    expect(names).toEqual(
      ['fd', 'full', 'mqueue', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero'].filter(
        (name) => names.includes(name),
      ),
    );
    for (const needed of ['fd', 'ptmx', 'pts', 'shm', 'mqueue', 'stdin', 'stdout', 'stderr']) expect(names).toContain(needed);
  });

  it('the links in /dev, and a pts of its own', async () => {
    expect(await output('cd /dev; for link in fd stdin stdout stderr ptmx; do readlink $link; done; ls pts')).toBe(
      '/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\nptmx',
    );
  });

  it('/dev/null swallows, /dev/zero gives, /dev/shm is shared memory', async () => {
    expect(await output('echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; echo y > /dev/shm/y; cat /dev/shm/y')).toBe(
      ' 00 00 00 00\ny',
    );
  });

  it('/proc, /sys and the others are mounted as they should be', async () => {
    const lines = (await output('cat /proc/self/mountinfo')).split('\n').map((line) => line.split(' '));
    const options = (target: string) => lines.findLast((fields) => fields[4] === target)?.[5]?.split(',') ?? [];
    expect(options('/proc')).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec']));
    expect(options('/sys')).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noexec']));
    expect(options('/dev')).toContain('nosuid');
    expect(options('/dev/pts')).toEqual(expect.arrayContaining(['nosuid', 'noexec']));
    expect(options('/dev/shm')).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));
    expect(options('/dev/mqueue')).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));
  });

  asRoot.it('no mount of the host is seen, and no propagation goes either way', async () => {
    const lines = (await output('cat /proc/self/mountinfo')).split('\n');
    expect(lines.filter((line) => /\b(shared|master):\d+/.test(line))).toEqual([]);
    expect(lines.filter((line) => line.includes('/mnt/'))).toEqual([]);
  });

  it('/etc/hosts, hostname and resolv.conf are right, and the image keeps its own', async () => {
    const text = await output('cat /etc/hosts; cat /etc/hostname', { hostname: 'inside', extraHosts: { 'db.example': '10.1.2.3' } });
    expect(text).toMatch(/^127\.0\.0\.1\s+localhost/m);
    expect(text).toMatch(/\sinside$/m);
    expect(text).toMatch(/^10\.1\.2\.3\s+db\.example$/m);
    expect(await output('cat /etc/resolv.conf', { dns: ['192.0.2.1'] })).toMatch(/^nameserver 192\.0\.2\.1$/m);
    expect(readFileSync(join(await busyboxRootfs(), 'etc/hosts'), 'utf8')).toBe('');
  });

  it('masked paths are empty or unreadable', async () => {
    for (const path of ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/proc/interrupts']) {
      if (existsSync(path)) expect(await output(`head -c 10 ${path} | wc -c`), path).toBe('0');
    }
    expect(await output('ls -A /sys/firmware')).toBe('');
    expect(await output('cat /secret', { copyIn: { '/secret': 'x' }, maskedPaths: ['/secret'] })).toBe('');
    expect(await output('ls -A /home', { copyIn: { '/home/x': 'x' }, maskedPaths: ['/home', '/not/there'] })).toBe('');
  });

  it('read-only paths cannot be written', async () => {
    for (const path of ['/proc/sys/kernel/domainname', '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity']) {
      if (existsSync(path)) expect((await sh(`echo 1 > ${path}`)).stderr, path).toMatch(/Read-only|Permission denied/);
    }
    expect((await sh('echo x > /etc/group', { readonlyPaths: ['/etc'] })).stderr).toMatch(/Read-only/);
  });

  asRoot.it('given lists replace the default ones', async () => {
    expect(await sh('head -c 1 /proc/timer_list | wc -c', { ...(await busybox()), maskedPaths: [] })).toMatchObject({ stdout: '1\n' });
  });
});
