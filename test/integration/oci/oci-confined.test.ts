import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { removeGroups } from '../../fixtures/groups.js';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { bundleGroups, makeBundle, runtimeIn } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

// What a container, or who is in one, could do to what nacelle-oci does for it.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const root = join(folder, 'states');
const oci = runtimeIn(root);

afterEach(async () => {
  for (const id of readdirSync(folder).includes('states') ? readdirSync(root) : []) await oci('delete', '--force', id);
  await removeGroups(...bundleGroups());
});

async function done(...args: string[]): Promise<string> {
  const call = await oci(...args);
  expect(call, args.join(' ')).toMatchObject({ code: 0, stderr: '' });
  return call.stdout;
}

const pidOf = async (id: string): Promise<number> => JSON.parse(await done('state', id)).pid;
const sleeping = ['busybox', 'sleep', '1000'];

/** A filter that refuses one call, so that it is seen that there is one; what it compares with is no number of JavaScript's. */
const args = [{ index: 0, op: 'SCMP_CMP_NE', value: 2n ** 63n + 1n }];
const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['sync'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args }] };

describe('a program of `exec`', () => {
  it.each([true, false])('has the confinement of config.json in the pid namespace; no new privileges: %s', async (noNewPrivileges) => {
    const bundle = makeBundle(folder, sleeping, (config) => {
      Object.assign(config.linux, { seccomp });
      Object.assign(config.process, { noNewPrivileges, user: { uid: 1000, gid: 1000 } });
      config.process.rlimits = [{ type: 'RLIMIT_NPROC', soft: 77, hard: 88 }];
    });
    await done('run', '--detach', '--bundle', bundle, 'one');
    const text = await done(
      'exec',
      'one',
      'sh',
      '-c',
      'busybox cat /proc/self/status; ulimit -u; ulimit -Hu; busybox readlink /proc/self/ns/pid',
    );
    expect(text).toMatch(/^Seccomp:\s+2$/m);
    expect(text).toMatch(/^CapBnd:\s+0000000020000420$/m);
    expect(text).toMatch(/^CapEff:\s+0000000000000000$/m);
    expect(text).toMatch(new RegExp(`^NoNewPrivs:\\s+${noNewPrivileges ? 1 : 0}$`, 'm'));
    expect(text.trim().split('\n').slice(-3)).toEqual(['77', '88', readlinkSync(`/proc/${await pidOf('one')}/ns/pid`)]);
    await done('delete', '--force', 'one');
  });
});

describe('a container in a pid namespace of another one', () => {
  it('is set up outside, and tells its hooks of the process that is there then', async () => {
    await done('run', '--detach', '--bundle', makeBundle(folder, sleeping), 'pod');
    const pod = await pidOf('pod');
    const log = join(folder, 'hooks');
    writeFileSync(log, '');
    const hook = (name: string, file: string) => [
      {
        path: '/bin/sh',
        args: ['sh', '-c', `read -r state; echo "${name} $(readlink /proc/self/ns/pid) $(umask) $state" >> ${file}`],
        env: ['PATH=/bin:/usr/bin'],
      },
    ];
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox cat /log; exec busybox sleep 1000'], (config) => {
      config.root = { path: 'rootfs', readonly: false };
      for (const namespace of config.linux.namespaces) if (namespace.type === 'pid') namespace.path = `/proc/${pod}/ns/pid`;
      config.hooks = {
        createRuntime: hook('createRuntime', log),
        createContainer: hook('createContainer', log),
        startContainer: hook('startContainer', '/log').map((one) => ({
          ...one,
          args: one.args.map((arg) => arg.replace('readlink', 'busybox readlink')),
        })),
      };
    });
    await done('create', '--bundle', bundle, 'member');
    const pid = await pidOf('member');
    const own = readlinkSync('/proc/self/ns/pid');
    expect(readlinkSync(`/proc/${pid}/ns/pid`)).toBe(readlinkSync(`/proc/${pod}/ns/pid`));
    // confined already, with the pipes open that it waits at
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^CapBnd:\s+0000000020000420$/m);
    expect(
      readdirSync(`/proc/${pid}/fd`)
        .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
        .filter((path) => path.startsWith(root)).length,
    ).toBe(2);
    const outside = readFileSync(log, 'utf8').trim().split('\n');
    expect(outside.map((line) => line.split(' ').slice(0, 2))).toEqual([
      ['createRuntime', own],
      ['createContainer', own],
    ]);
    expect(outside[1]?.split(' ')[2]).toBe('0022');
    await done('start', 'member');
    const inside = join(bundle, 'rootfs/log');
    await until('its hook has run', () => readFileSync(inside, 'utf8').includes('\n'));
    const [, namespace, , ...state] = readFileSync(inside, 'utf8').trim().split(' ');
    expect([namespace, JSON.parse(state.join(' ')).pid]).toEqual([readlinkSync(`/proc/${pod}/ns/pid`), pid]);
    // its /proc shows the other one
    expect(await done('exec', 'member', 'sh', '-c', 'busybox cat /proc/1/cmdline')).toBe('busybox\0sleep\x001000\0');
    await done('kill', 'member', 'KILL');
    await until('it has ended', () => (processInfo(pid)?.state ?? 'Z') === 'Z');
    await done('delete', 'member');
    await done('delete', '--force', 'pod');
  });
});

describe('a mount of proc', () => {
  it('has the options of config.json, and takes sysctls wherever it is from', async () => {
    const bundle = makeBundle(
      folder,
      ['sh', '-c', 'busybox grep " /proc proc" /proc/mounts; busybox cat /proc/sys/net/ipv4/ip_forward'],
      (config) => {
        config.mounts = [
          { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
          { destination: '/proc/', type: 'proc', source: 'proc', options: ['nosuid', 'hidepid=invisible'] },
        ];
        config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
      },
    );
    const [mount, forward] = (await done('run', '--bundle', bundle, 'one')).split('\n');
    expect(mount).toMatch(/nosuid.*hidepid=invisible/);
    expect(forward).toBe('1');
    const bound = makeBundle(folder, ['busybox', 'true'], (config) => {
      config.mounts = [
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
        { destination: '/proc', type: 'bind', source: join(folder, 'fake'), options: ['bind'] },
      ];
      config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
    });
    mkdirSync(join(folder, 'fake/sys/net/ipv4'), { recursive: true });
    writeFileSync(join(folder, 'fake/sys/net/ipv4/ip_forward'), 'as it was');
    expect(await oci('run', '--bundle', bound, 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('EXDEV') });
    expect(readFileSync(join(folder, 'fake/sys/net/ipv4/ip_forward'), 'utf8')).toBe('as it was');
  });
});

describe('devices', () => {
  it.each([
    [undefined, 'not permitted'],
    [{ devices: [] }, 'not permitted'],
    [{ devices: [{ allow: true, access: 'rwm' }] }, 'No such device'],
  ])('are those of the rules and no others: %j', async (resources, message) => {
    const script = 'busybox mknod /dev/x c 511 1; busybox cat /dev/x; echo >/dev/null && echo null';
    const bundle = makeBundle(folder, ['sh', '-c', script], (config) => {
      config.linux.resources = resources;
      const sets = ['bounding', 'effective', 'permitted'].map((name) => [name, ['CAP_MKNOD']]);
      config.process.capabilities = Object.fromEntries(sets);
      config.mounts = [
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
        { destination: '/proc', type: 'proc', source: 'proc' },
      ];
    });
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ stdout: 'null\n', stderr: expect.stringContaining(message) });
  });
});

describe('`kill --all`', () => {
  it('ends each process of the group', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox sleep 1000 & busybox sleep 1001']);
    await done('run', '--detach', '--bundle', bundle, 'one');
    const pids = async (): Promise<number[]> => JSON.parse(await done('ps', '--format', 'json', 'one'));
    await until('they run', async () => (await pids()).length >= 2);
    await done('pause', 'one');
    await done('kill', '--all', 'one', 'KILL');
    expect(await pids()).toEqual([]);
    await done('delete', 'one');
  });
});
