import { execFileSync } from 'node:child_process';
import { chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

/** The id on disk, and what it is shown as. */
const shift = (inside: number, outside: number) => [{ containerID: inside, hostID: outside, size: 100 }];
const SHOW = 'busybox stat -c "%u:%g" /data /data/file; busybox touch /data/made && busybox stat -c "%u:%g" /data/made';

/** A folder with a file, which are a user's. */
function sharedFolder(name: string, owner: number): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'file'), 'x');
  for (const of of [path, join(path, 'file')]) chownSync(of, owner, owner);
  return path;
}

interface Mapping {
  readonly options: readonly string[];
  readonly uidMappings?: ReturnType<typeof shift>;
  readonly gidMappings?: ReturnType<typeof shift>;
}

function mappedBundle(source: string, mapping: Mapping, change: Parameters<typeof makeBundle>[2] = () => undefined): string {
  return makeBundle(folder, ['sh', '-c', SHOW], (config) => {
    config.mounts.push({ destination: '/data', type: 'bind', source, ...mapping });
    config.root = { path: 'rootfs', readonly: false };
    change(config);
  });
}

describe('a bind with maps of ids', () => {
  it.each([['idmap'], ['ridmap'], ['bind']])(
    'shows its files as those of others with %s, and keeps what is made as theirs',
    async (option) => {
      const source = sharedFolder(`of-${option}`, 1005);
      const maps = { uidMappings: shift(1000, 0), gidMappings: shift(1000, 2000) };
      const bundle = mappedBundle(source, { options: ['rbind', 'rshared', option], ...maps }, ({ process }) => {
        Object.assign(process, { user: { uid: 5, gid: 2005 } });
      });
      expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: '5:2005\n5:2005\n5:2005\n', stderr: '' });
      const made = lstatSync(join(source, 'made'));
      expect([made.uid, made.gid]).toEqual([1005, 1005]);
    },
  );

  it('without maps has those of the container’s user namespace', async () => {
    const source = sharedFolder('of-container', 5);
    const maps = [{ containerID: 0, hostID: 300_000, size: 65_536 }];
    const bundle = mappedBundle(source, { options: ['rbind', 'ro', 'idmap'] }, (config) => {
      config.linux.namespaces.push({ type: 'user' });
      Object.assign(config.linux, { uidMappings: maps, gidMappings: maps });
    });
    execFileSync('chown', ['-R', '300000:300000', join(bundle, 'rootfs')]);
    const call = await oci('run', '--bundle', bundle, 'one');
    expect(call.stdout).toBe('5:5\n5:5\n');
    expect(call.stderr).toMatch(/Read-only file system/);
  });

  it('keeps the flags of the host’s mount', async () => {
    const source = sharedFolder('of-flags', 1005);
    const mount = (options: string): Buffer => execFileSync('busybox', ['mount', '-o', options, source, source]);
    const maps = { uidMappings: shift(1000, 0), gidMappings: shift(1000, 0) };
    const bundle = mappedBundle(source, { options: ['rbind'], ...maps }, ({ process }) => {
      Object.assign(process, { args: ['busybox', 'grep', ' /data ', '/proc/self/mountinfo'] });
    });
    mount('bind');
    try {
      mount('remount,bind,ro,nosuid,nodev,noexec');
      const { stdout } = await oci('run', '--bundle', bundle, 'one');
      expect(stdout).toMatch(/ \/data ro,nosuid,nodev,noexec,/);
    } finally {
      execFileSync('busybox', ['umount', source]);
    }
  });

  it.each([
    ['no map of groups', { options: ['bind'], uidMappings: shift(0, 1) }, /mounts\[7\]\.gidMappings/],
    ['no maps at all', { options: ['bind', 'idmap'] }, /mounts\[7\]\.uidMappings.*no user namespace/],
    ['maps of no bind', { options: [], type: 'tmpfs', uidMappings: shift(0, 1), gidMappings: shift(0, 1) }, /mounts\[7\]\.uidMappings/],
  ])('is refused by its field with %s', async (_, mapping, message) => {
    const bundle = mappedBundle(folder, mapping);
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(message) });
  });

  it('is refused by what was bound where its file system has no such maps', async () => {
    const bundle = mappedBundle('/proc', { options: ['bind'], uidMappings: shift(0, 1), gidMappings: shift(0, 1) });
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({
      ...{ code: 1, stderr: expect.stringMatching(/show the owners of \/proc as ids of the user namespace: EINVAL.*ext4/) },
    });
  });
});
