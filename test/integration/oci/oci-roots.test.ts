import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { scriptParts } from '../../fixtures/script-parts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'unshare', 'mount', 'umount'] });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

const rights = (...names: string[]) => Object.fromEntries(['bounding', 'effective', 'permitted'].map((set) => [set, names]));

describe('a root that is changed without pivot_root(2)', () => {
  it('shows no mount of the host’s, as runc has it', async () => {
    const show =
      "busybox awk '{ print $5, $(NF - 2) }' /proc/self/mountinfo; busybox ls /; cd /..; busybox ls; busybox readlink /proc/self/root";
    const bundle = makeBundle(folder, ['sh', '-c', show], (config) => {
      config.mounts = config.mounts.filter((mount) => !('type' in mount && mount.type === 'cgroup'));
    });
    const call = await oci('run', '--no-pivot', '--bundle', bundle, 'ours');
    expect(call).toMatchObject({ code: 0, stderr: '' });
    const kernel = (text: string): string[] => text.split('\n').filter((line) => /^\/\S* (?:proc|sysfs)$/.test(line));
    expect(kernel(call.stdout).filter((line) => !line.startsWith('/proc/'))).toEqual(['/proc proc', '/sys sysfs']);
    expect(call.stdout).toContain(
      await runc('run', '--bundle', bundle, 'theirs').then(({ stdout }) => stdout.slice(stdout.indexOf('\nbin\n'))),
    );
  });

  const mounts = 'busybox unshare -U -r -m -p -f busybox sh -c "busybox mount -t proc proc /data && busybox echo mounted"; echo over';
  /** A bundle whose program could mount proc, if the kernel found an unmasked one. */
  const bundleOf = (command: readonly string[]): string => {
    const bundle = makeBundle(folder, [...command], (config) => {
      config.root = { path: 'rootfs', readonly: false };
      Object.assign(config.linux, { maskedPaths: ['/proc/timer_list'], readonlyPaths: [] });
      // who maps root has to have it
      Object.assign(config.process, { capabilities: rights('CAP_SETFCAP') });
    });
    mkdirSync(join(bundle, 'rootfs/data'), { recursive: true });
    return bundle;
  };

  it('lets no user namespace mount proc without what is masked', async () => {
    const call = await oci('run', '--no-pivot', '--bundle', bundleOf(['sh', '-c', mounts]), 'ours');
    expect(call.stdout).toBe('over\n');
    expect(call.stderr).toContain('mount: permission denied');
  });

  it('nor when the host, which shares its mounts, mounts one later', () => {
    const later = join(folder, 'later');
    mkdirSync(later);
    const command = `'${process.execPath}' '${programFile('nacelle-oci')}' --root '${states}'`;
    const script = `${command} run -d --no-pivot --bundle '${bundleOf(['busybox', 'sleep', '1000'])}' later > /dev/null < /dev/null
mount -t proc proc '${later}'
${command} exec later sh -c '${mounts}' 2>&1
${command} delete --force later`;
    const printed = execFileSync('unshare', ['--mount', '--propagation', 'shared', 'sh', '-c', script], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(printed).toBe('mount: permission denied (are you root?)\nover\n');
  });

  it('is entered as any other', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await oci('run', '-d', '--no-pivot', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    expect(
      await oci('exec', 'one', 'sh', '-c', 'echo /proc/[0-9]* > /dev/null; busybox readlink /proc/self/root; busybox hostname'),
    ).toEqual({
      ...{ code: 0, stdout: '/\nnacelle\n', stderr: '' },
    });
  });

  it('is refused in a user namespace', async () => {
    const bundle = makeBundle(folder, ['true'], (config) => {
      config.linux.namespaces.push({ type: 'user' });
      const maps = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
      Object.assign(config.linux, { uidMappings: maps, gidMappings: maps });
    });
    expect(await oci('run', '--no-pivot', '--bundle', bundle, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--no-pivot in a user namespace'),
    });
  });
});

describe('mounts that spread', () => {
  it.each([
    ['rshared', 'rshared'],
    ['rslave', 'rslave'],
    ['rprivate', 'rprivate'],
    ['', 'rshared'],
    ['shared', 'rprivate'],
  ])('do so with rootfsPropagation %j and the option %s as with runc', async (rootfsPropagation, option) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      const source = join(folder, 'source');
      config.mounts.push({ destination: '/shown', type: 'bind', source, options: ['rbind', option] });
      Object.assign(config.linux, { rootfsPropagation });
      Object.assign(config.process, { capabilities: rights('CAP_SYS_ADMIN') });
      config.root = { path: 'rootfs', readonly: false };
    });
    for (const name of ['source/inside', 'source/outside']) mkdirSync(join(folder, name), { recursive: true });
    const source = join(folder, 'source');
    const tries = (runtime: string): string => `
${runtime} run -d --bundle ${bundle} one > /dev/null
${runtime} exec one busybox mount -t tmpfs tmpfs /shown/inside; busybox grep -c ' ${source}/inside ' /proc/self/mountinfo
mount -t tmpfs tmpfs ${source}/outside; ${runtime} exec one busybox grep -c ' /shown/outside ' /proc/self/mountinfo; umount ${source}/outside
${runtime} exec one busybox awk '$5 == "/shown" { out = $5; for (at = 7; $at != "-"; at++) { sub(/:.*/, "", $at); out = out " " $at }; print out }' /proc/self/mountinfo
${runtime} delete --force one; umount ${source}/inside 2> /dev/null; ls ${source}`;
    const ours = `'${process.execPath}' '${programFile('nacelle-oci')}' --root '${states}'`;
    const theirs = `runc --root '${join(folder, 'runc')}'`;
    const script = `mount --bind ${source} ${source}; mount --make-shared ${source}; echo == ours; ${tries(ours)}; echo == theirs; ${tries(theirs)}`;
    const { stdout } = await called('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', `exec 2>&1; ${script}`]);
    const parts = scriptParts(stdout);
    expect(parts.ours).toBe(parts.theirs);
    expect(parts.ours?.split('\n')[0]).toBe(rootfsPropagation === 'rshared' ? '1' : '0');
  });
});
