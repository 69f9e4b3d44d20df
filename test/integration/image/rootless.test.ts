import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { asOrdinaryUser, givingIds, USER } from '../../fixtures/ordinary-user.js';
import { startRegistry } from '../../fixtures/registry.js';
import { missing, requires } from '../../fixtures/requires.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = {
  root: true,
  kernel: '6.6',
  tools: [
    'unshare',
    'setpriv',
    'mount',
    'env',
    'chown',
    'mkdir',
    'cp',
    'busybox',
    'tar',
    'umoci',
    'newuidmap',
    'newgidmap',
    'find',
    'getfattr',
    'docker-registry',
  ],
};
const { describe, it } = requires(needs);

// on a disk: what is mounted of a tmpfs is no part of what a user sees
const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);
let layout = '';

/** 'v2' of struct vfs_cap_data: CAP_NET_RAW, permitted and effective. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** The layers over busybox, with the owners of each entry. */
function layers(owned: boolean): Buffer[] {
  const by = (uid: number, gid: number, entry: TarEntry): TarEntry => (owned ? { ...entry, uid, gid } : entry);
  const hostile = { 'SCHILY.xattr.user.overlay.opaque': 'y', 'SCHILY.xattr.trusted.overlay.opaque': 'y' };
  const lower = tarArchive(
    { name: './', type: '5', mode: 0o751 },
    by(33, 42, { name: 'data/', type: '5', mode: 0o2775, pax: { 'SCHILY.xattr.trusted.secret': 'x', 'SCHILY.xattr.user.mine': 'x' } }),
    by(33, 42, { name: 'data/kept', mode: 0o640, data: 'kept\n' }),
    by(33, 65_534, { name: 'data/gone', data: 'gone\n' }),
    by(1000, 1000, { name: 'data/link', type: '2', link: 'kept' }),
    { name: 'hidden/', type: '5' },
    { name: 'over/below', data: 'seen through a folder that claims to hide it\n' },
    { name: 'hidden/old', data: 'old\n' },
    by(0, 5, { name: 'tool', mode: 0o4755, data: '#!/bin/sh\n' }),
    { name: 'capable', mode: 0o755, data: 'x', pax: { 'SCHILY.xattr.security.capability': CAPABILITY } },
    { name: 'later', data: 'a file, until a device takes its place\n' },
    { name: 'device', type: '3', device: [1, 3] },
    { name: 'device2', type: '1', link: 'device' },
    by(7, 7, { name: 'pipe', type: '6', mode: 0o600 }),
  );
  const upper = tarArchive(
    { name: 'data/.wh.gone' },
    by(2, 3, { name: 'data/added', mode: 0o600, data: 'added\n' }),
    { name: 'hidden/.wh..wh..opq' },
    { name: 'hidden/new', data: 'new\n' },
    { name: 'later', type: '4', device: [8, 0] },
    by(11, 12, { name: 'over/', type: '5', pax: hostile }),
  );
  return [lower, upper];
}

beforeAll(async () => {
  if (missing(needs).length > 0) return;
  const busybox = execFileSync('tar', ['-c', '-C', await busyboxRootfs(), '--sort=name', '--mtime=@0', '.'], { maxBuffer: 1 << 28 });
  layout = layoutOf({ plain: [busybox, ...layers(false)], owned: [busybox, ...layers(true)] }, folder);
  execFileSync('chmod', ['-R', 'a+rX', layout]);
});

/** What umoci makes of an image, as the program looks at it. Devices are what a user can't have. */
function unpackedByUmoci(tag: string, ...options: string[]): string[] {
  const bundle = mkdtempSync(join(folder, 'bundle-'));
  execFileSync('umoci', ['unpack', ...options, '--image', `${layout}:${tag}`, join(bundle, 'b')], { stdio: 'pipe' });
  const look = `cd ${bundle}/b/rootfs; find . $(for name in bin sbin usr etc dev proc sys later; do echo ! -path ./$name*; done) -exec stat -c '%A %u %g %n' {} + | sort -k4`;
  return execFileSync('sh', ['-fec', look], { encoding: 'utf8' }).trim().split('\n');
}

type Row = [name: string, expected: unknown];

/** Changes are told, made and packed alike, whoever owns what. */
const same = (name: string): Row[] => [
  [`${name} content`, 'kept\nnew\n/data:\nadded\nkept\nlink\n\n/hidden:\nnew'],
  [`${name} changes`, ['deleted /data/kept', 'modified /hidden', 'deleted /hidden/new', 'added /hidden/x']],
  [`${name} commit`, [true, 'x\ndrwxrwsr-x 1\ndrwxr-xr-x 2', 'x']],
  [`${name} disk`, 'done'],
  [`${name} detached`, 'kept\n'],
];

const listed = '/m/data:\nadded\nkept\nlink\n\n/m/hidden:\nnew\ntouch: /m/x: Read-only file system';

/** Files of a volume that was filled from the image, and their owners. */
const filled = (data: string, added: string, link: string) => [
  [`${data} drwxrwsr-x /data`, `${added} -rw------- /data/added`, `${data} -rw-r----- /data/kept`, `${link} lrwxrwxrwx /data/link`],
  'more',
  true,
];

/** A capability is one over what belongs to this user namespace. No mark of overlayfs, and nothing that is the host's to say, comes from a layer. */
const MARKS = [
  [`security.capability=0x010000030020000000000000000000000000000032ef0000`],
  ['user.overlay.opaque=0x79'],
  [],
  ['user.mine=0x78'],
];

async function withRegistry<T>(work: (host: string) => Promise<T>): Promise<T> {
  const registry = await startRegistry(folder);
  try {
    return await work(registry.host);
  } finally {
    await registry.close();
  }
}

describe('images of the store, of a user with subordinate ids', () => {
  let telling: Promise<Readonly<Record<string, unknown>>> | undefined;
  const told = (): NonNullable<typeof telling> => {
    telling ??= withRegistry((host) => asOrdinaryUser('rootless-images', [layout, host], givingIds(folder, `${USER}:200000:65536`)));
    return telling;
  };

  it.each(['plain', 'owned'])('have the owners that they have for root: %s', async (name) => {
    expect((await told())[`${name} look`]).toEqual(unpackedByUmoci(name));
  });

  it.each<Row>([
    ...same('plain'),
    ...same('owned'),
    ['owned mount', `33 42\n${listed}`],
    ['owned volume', filled('33 42', '2 3', '1000 1000')],
    ['owned attributes', MARKS],
    ['plain registry', [true, true, 'kept']],
    ['owned registry', [true, true, 'kept']],
    ['removed', []],
  ])('%s', async (name, expected) => {
    expect((await told())[name]).toEqual(expected);
  });

  it('are unpacked anew for other ids, and what was for others is pruned', async () => {
    const plain = unpackedByUmoci('plain');
    expect((await told())['with other ids']).toEqual([
      { plain, owned: { name: 'ImageError', message: expect.stringMatching(/data\/: its owner, 33:42, is none here.*no_new_privs/) } },
      true,
      plain,
    ]);
  });
});

describe('images of the store, of a user with one id', () => {
  let telling: Promise<Readonly<Record<string, unknown>>> | undefined;
  const told = (): NonNullable<typeof telling> => {
    telling ??= withRegistry((host) => asOrdinaryUser('rootless-images', [layout, host]));
    return telling;
  };

  it('have the modes that umoci gives them without root, where all is of root', async () => {
    expect((await told())['plain look']).toEqual(unpackedByUmoci('plain', '--rootless'));
  });

  it.each<Row>([
    ...same('plain'),
    ['plain mount', `0 0\n${listed}`],
    ['plain volume', filled('0 0', '0 0', '0 0')],
    ['plain attributes', MARKS],
    ['plain registry', [true, false, 'kept']],
    ['removed', []],
  ])('%s', async (name, expected) => {
    expect((await told())[name]).toEqual(expected);
  });

  it.each(['look', 'changes', 'commit', 'mount', 'volume', 'disk'])(
    'are refused where others own files, with what mends that: %s',
    async (name) => {
      const message = expect.stringMatching(
        /entry data\/: its owner, 33:42, is none here.*only this user's own id is mapped.*usermod --add-subuids/,
      );
      expect((await told())[`owned ${name}`]).toEqual({ name: 'ImageError', message });
    },
  );
});
