import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'setpriv'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);

describe('flags of crun', () => {
  it('name the file in the place of config.json, which begins in the bundle', async () => {
    const bundle = makeBundle(folder, ['busybox', 'echo', 'hello']);
    renameSync(join(bundle, 'config.json'), join(bundle, 'other.json'));
    expect(await oci('run', '--config', 'other.json', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
    const whole = join(bundle, 'other.json');
    expect(await oci('run', '--config', whole, '--bundle', bundle, 'two')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
  });

  it('name the manager of groups: that which is there, and no other', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true']);
    expect(await oci('--cgroup-manager', 'cgroupfs', 'run', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    for (const manager of ['disabled', 'other'])
      expect(await oci('--cgroup-manager', manager, 'run', '--bundle', bundle, 'one')).toMatchObject({
        ...{ code: 1, stderr: expect.stringContaining(manager) },
      });
  });

  it('delete all whose ids an expression is found in, and no others', async () => {
    for (const id of ['web-1', 'web-2', 'other'])
      expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), id)).toMatchObject({ code: 0 });
    expect(await oci('delete', '--regex', '^web')).toMatchObject({ code: 1, stderr: expect.stringContaining('not stopped') });
    expect(await oci('delete', '--force', '--regex', '[')).toMatchObject({ code: 1, stderr: expect.stringContaining('-regex') });
    expect(await oci('delete', '--force', '--regex', '^web')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await oci('list', '--quiet')).toMatchObject({ stdout: 'other\n' });
  });
});

describe('the domain name', () => {
  it.each([
    [undefined, 'other'],
    ['other', 'other'],
  ])('%s beside the sysctl %s is that of the container', async (domainname, sysctl) => {
    const bundle = makeBundle(folder, ['busybox', 'cat', '/proc/sys/kernel/domainname'], (config) => {
      Object.assign(config, { domainname });
      Object.assign(config.linux, { sysctl: { 'kernel.domainname': sysctl } });
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: `${sysctl}\n`, stderr: '' });
  });

  it('is refused where the sysctl says another one, and in a uts namespace of others', async () => {
    const sysctl = { 'kernel.domainname': 'other' };
    const both = makeBundle(folder, ['true'], (config) => {
      Object.assign(config, { domainname: 'own' });
      Object.assign(config.linux, { sysctl });
    });
    expect(await oci('run', '--bundle', both, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('conflicts with domainname'),
    });
    const host = makeBundle(folder, ['true'], (config) => {
      Reflect.deleteProperty(config, 'hostname');
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'uts');
      Object.assign(config.linux, { sysctl });
    });
    expect(await oci('run', '--bundle', host, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('is not new') });
  });
});

describe('exec', () => {
  it('of a folder says so in the words that engines look for', async () => {
    expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), 'one')).toMatchObject({ code: 0 });
    expect(await oci('exec', 'one', '/proc')).toMatchObject({
      code: 255,
      stderr: expect.stringMatching(/is a directory.*is not a regular file/),
    });
  });
});

describe('a device', () => {
  it('may have the whole mode of one of the host, with its type, as podman --privileged writes it', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox stat -c %f /dev/own; busybox readlink /dev/ptmx'], ({ linux }) => {
      const own = { type: 'c', path: '/dev/own', major: 1, minor: 3, fileMode: 0o20640 };
      Object.assign(linux, { devices: [own, { type: 'c', path: '/dev/ptmx', major: 5, minor: 2, fileMode: 0o20666 }] });
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: `${(0o20640).toString(16)}\npts/ptmx\n`, stderr: '' });
  });
});

describe('the annotation run.oci.keep_original_groups', () => {
  /** Calls the runtime as root with the supplementary groups 7 and 9. */
  const grouped = (...args: string[]) => called('setpriv', ['--groups', '7,9', `${states}-nacelle-oci`, '--root', states, ...args]);

  it.each([
    ['1', '7 9\n', '0 7 9\n'],
    ['0', '\n', '0\n'],
  ])('of the value %s has a container, and programs of exec, with the groups of the runtime or without', async (value, groups, ids) => {
    // installs the front that is called with groups
    await oci('list');
    const status = ['busybox', 'awk', '/^Groups:/ { sub(/^Groups:[ \\t]*/, ""); sub(/ *$/, ""); print }', '/proc/self/status'];
    const change = (config: object): void => void Object.assign(config, { annotations: { 'run.oci.keep_original_groups': value } });
    expect(await grouped('run', '--bundle', makeBundle(folder, status, change), 'one')).toEqual({ code: 0, stdout: groups, stderr: '' });
    const sleeping = makeBundle(folder, ['busybox', 'sleep', '1000'], change);
    expect(await grouped('run', '--detach', '--bundle', sleeping, 'two')).toMatchObject({ code: 0 });
    expect(await grouped('exec', 'two', 'busybox', 'id', '-G')).toEqual({ code: 0, stdout: ids, stderr: '' });
  });
});
