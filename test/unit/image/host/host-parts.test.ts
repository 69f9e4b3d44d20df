import { describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../../../lib/host/mountinfo.js';
import { ALWAYS_HIDDEN, HIDDEN } from '../../../../lib/image/host/host-hidden.js';
import { hostRecipe } from '../../../../lib/image/host/host-layout.js';
import type { HostProbe } from '../../../../lib/image/host/host-probe.js';
import { planCover } from '../../../../lib/plan/cover.js';
import type { Mounter } from '../../../../lib/plan/mounter.js';
import { Slots } from '../../../../lib/plan/plan.js';
import { MOUNT_ATTR, type RootRecipe } from '../../../../lib/plan/recipe.js';
import { docker, dockerInit, plainDebian, probeOf, separateMounts, snaps, wsl } from '../machines.js';

const user: Mounter = { whole: false, userxattr: true, uid: () => null, gid: () => null };

/** A Debian whose /usr was merged. */
const debian = [
  ...['/bin -> usr/bin', '/lib -> usr/lib', '/usr/bin/sh', '/usr/lib/libc.so', '/usr/local/bin/', '/srv/', '/media/', '/opt/tool/run'],
  ...['/root/', '/home/alice/', '/run/lock/', '/tmp/x', '/var/tmp/x', '/dev/null', '/proc/1/', '/sys/fs/', '/lost+found/ closed'],
  ...['/etc/passwd', '/etc/shadow', '/etc/ssl/private/key', '/etc/apt/apt.conf', '/var/lib/dpkg/status', '/var/log/syslog'],
  ...['/boot/vmlinuz = 9000000', '/boot/efi/EFI/', '/vmlinuz -> boot/vmlinuz'],
];

function recipeOf(mounts: string, probe: HostProbe, hide: readonly string[] = HIDDEN): RootRecipe {
  const hideAlways = [...ALWAYS_HIDDEN, '/var/lib/nacelle'];
  return hostRecipe({ mounts: parseMountInfo(mounts), hide, hideAlways, probe, mounter: user });
}

const targets = (recipe: RootRecipe): string[] => recipe.mounts.map(({ target }) => target);
const bound = (recipe: RootRecipe): string[] =>
  recipe.binds.map(({ target, recursive, sealed }) => target + (recursive ? ' and all below' : '') + (sealed ? ' sealed' : ''));

function entriesAt(recipe: RootRecipe, target = '/'): string[] {
  const cover = recipe.mounts.find((mount) => mount.target === target)?.cover ?? [];
  return cover.map((entry) => {
    if (entry.kind === 'folder') return `${entry.path}/${entry.opaque ? ' empty' : ''}`;
    if (entry.kind === 'link') return `${entry.path} -> ${entry.target}`;
    if (entry.kind === 'file') return `${entry.path} = ${entry.source}`;
    return `${entry.path} gone`;
  });
}

describe('a plain Debian', () => {
  const recipe = recipeOf(
    plainDebian,
    probeOf(...debian, '/swapfile = 1000', '/notes = 5', '/dump = 2000000', '/mine closed', '/ipc socket'),
  );

  it('is an overlay for each folder of the root in which there is something', () =>
    expect(targets(recipe)).toEqual(['/', '/etc', '/opt', '/usr', '/var']));

  it('makes the root anew: folders, links and small files, with nothing in what is private or a mount of the kernel', () => {
    expect(recipe.mounts[0]).toMatchObject({ lower: [], copied: ['/'], root: { mode: 0o755, uid: 0, gid: 0 } });
    const made = [
      'bin -> usr/bin',
      'boot/',
      'dev/',
      'dump = null',
      'etc/',
      'home/',
      'lib -> usr/lib',
      'lost+found/',
      'media/',
      'mine = null',
    ];
    const rest = ['notes = /notes', 'opt/', 'proc/', 'root/', 'run/', 'srv/', 'sys/', 'tmp/', 'usr/', 'var/', 'vmlinuz -> boot/vmlinuz'];
    expect(entriesAt(recipe)).toEqual([...made, ...rest]);
  });

  it('binds what is large or may not be read, and all of /boot with what is mounted there', () => {
    expect(bound(recipe)).toEqual(['/boot and all below', '/dump', '/mine']);
    for (const { attributes } of recipe.binds) expect(attributes).toBe(MOUNT_ATTR.NODEV | MOUNT_ATTR.RDONLY);
  });

  it('hides in each part what lies there', () => {
    expect(entriesAt(recipe, '/etc')).toEqual(['shadow gone', 'ssl/', 'ssl/private gone']);
    expect(entriesAt(recipe, '/var')).toEqual(['lib/', 'lib/nacelle gone', 'tmp/ empty']);
    expect(entriesAt(recipe, '/usr')).toEqual([]);
  });

  it('needs no attribute for a folder that is empty: a layer beneath hides what is there', () => {
    const mount = recipe.mounts.find(({ target }) => target === '/var');
    const cover = mount && planCover(mount, { tmpfs: 3, name: 'cover', slots: new Slots(), userxattr: true });
    expect(cover?.layers).toEqual([0, 1]);
    expect(cover?.make.map((step) => ('path' in step ? `${step.op} ${step.path}` : step.op))).toEqual([
      'mkdir cover',
      'mkdir cover/lib',
      'mknod cover/lib/nacelle',
      'mkdir cover/tmp',
      'mkdir cover-beneath',
      'mknod cover-beneath/tmp',
    ]);
  });
});

describe('separate /usr, /var and /home', () => {
  const recipe = recipeOf(
    separateMounts,
    probeOf(...debian, '/var/spool/', '/srv/www/index', '/mnt/host root/etc/shadow', '/mnt/host root/x'),
  );

  it('has an overlay for each mount, and for each folder beside a mount in it, without an upper where nobody but others may write', () => {
    expect(targets(recipe)).toEqual(['/', '/etc', '/mnt/host root', '/opt', '/usr', '/var/lib']);
    expect(bound(recipe)).toEqual(['/boot and all below', '/var/log sealed']);
    expect(entriesAt(recipe)).toEqual(expect.arrayContaining(['var/', 'var/lib/', 'var/log/', 'var/spool/', 'var/tmp/', 'srv/www/']));
  });

  it('hides the same place in a second mount', () => expect(entriesAt(recipe, '/mnt/host root')).toContain('etc/shadow gone'));

  it('keeps nosuid of the mount that a part lies in', () =>
    expect(recipe.mounts.find(({ target }) => target === '/var/lib')?.attributes).toBe(MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID));
});

describe('in a container of docker', () => {
  const files = [
    '/etc/resolv.conf',
    '/etc/hostname',
    '/etc/hosts',
    '/etc/settings.toml',
    '/data/db',
    '/proc/bus/',
    '/etc/localtime -> /usr/x',
  ];

  it('/etc has mounts in it, so it is made anew, and its folders are bound', () => {
    const recipe = recipeOf(docker, probeOf(...debian.filter((path) => !path.startsWith('/boot')), ...files));
    expect(targets(recipe)).toEqual(['/', '/data', '/etc/ssl', '/opt', '/usr', '/var']);
    expect(bound(recipe)).toEqual(['/etc/apt', '/etc/settings.toml']);
    const etc = entriesAt(recipe).filter((entry) => entry.startsWith('etc/'));
    expect(etc).toEqual([
      'etc/',
      'etc/apt/',
      'etc/localtime -> /usr/x',
      'etc/passwd = /etc/passwd',
      'etc/settings.toml = null',
      'etc/ssl/',
    ]);
  });

  it('a mounted file in /usr/sbin does not take all of /usr/sbin apart, and a mounted socket is left out', () => {
    const recipe = recipeOf(
      dockerInit,
      probeOf(...debian.slice(0, 20), ...files, '/usr/sbin/docker-init', '/usr/sbin/adduser', '/docker.sock socket', '/var/log/syslog'),
    );
    expect(bound(recipe)).toEqual(expect.arrayContaining(['/usr/bin', '/usr/lib', '/usr/local', '/usr/sbin and all below']));
    expect(bound(recipe)).toContain('/var/log sealed');
    expect(entriesAt(recipe).some((entry) => entry.includes('docker.sock'))).toBe(false);
    expect(bound(recipe)).not.toContain('/docker.sock');
  });
});

it('shows all snaps by one bind, and those of /var as what they are', () => {
  const recipe = recipeOf(snaps, probeOf(...debian, '/snap/core22/1380/x', '/snap/lxd/24322/x', '/var/lib/lxcfs/x'));
  expect(bound(recipe)).toEqual(['/boot and all below', '/snap and all below', '/var/lib/dpkg sealed', '/var/log sealed']);
  expect(targets(recipe)).toEqual(['/', '/etc', '/opt', '/usr']);
  expect(entriesAt(recipe)).toContain('var/lib/lxcfs/');
});

it('shows the drivers of WSL by one bind, its other mounts as on any machine', () => {
  const paths = [
    ...debian.slice(0, 20),
    '/usr/lib/wsl/lib/libcuda.so',
    '/usr/lib/wsl/drivers/x',
    '/init',
    '/mnt/c/x',
    '/mnt/wsl/x',
    '/mnt/wslg/x',
  ];
  const recipe = recipeOf(wsl, probeOf(...paths));
  expect(bound(recipe)).toEqual(['/init', '/usr/bin', '/usr/lib and all below', '/usr/local']);
  expect(targets(recipe)).toEqual(expect.arrayContaining(['/', '/mnt/c']));
  expect(entriesAt(recipe)).toEqual(expect.arrayContaining(['mnt/', 'mnt/c/', 'mnt/wsl/', 'mnt/wslg/']));
});

it('has an upper for what anybody, or the user, may write to beside a mount in /var, and for all beside one elsewhere', () => {
  const probe = probeOf(...['disk', 'mine', 'drop', 'team', 'other'].flatMap((name) => [`/data/${name}/x`, `/var/${name}/x`]));
  const owned: HostProbe = {
    ...probe,
    entry: (path) => {
      const entry = probe.entry(path);
      if (path.endsWith('/mine')) return entry && { ...entry, uid: 1000 };
      if (path.endsWith('/team')) return entry && { ...entry, gid: 1000, mode: 0o2775 };
      return path.endsWith('/drop') ? entry && { ...entry, mode: 0o1733 } : entry;
    },
  };
  const own = (id: number): number | null => (id === 1000 ? 0 : null);
  const mounts = parseMountInfo(
    `${plainDebian}50 28 8:9 / /data/disk rw - ext4 /dev/sda9 rw\n51 28 8:10 / /var/disk rw - ext4 /dev/sda9 rw\n`,
  );
  const recipe = hostRecipe({ mounts, hide: [], hideAlways: [], probe: owned, mounter: { ...user, uid: own, gid: own } });
  const data = ['/data/disk', '/data/drop', '/data/mine', '/data/other', '/data/team'];
  expect(targets(recipe)).toEqual(['/', ...data, '/var/drop', '/var/mine', '/var/team']);
  expect(bound(recipe)).toEqual(['/var/disk sealed', '/var/other sealed']);
});

it('is of parts also where no mount is at / (inside a chroot)', () => {
  const recipe = recipeOf('', probeOf('/etc/passwd', '/etc/shadow', '/x'));
  expect(targets(recipe)).toEqual(['/', '/etc']);
  expect(entriesAt(recipe)).toEqual(['etc/', 'x = /x']);
});

it('a folder whose names alone are secret is an overlay, and one that is closed is empty', () => {
  const recipe = recipeOf(plainDebian, probeOf('/data/ listed by nobody', '/data/x', '/closed/ closed', '/closed/x'));
  expect(targets(recipe)).toEqual(['/', '/data']);
  expect(entriesAt(recipe)).toEqual(['closed/', 'data/']);
});

it('gives what belongs to nobody inside to root, and takes the rights of its owner from a copied program', () => {
  const probe = probeOf('/su', '/data/x');
  const owned: HostProbe = {
    ...probe,
    entry: (path) => {
      const entry = probe.entry(path);
      return entry && { ...entry, mode: path === '/su' ? 0o6755 : 0o2775, uid: path === '/data' ? 1000 : 70, gid: 70 };
    },
  };
  const mounter: Mounter = { ...user, uid: (id) => (id === 1000 ? 5 : null) };
  const { mounts } = hostRecipe({ mounts: [], hide: [], hideAlways: [], probe: owned, mounter });
  expect(mounts[0]?.cover).toEqual([
    { kind: 'folder', path: 'data', opaque: false, mode: 0o2775, uid: 5, gid: 0 },
    { kind: 'file', path: 'su', source: '/su', size: 10, mode: 0o755, uid: 0, gid: 0 },
  ]);
  expect(mounts[1]?.root).toEqual({ mode: 0o2775, uid: 5, gid: 0 });
});
