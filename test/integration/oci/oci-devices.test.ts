import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'mknod', 'runc'] });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);

describe('devices', () => {
  it('may be outside of /dev, also where they are already, and /dev/ptmx is the terminals’ own', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox stat -c "%t %T %a" /data/null; busybox readlink /dev/ptmx'], (config) => {
      config.root = { path: 'rootfs', readonly: false };
      const device = { type: 'c', fileMode: 0o640 };
      config.linux.devices = [
        { ...device, path: '/data/null', major: 1, minor: 3 },
        { ...device, path: '/dev/ptmx', major: 5, minor: 2 },
      ];
    });
    const told = { code: 0, stdout: '1 3 640\npts/ptmx\n', stderr: '' };
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual(told);
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual(told);
    expect(await runc('run', '--bundle', bundle, 'one')).toEqual(told);
  });

  it('keep the mode and the owner that a node of the image has outside of /dev, as with runc', async () => {
    const bundle = makeBundle(folder, ['busybox', 'stat', '-c', '%t %T %a %u', '/data/own'], ({ linux }) => {
      linux.devices = [{ type: 'c', path: '/data/own', major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 }];
    });
    mkdirSync(join(bundle, 'rootfs/data'));
    execFileSync('mknod', ['-m', '600', join(bundle, 'rootfs/data/own'), 'c', '1', '3']);
    const told = { code: 0, stdout: '1 3 600 0\n', stderr: '' };
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual(told);
    expect(await runc('run', '--bundle', bundle, 'one')).toEqual(told);
  });

  it('are made in a /dev that is read-only afterwards, as mounts are', async () => {
    const bundle = makeBundle(
      folder,
      ['sh', '-c', '(echo > /dev/x) 2>&1; test -c /dev/null && busybox grep -c " /dev/pts " /proc/mounts'],
      (config) => {
        config.mounts = config.mounts.map((mount) =>
          'destination' in mount && mount.destination === '/dev' ? { ...mount, options: ['nosuid', 'mode=755', 'ro'] } : mount,
        );
      },
    );
    const told = { code: 0, stdout: expect.stringMatching(/Read-only file system\n1\n$/) };
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject(told);
    expect(await runc('run', '--bundle', bundle, 'one')).toMatchObject(told);
  });

  it('may have the whole mode of one of the host, with its type, as podman --privileged writes it', async () => {
    const bundle = makeBundle(folder, ['busybox', 'stat', '-c', '%f', '/dev/own'], ({ linux }) => {
      linux.devices = [{ type: 'c', path: '/dev/own', major: 1, minor: 3, fileMode: 0o20640 }];
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: `${(0o20640).toString(16)}\n`, stderr: '' });
  });
});
