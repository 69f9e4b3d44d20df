import { describe, expect, it } from 'vitest';
import { parseMountInfo } from '../../../../lib/host/mountinfo.js';
import { ALWAYS_HIDDEN, HIDDEN } from '../../../../lib/image/host/host-hidden.js';
import { hostRecipe } from '../../../../lib/image/host/host-layout.js';
import type { HostProbe } from '../../../../lib/image/host/host-probe.js';
import { planCover } from '../../../../lib/plan/cover.js';
import { ROOT_MOUNTER as mounter } from '../../../../lib/plan/mounter.js';
import { Slots } from '../../../../lib/plan/plan.js';
import { MOUNT_ATTR, type RootRecipe } from '../../../../lib/plan/recipe.js';
import { docker, dockerInit, kubernetes, plainDebian, probeOf, separateMounts, snaps } from '../machines.js';

const base = [
  '/root/',
  '/home/',
  '/run/',
  '/tmp/',
  '/var/tmp/',
  '/dev/',
  '/proc/',
  '/sys/',
  '/etc/passwd',
  '/etc/shadow',
  '/etc/ssl/private/',
  '/var/lib/',
];

function recipeOf(mounts: string, probe: HostProbe, hide: readonly string[] = HIDDEN): RootRecipe {
  return hostRecipe({ mounts: parseMountInfo(mounts), hide, hideAlways: [...ALWAYS_HIDDEN, '/var/lib/nacelle'], probe, mounter });
}

function coverAt(recipe: RootRecipe, target = '/') {
  const cover = recipe.mounts.find((mount) => mount.target === target)?.cover ?? [];
  return {
    whiteouts: cover.flatMap((entry) => (entry.kind === 'whiteout' ? [entry.path] : [])),
    opaque: cover.flatMap((entry) => (entry.kind === 'folder' && entry.opaque ? [entry.path] : [])),
    folders: cover.flatMap((entry) => (entry.kind === 'folder' && !entry.opaque ? [entry.path] : [])),
  };
}

const targets = (recipe: RootRecipe): string[] => recipe.mounts.map(({ target }) => target);

describe('a plain Debian', () => {
  const recipe = recipeOf(
    plainDebian,
    probeOf(...base, '/boot/efi/', '/etc/ssh/ssh_host_rsa_key', '/etc/ssh/ssh_host_rsa_key.pub', '/etc/ppp/chap-secrets'),
  );

  it('is one overlay', () => expect(targets(recipe)).toEqual(['/']));

  it('hides credentials, those with a pattern too, and nothing beside them', () => {
    const { whiteouts } = coverAt(recipe);
    expect(whiteouts).toEqual(['etc/ppp/chap-secrets', 'etc/shadow', 'etc/ssh/ssh_host_rsa_key', 'etc/ssl/private', 'var/lib/nacelle']);
  });

  it('empties the private folders and the kernel file systems', () => {
    expect(coverAt(recipe).opaque).toEqual(['dev', 'home', 'proc', 'root', 'run', 'sys', 'tmp', 'var/tmp']);
  });

  it('keeps the modes of folders that it needs', () => {
    const tmp = recipe.mounts[0]?.cover.find((entry) => entry.path === 'tmp');
    expect(tmp).toEqual({ kind: 'folder', path: 'tmp', opaque: true, mode: 0o1777, uid: 0, gid: 0 });
    expect(coverAt(recipe).folders).toEqual(['etc', 'etc/ppp', 'etc/ssh', 'etc/ssl', 'var', 'var/lib']);
  });

  it('binds what overlayfs refuses, read-only', () => {
    expect(recipe.binds).toEqual([
      {
        source: '/boot/efi',
        target: '/boot/efi',
        kind: 'folder',
        recursive: false,
        sealed: false,
        attributes: MOUNT_ATTR.NODEV | MOUNT_ATTR.RDONLY,
      },
    ]);
  });

  it('has parents before children', () => {
    for (const { cover } of recipe.mounts) {
      cover.forEach((entry, index) => {
        const parent = entry.path.split('/').slice(0, -1).join('/');
        if (parent !== '') expect(cover.slice(0, index).some(({ path }) => path === parent)).toBe(true);
      });
    }
  });
});

describe('separate /usr, /var and /home', () => {
  const probe = probeOf(
    ...base,
    '/usr/',
    '/srv/www/',
    '/mnt/host root/etc/shadow',
    '/mnt/host root/root/',
    '/boot/efi/',
    '/var/backups/',
    '/home/alice/www/',
  );
  const recipe = recipeOf(separateMounts, probe);

  it('has an overlay for each, parents first, none for a hidden one', () =>
    expect(targets(recipe)).toEqual(['/', '/usr', '/var', '/mnt/host root']));

  it('hides what lies in a mount in that mount', () => {
    expect(coverAt(recipe, '/var')).toEqual({ whiteouts: ['backups', 'lib/nacelle'], opaque: ['tmp'], folders: ['lib'] });
  });

  it('hides a hidden folder where it is mounted a second time', () => {
    expect(targets(recipe)).not.toContain('/srv/www');
    expect(coverAt(recipe).opaque).toContain('srv/www');
  });

  it('hides a file in a second mount of its file system', () =>
    expect(coverAt(recipe, '/mnt/host root').whiteouts).toContain('etc/shadow'));

  it('keeps nosuid, and makes every mount nodev', () => {
    expect(recipe.mounts.find(({ target }) => target === '/var')?.attributes).toBe(MOUNT_ATTR.NODEV | MOUNT_ATTR.NOSUID);
    expect(recipe.mounts.every(({ attributes }) => (attributes & MOUNT_ATTR.NODEV) !== 0)).toBe(true);
  });
});

describe('in a container', () => {
  const files = ['/etc/resolv.conf', '/etc/hostname', '/etc/hosts', '/etc/settings.toml', '/data/', '/proc/bus/'];

  it('of docker: volumes are overlays, files binds, its own three files left out', () => {
    const recipe = recipeOf(docker, probeOf(...base, ...files));
    expect(targets(recipe)).toEqual(['/', '/data']);
    expect(recipe.binds.map(({ target, kind }) => [target, kind])).toEqual([['/etc/settings.toml', 'file']]);
    expect(coverAt(recipe).whiteouts).not.toContain('etc/hosts');
  });

  it('leaves a mounted socket out, of which a bind would be one that works', () => {
    const recipe = recipeOf(dockerInit, probeOf(...base, ...files, '/docker.sock socket', '/usr/sbin/docker-init', '/var/log/'));
    expect(recipe.binds.map(({ target }) => target)).toEqual(['/etc/settings.toml', '/usr/sbin/docker-init']);
    expect(coverAt(recipe).whiteouts).toContain('docker.sock');
  });

  it('of Kubernetes: secrets are not seen, wherever they are mounted', () => {
    const recipe = recipeOf(
      kubernetes,
      probeOf(...base, ...files, '/run/secrets/kubernetes.io/serviceaccount/', '/etc/db-password/', '/etc/config/'),
    );
    expect(targets(recipe)).toEqual(['/', '/data', '/etc/config']);
    expect(coverAt(recipe).opaque).toEqual(['dev', 'etc/db-password', 'home', 'proc', 'root', 'run', 'sys', 'tmp', 'var/tmp']);
  });
});

it('binds snaps instead of an overlay for each', () => {
  const recipe = recipeOf(snaps, probeOf(...base, '/boot/efi/', '/snap/core22/1380/', '/snap/lxd/24322/', '/var/lib/lxcfs/'));
  expect(targets(recipe)).toEqual(['/']);
  expect(recipe.binds.map(({ target }) => target)).toEqual(['/boot/efi', '/snap/core22/1380', '/snap/lxd/24322']);
  expect(coverAt(recipe).opaque).toContain('var/lib/lxcfs');
});

describe('links', () => {
  it('to a private folder: what it points to is emptied, the link stays', () => {
    const recipe = recipeOf(plainDebian, probeOf(...base.filter((path) => path !== '/home/'), '/home -> /data/home', '/data/home/'));
    expect(coverAt(recipe).opaque).toContain('data/home');
    expect(coverAt(recipe).whiteouts).not.toContain('home');
  });

  it('to a credential: both are hidden', () => {
    const { whiteouts } = coverAt(recipeOf(plainDebian, probeOf('/etc/shadow -> /data/shadow', '/data/shadow')));
    expect(whiteouts).toEqual(expect.arrayContaining(['etc/shadow', 'data/shadow']));
  });

  it('to the root are refused', () => {
    expect(() => recipeOf(plainDebian, probeOf('/secret -> /'), ['/secret'])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION' }),
    );
    expect(() => recipeOf(plainDebian, probeOf(), ['/'])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_OPTION' }));
  });
});

it('hides the store before it is made, by the first name that is missing', () => {
  const recipe = hostRecipe({
    mounts: parseMountInfo(plainDebian),
    hide: [],
    hideAlways: ['/data/nacelle/store'],
    probe: probeOf('/etc/passwd'),
    mounter,
  });
  expect(coverAt(recipe).whiteouts).toEqual(['data']);
});

it('needs no mount at / (inside a chroot)', () => {
  const recipe = hostRecipe({ mounts: [], hide: ['/etc/shadow'], hideAlways: [], probe: probeOf(...base), mounter });
  expect(targets(recipe)).toEqual(['/']);
  expect(coverAt(recipe).whiteouts).toEqual(['etc/shadow']);
});

it('nests no entry below a hidden folder', () => {
  const recipe = hostRecipe({
    mounts: [],
    hide: ['/etc', '/etc/shadow', '/etc/ssl/private'],
    hideAlways: [],
    probe: probeOf(...base),
    mounter,
  });
  expect(recipe.mounts[0]?.cover).toEqual([{ kind: 'whiteout', path: 'etc' }]);
});

it('becomes steps', () => {
  const recipe = hostRecipe({ mounts: [], hide: ['/etc/shadow', '/tmp'], hideAlways: [], probe: probeOf(...base), mounter });
  const [mount] = recipe.mounts;
  const steps = mount ? planCover(mount, { tmpfs: 3, name: 'cover', slots: new Slots(), userxattr: false }).make : [];
  expect(steps.map((step) => ('path' in step ? `${step.op} ${step.path}` : step.op))).toEqual([
    'mkdir cover',
    'mkdir cover/etc',
    'mknod cover/etc/shadow',
    'mkdir cover/tmp',
    'set_xattr cover/tmp',
  ]);
});
