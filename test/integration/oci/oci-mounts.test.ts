import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'mkfifo'] });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);

/** A mount of config.json. */
interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

/** A bundle whose root can be written to, with these mounts after its own. */
function bundleWith(command: string, mounts: readonly Mount[]): string {
  return makeBundle(folder, ['sh', '-c', command], (config) => {
    config.mounts.push(...mounts);
    config.root = { path: 'rootfs', readonly: false };
    // to look into folders of others
    const sets = ['bounding', 'effective', 'permitted'].map((name) => [name, ['CAP_DAC_OVERRIDE']]);
    config.process.capabilities = Object.fromEntries(sets);
  });
}

/** Puts one of each kind of file into a folder of a root. */
function fill(rootfs: string): void {
  const data = join(rootfs, 'data');
  mkdirSync(join(data, 'sub/empty'), { recursive: true });
  writeFileSync(join(data, 'file'), 'x'.repeat(100_000));
  writeFileSync(join(data, 'sub/set-id'), 'y');
  chownSync(join(data, 'sub/set-id'), 7, 8);
  chmodSync(join(data, 'sub/set-id'), 0o4711);
  chownSync(join(data, 'sub'), 9, 10);
  chmodSync(join(data, 'sub'), 0o750);
  symlinkSync('../../etc/passwd', join(data, 'link'));
  execFileSync('mkfifo', [join(data, 'sub/fifo')]);
  chmodSync(data, 0o751);
  chownSync(data, 11, 12);
}

/** All that is in the folder: kind, mode, owner, size of files, where links lead, and the sums of files. */
const LISTING =
  'cd /data && for f in $(busybox find . | busybox sort); do echo "$f $(busybox stat -c "%A %u:%g" $f) $(busybox readlink $f)"; done; busybox md5sum file';

describe('a bind', () => {
  it('is of the host, also where a link on the way to its source leads above /, whatever the image has at that path', async () => {
    const [real, link] = [join(folder, 'real'), join(folder, 'link')];
    writeFileSync(real, 'host\n');
    symlinkSync(`${'../'.repeat(real.split('/').length)}${real.slice(1)}`, link);
    const bundle = bundleWith('busybox cat /bound', [{ destination: '/bound', type: 'bind', source: link, options: ['bind', 'ro'] }]);
    const inImage = join(bundle, 'rootfs', real);
    mkdirSync(dirname(inImage), { recursive: true });
    writeFileSync(inImage, 'image\n');
    for (const flags of [[], ['--no-pivot']]) {
      expect(await oci('run', ...flags, '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: 'host\n', stderr: '' });
    }
    expect(await runc('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: 'host\n', stderr: '' });
  });
});

describe('a tmpfs', () => {
  it('says in /proc/mounts the mode that it has from what it covers, and none where nothing is there', async () => {
    const options = ['nosuid', 'nodev'];
    const bundle = bundleWith("busybox stat -c %a /data /none; busybox awk '$2 ~ /data|none/ { print $2, $4 }' /proc/mounts", [
      { destination: '/data', type: 'tmpfs', source: 'tmpfs', options },
      { destination: '/none', type: 'tmpfs', source: 'tmpfs', options },
    ]);
    mkdirSync(join(bundle, 'rootfs/data'));
    chmodSync(join(bundle, 'rootfs/data'), 0o710);
    const { stdout } = await oci('run', '--bundle', bundle, 'one');
    expect(stdout).toBe('710\n1777\n/data rw,nosuid,nodev,relatime,mode=710\n/none rw,nosuid,nodev,relatime\n');
  });

  it.each([[['tmpcopyup', 'nodev', 'rprivate']], [['tmpcopyup', 'ro', 'noexec']], [['tmpcopyup', 'mode=711', 'size=1m']]])(
    'has what it covers with %j, as with runc',
    async (options) => {
      const bundle = bundleWith(`${LISTING}; busybox grep ' /data ' /proc/mounts`, [
        { destination: '/data', type: 'tmpfs', source: 'tmpfs', options },
      ]);
      fill(join(bundle, 'rootfs'));
      const ours = await oci('run', '--bundle', bundle, 'ours');
      expect(ours.stdout).toContain('./sub/set-id -rws--x--x 7:8');
      expect(ours.stdout).toContain('./sub/fifo prw');
      // runc refuses a FIFO
      rmSync(join(bundle, 'rootfs/data/sub/fifo'));
      const theirs = await runc('run', '--bundle', bundle, 'theirs');
      // the owner of the mount itself is root with runc, and the covered folder's here
      expect(entries(ours.stdout)).toEqual(entries(theirs.stdout));
      expect(ours).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('has the mode of the folder that it covers, unless another is said; without tmpcopyup it is empty', async () => {
    const bundle = bundleWith('for f in one two new; do busybox stat -c "%a %u" /$f; busybox ls -A /$f; done', [
      { destination: '/one', type: 'tmpfs', source: 'tmpfs' },
      { destination: '/two', type: 'tmpfs', source: 'tmpfs', options: ['mode=700'] },
      { destination: '/new', type: 'tmpfs', source: 'tmpfs', options: ['mode=755', 'tmpcopyup'] },
    ]);
    for (const name of ['one', 'two']) {
      mkdirSync(join(bundle, 'rootfs', name, 'in-it'), { recursive: true });
      chmodSync(join(bundle, 'rootfs', name), 0o751);
      chownSync(join(bundle, 'rootfs', name), 5, 5);
    }
    expect(await oci('run', '--bundle', bundle, 'ours')).toMatchObject({ code: 0, stdout: '751 0\n700 0\n755 0\n' });
  });

  it('follows no link of the root out of it', async () => {
    const bundle = bundleWith('busybox ls -A /data', [{ destination: '/data', type: 'tmpfs', source: 'tmpfs', options: ['tmpcopyup'] }]);
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret'), 'secret');
    symlinkSync(outside, join(bundle, 'rootfs/data'));
    const { stdout, stderr } = await oci('run', '--bundle', bundle, 'ours');
    expect(`${stdout}${stderr}`).not.toContain('secret\n');
    expect(readdirSync(outside)).toEqual(['secret']);
  });
});

describe('a mount that is mounted again', () => {
  it('gets the flags that are named', async () => {
    const flags = `while read -r _ at _ flags _; do case $at in /data|/bound) echo $at $flags;; esac; done < /proc/mounts; echo > /data/x; echo > /bound/x`;
    const bundle = bundleWith(
      `(${flags}) 2>&1 | busybox sed 's/,\\(relatime\\|size\\|inode\\|lowerdir\\|errors\\|stripe\\|discard\\).*//'; true`,
      [
        { destination: '/data', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        { destination: '/bound', type: 'bind', source: 'rootfs/etc', options: ['rbind', 'rw'] },
        { destination: '/data', type: 'tmpfs', source: 'tmpfs', options: ['bind', 'remount', 'ro', 'nosuid', 'noexec'] },
        { destination: '/bound', source: 'bound', options: ['bind', 'remount', 'ro', 'nodev'] },
      ],
    );
    const ours = await oci('run', '--bundle', bundle, 'ours');
    expect(ours.stdout).toMatch(/^\/data ro,nosuid,noexec$/m);
    expect(ours.stdout).toMatch(/^\/bound ro,nodev/m);
    expect(ours.stdout).toContain('/data/x: Read-only file system');
    expect(ours.stdout).toContain('/bound/x: Read-only file system');
  });

  it('has to be a mount', async () => {
    const bundle = bundleWith('true', [{ destination: '/etc', type: 'none', options: ['remount', 'ro'] }]);
    expect(await oci('run', '--bundle', bundle, 'ours')).toMatchObject({ code: 1, stderr: expect.stringContaining('EINVAL') });
  });
});

describe('a mount of proc', () => {
  it('is on no link', async () => {
    const bundle = bundleWith('true', []);
    renameSync(join(bundle, 'rootfs/proc'), join(bundle, 'rootfs/elsewhere'));
    symlinkSync('/elsewhere', join(bundle, 'rootfs/proc'));
    const refused = { code: 1, stderr: expect.stringContaining('must be mounted on ordinary directory') };
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject(refused);
    expect(await runc('run', '--bundle', bundle, 'one')).toMatchObject(refused);
  });
});

/** What the listing tells of each file below the mount, but the FIFO, and of the mount's flags. */
function entries(text: string): string[] {
  const flags = /^\S+ \/data tmpfs (\S+)/m.exec(text)?.[1]?.split(',') ?? [];
  return [
    ...text.split('\n').filter((line) => line.startsWith('./') && !line.includes('/fifo ')),
    ...flags.filter((flag) => ['ro', 'rw', 'nosuid', 'nodev', 'noexec'].includes(flag)),
  ];
}
