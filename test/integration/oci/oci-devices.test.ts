import { renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { type BundleChange, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);

const writable: BundleChange = (config) => {
  config.root = { path: 'rootfs', readonly: false };
};

describe('devices', () => {
  it('may be outside of /dev, also where they are already, and /dev/ptmx is the terminals’ own', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox stat -c "%t %T %a" /data/null; busybox readlink /dev/ptmx'], (config) => {
      writable(config);
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
});

describe('a mount of proc', () => {
  it('is on no link', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], writable);
    renameSync(join(bundle, 'rootfs/proc'), join(bundle, 'rootfs/elsewhere'));
    symlinkSync('/elsewhere', join(bundle, 'rootfs/proc'));
    const refused = { code: 1, stderr: expect.stringContaining('must be mounted on ordinary directory') };
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject(refused);
    expect(await runc('run', '--bundle', bundle, 'one')).toMatchObject(refused);
  });
});

describe('hooks', () => {
  it('of the program have its environment, and are named when they fail', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => {
      const hook = { path: '/bin/busybox', args: ['sh', '-c', 'echo $ONE $HOME; exit 3'] };
      Object.assign(config, { hooks: { startContainer: [hook] } });
      config.process.env = ['ONE=two', 'HOME='];
    });
    const failed = { code: 1, stderr: expect.stringMatching(/error running startContainer hook #0: .*exit status 3: two \/(root)?/) };
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject(failed);
  });
});
