import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'unshare'] });
const folder = temporaryFolder();
const { oci } = useRuntimes(folder);

/** A bundle in whose root a file says that it is there, in the mount namespace of the runtime or the one of a path. */
function bundleIn(path: string | null, args: readonly string[], change: Parameters<typeof makeBundle>[2] = () => undefined): string {
  const bundle = makeBundle(folder, args, (config) => {
    const others = config.linux.namespaces.filter(({ type }) => type !== 'mount');
    config.linux.namespaces = path === null ? others : [...others, { type: 'mount', path }];
    change(config);
  });
  writeFileSync(join(bundle, 'rootfs', 'marker'), 'inside\n');
  return bundle;
}

/** Without what other tests mount meanwhile in folders of theirs. */
const mountsOf = (pid: number | 'self'): string[] => {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
  return lines.filter((line) => !line.includes('/nacelle-test-') || line.includes(folder));
};
const namespaceOf = (pid: number | 'self'): string => readlinkSync(`/proc/${pid}/ns/mnt`);

async function pidOf(id: string): Promise<number> {
  return JSON.parse((await oci('state', id)).stdout).pid;
}

/** What the program sees: its root, that nothing can be written there, what is mounted and masked. */
const LOOK =
  'busybox cat /marker; busybox touch /new; busybox head -c 1 /proc/kcore | busybox wc -c; busybox test -c /dev/pts/ptmx && echo pts; pwd';
const SEEN = 'inside\n0\npts\n/\n';

describe('a container without a mount namespace', () => {
  it('is in that of the runtime, where nobody sees its root, and has all that is mounted in there', async () => {
    const before = mountsOf('self');
    const looks = bundleIn(null, ['sh', '-c', `(${LOOK}) 2> /dev/null`]);
    expect(await oci('run', '--bundle', looks, 'looks')).toEqual({ code: 0, stdout: SEEN, stderr: '' });
    const bundle = bundleIn(null, ['busybox', 'sleep', '1000']);
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(namespaceOf(await pidOf('one'))).toBe(namespaceOf('self'));
    expect(mountsOf('self')).toEqual(before);
  });

  it('has the programs of exec in its root, not in that of the runtime', async () => {
    expect(await oci('run', '--detach', '--bundle', bundleIn(null, ['busybox', 'sleep', '1000']), 'one')).toMatchObject({ code: 0 });
    const seen = await oci('exec', 'one', 'sh', '-c', `(${LOOK}) 2> /dev/null; busybox readlink /proc/self/ns/mnt`);
    expect(seen).toEqual({ code: 0, stdout: `${SEEN}${namespaceOf('self')}\n`, stderr: '' });
  });

  it('is refused with a user namespace', async () => {
    const bundle = bundleIn(null, ['true'], ({ linux }) => {
      linux.namespaces.push({ type: 'user' });
      const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      Object.assign(linux, { uidMappings: map, gidMappings: map });
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('linux.namespaces') });
  });
});

describe('a container in a mount namespace of others', () => {
  it('is there with its own root, and so are the programs of exec', async () => {
    const other = spawn('unshare', ['--mount', 'sh', '-c', 'echo; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(other.stdout, 'data');
      const pid = other.pid ?? 0;
      expect(namespaceOf(pid)).not.toBe(namespaceOf('self'));
      const [own, theirs] = [mountsOf('self'), mountsOf(pid)];
      const looks = bundleIn(`/proc/${pid}/ns/mnt`, ['sh', '-c', `(${LOOK}) 2> /dev/null`]);
      expect(await oci('run', '--bundle', looks, 'looks')).toEqual({ code: 0, stdout: SEEN, stderr: '' });
      const bundle = bundleIn(`/proc/${pid}/ns/mnt`, ['busybox', 'sleep', '1000']);
      expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
      expect(namespaceOf(await pidOf('one'))).toBe(namespaceOf(pid));
      expect([mountsOf('self'), mountsOf(pid)]).toEqual([own, theirs]);
      const seen = await oci('exec', 'one', 'sh', '-c', `(${LOOK}) 2> /dev/null; busybox readlink /proc/self/ns/mnt`);
      expect(seen).toEqual({ code: 0, stdout: `${SEEN}${namespaceOf(pid)}\n`, stderr: '' });
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
  });
});
