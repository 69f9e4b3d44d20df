import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'setpriv'] });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

const FIRST = 200_000;
const COUNT = 65_536;
const maps = [{ containerID: 0, hostID: FIRST, size: COUNT }];

/** A bundle with a user namespace, whose root is its own root's. */
function mappedBundle(args: readonly string[], change: Parameters<typeof makeBundle>[2] = () => undefined): string {
  const bundle = makeBundle(folder, args, (config) => {
    config.linux.namespaces.push({ type: 'user' });
    Object.assign(config.linux, { uidMappings: maps, gidMappings: maps });
    config.root = { path: 'rootfs', readonly: false };
    change(config);
  });
  execFileSync('chown', ['-R', `${FIRST}:${FIRST}`, join(bundle, 'rootfs')]);
  return bundle;
}

describe('a container with a user namespace', () => {
  it('has other ids than the host, its devices and limits, and binds of what only root may see', async () => {
    const secret = join(folder, 'of-root');
    mkdirSync(join(secret, 'shown'), { recursive: true });
    writeFileSync(join(secret, 'shown/file'), 'bound\n');
    chmodSync(secret, 0o700);
    const script = [
      'busybox tr -s " " < /proc/self/uid_map; id -u; id -g; cat /bound/file',
      'echo x > /made && busybox chown 7:8 /made; busybox stat -c "%F %t:%T" /dev/null; echo gone > /dev/null; busybox grep -c " /dev/null .*nosuid,.*noexec" /proc/self/mountinfo; busybox head -c 3 /dev/zero | busybox wc -c',
      'ulimit -Hn; cat /proc/self/oom_score_adj; busybox grep -c . /proc/sys/kernel/cap_last_cap; busybox ls /sys/fs/cgroup > /dev/null && echo groups',
    ];
    const bundle = mappedBundle(['sh', '-c', script.join(';')], (config) => {
      config.mounts.push({ destination: '/bound', type: 'bind', source: join(secret, 'shown'), options: ['rbind', 'ro'] });
      const sets = ['bounding', 'effective', 'permitted'].map((name) => [name, ['CAP_CHOWN']]);
      Object.assign(config.process, { capabilities: Object.fromEntries(sets), oomScoreAdj: 500 });
      Object.assign(config.process, { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1000, hard: 2_000 }] });
    });
    const call = await oci('run', '--bundle', bundle, 'ours');
    expect(call).toMatchObject({ code: 0, stderr: '' });
    expect(
      call.stdout
        .trim()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual([...[`0 ${FIRST} ${COUNT}`, '0', '0', 'bound', 'character special file 1:3', '1', '3', '2000', '500', '1', 'groups']]);
    const made = lstatSync(join(bundle, 'rootfs/made'));
    expect([made.uid, made.gid]).toEqual([FIRST + 7, FIRST + 8]);
  });

  it('has the devices of config.json as nodes of its own, with their owners and modes, also those that the host has not or has otherwise', async () => {
    const show = 'busybox stat -c "%F %t:%T %a %u:%g"';
    const script = `for one in /dev/own /dev/ram0 /dev/zero /data/null /dev/pipe; do ${show} $one; done; busybox head -c 3 /dev/own | busybox wc -c; busybox grep -c /dev/own /proc/mounts`;
    const device = { type: 'c', major: 1, minor: 5, fileMode: 0o640 } as const;
    const bundle = mappedBundle(['sh', '-c', script], ({ linux }) => {
      linux.devices = [
        { ...device, path: '/dev/own', fileMode: 0o644, uid: 10, gid: 11 },
        { ...device, path: '/dev/ram0', type: 'b', minor: 200 },
        { ...device, path: '/dev/zero', fileMode: 0o600, uid: 3 },
        { ...device, path: '/data/null', minor: 3, gid: 4 },
        { type: 'p', path: '/dev/pipe', fileMode: 0o622, uid: 1, gid: 2 },
      ];
    });
    const nodes = [
      ...['character special file 1:5 644 10:11', 'block special file 1:c8 640 0:0', 'character special file 1:5 600 3:0'],
      ...['character special file 1:3 640 0:4', 'fifo 0:0 622 1:2'],
    ];
    expect(await oci('run', '--bundle', bundle, 'ours')).toEqual({ code: 0, stdout: [...nodes, '3', '1', ''].join('\n'), stderr: '' });
    // the host's own are as they were
    expect(lstatSync('/dev/zero')).toMatchObject({ uid: 0, mode: 0o20666 });
  });

  it('has a device of the host, as with runc, where nobody outside has the id of its owner', async () => {
    const bundle = mappedBundle(['busybox', 'stat', '-c', '%t:%T %a %u', '/dev/full'], ({ linux }) => {
      linux.devices = [{ type: 'c', path: '/dev/full', major: 1, minor: 7, fileMode: 0o600, uid: COUNT }];
    });
    for (const path of [folder, bundle]) chmodSync(path, 0o711);
    const told = { code: 0, stdout: '1:7 666 65534\n', stderr: '' };
    expect(await oci('run', '--bundle', bundle, 'ours')).toEqual(told);
    expect(await runc('run', '--bundle', bundle, 'theirs')).toEqual(told);
  });

  it('has the devices of the host where whoever calls the runtime has not the capability to make any', async () => {
    const bundle = mappedBundle(['busybox', 'stat', '-c', '%t:%T %a %u', '/dev/full'], ({ linux }) => {
      linux.devices = [{ type: 'c', path: '/dev/full', major: 1, minor: 7, fileMode: 0o600, uid: 3 }];
    });
    const withoutMknod = ['--bounding-set', '-mknod', '--inh-caps', '-mknod'];
    const command = [process.execPath, programFile('nacelle-oci'), '--root', states, 'run', '--bundle', bundle, 'ours'];
    expect(await called('setpriv', [...withoutMknod, ...command])).toEqual({ code: 0, stdout: '1:7 666 65534\n', stderr: '' });
  });

  it('has more binds than come to its process with one answer of the shim', async () => {
    const source = join(folder, 'of-many');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'bound\n');
    const bundle = mappedBundle(['sh', '-c', 'cat /many/*/file | busybox wc -l'], (config) => {
      for (let index = 0; index < 40; index++)
        config.mounts.push({ destination: `/many/${index}`, type: 'bind', source, options: ['bind'] });
    });
    expect(await oci('run', '--bundle', bundle, 'ours')).toMatchObject({ code: 0, stdout: '40\n', stderr: '' });
  });

  it('is entered, and its groups are as runc’s', async () => {
    const user = { uid: 5, gid: 6, additionalGids: [7] };
    const bundle = mappedBundle(['busybox', 'sleep', '1000'], (config) => Object.assign(config.process, { user }));
    // runc goes there with the rights of the container's root
    for (const path of [folder, bundle]) chmodSync(path, 0o711);
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const { pid } = JSON.parse((await oci('state', 'one')).stdout);
    expect(readlinkSync(`/proc/${pid}/ns/user`)).not.toBe(readlinkSync('/proc/self/ns/user'));
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(new RegExp(`^Uid:\\t${FIRST + 5}\\t`, 'm'));
    const ask = ['busybox', 'grep', '-E', '^(Uid|Gid|Groups|Cap...):', '/proc/self/status'];
    const ours = await oci('exec', 'one', ...ask);
    const where = await oci('exec', 'one', 'busybox', 'readlink', '/proc/self/ns/user');
    expect(where.stdout.trim()).toBe(readlinkSync(`/proc/${pid}/ns/user`));
    expect(await oci('exec', '--user', '70000', 'one', 'true')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('process.user.uid: has 70000'),
    });
    await oci('delete', '--force', 'one');
    expect(await runc('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
    expect(ours).toEqual(await runc('exec', 'one', ...ask));
  });

  it('joins a network namespace of the host’s, and is joined', async () => {
    const pod = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await oci('run', '--detach', '--bundle', pod, 'pod');
    const { pid } = JSON.parse((await oci('state', 'pod')).stdout);
    const bundle = mappedBundle(['busybox', 'sleep', '1000'], (config) => {
      for (const namespace of config.linux.namespaces) if (namespace.type === 'network') namespace.path = `/proc/${pid}/ns/net`;
      // sysfs shows devices of the network namespace, which is not the container's
      config.mounts = config.mounts.filter((mount) => !('type' in mount && mount.type === 'sysfs'));
      config.mounts = config.mounts.filter((mount) => !('type' in mount && mount.type === 'cgroup'));
      config.linux.maskedPaths = [];
    });
    expect(await oci('run', '--detach', '--bundle', bundle, 'member')).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await oci('exec', 'member', 'busybox', 'readlink', '/proc/self/ns/net');
    expect(stdout.trim()).toBe(readlinkSync(`/proc/${pid}/ns/net`));
  });

  it('joins that of another container, with what belongs to it, as runc does', async () => {
    expect(await oci('run', '--detach', '--bundle', mappedBundle(['busybox', 'sleep', '1000']), 'pod')).toMatchObject({
      code: 0,
      stderr: '',
    });
    const { pid } = JSON.parse((await oci('state', 'pod')).stdout);
    const shared = { user: 'user', network: 'net', ipc: 'ipc', uts: 'uts' } as const;
    const linkOf = (name: string): string => readlinkSync(`/proc/${pid}/ns/${name}`);
    const script = [
      'for n in user net ipc uts mnt pid; do busybox readlink /proc/self/ns/$n; done; busybox tr -s " " < /proc/self/uid_map; id -u; id -G',
      'busybox ls /sys/class/net; busybox grep -E "^(Uid|CapEff|NoNewPrivs)" /proc/self/status; echo x > /made; echo gone > /dev/null; cat /bound/file',
    ].join(';');
    const secret = join(folder, 'of-root-alone');
    mkdirSync(join(secret, 'shown'), { recursive: true });
    writeFileSync(join(secret, 'shown/file'), 'bound\n');
    const member = mappedBundle(['sh', '-c', script], (config) => {
      for (const namespace of config.linux.namespaces) {
        const [, name] = Object.entries(shared).find(([type]) => type === namespace.type) ?? [];
        if (name !== undefined) namespace.path = `/proc/${pid}/ns/${name}`;
      }
      delete config.hostname;
      config.mounts.push({ destination: '/bound', type: 'bind', source: join(secret, 'shown'), options: ['rbind', 'ro'] });
    });
    const ours = await oci('run', '--bundle', member, 'member');
    expect(ours).toMatchObject({ code: 0, stderr: '' });
    const lines = ours.stdout.trim().split('\n');
    expect(lines.slice(0, 4)).toEqual(Object.values(shared).map(linkOf));
    for (const [at, name] of [
      [4, 'mnt'],
      [5, 'pid'],
    ] as const)
      expect([linkOf(name), readlinkSync(`/proc/self/ns/${name}`)]).not.toContain(lines[at]);
    expect(lines[6]?.trim()).toBe(`0 ${FIRST} ${COUNT}`);
    expect(lines.at(-1)).toBe('bound');
    expect(lstatSync(join(member, 'rootfs/made')).uid).toBe(FIRST);
    for (const path of [folder, member]) chmodSync(path, 0o711);
    const theirs = await runc('run', '--bundle', member, 'member');
    const alike = ({ stdout }: { stdout: string }) =>
      stdout
        .trim()
        .split('\n')
        .filter((_, at) => at !== 4 && at !== 5);
    expect(alike(ours)).toEqual(alike(theirs));
  });

  it('that is joined has to be what config.json says, and another than the runtime’s', async () => {
    await oci('run', '--detach', '--bundle', mappedBundle(['busybox', 'sleep', '1000']), 'pod');
    const { pid } = JSON.parse((await oci('state', 'pod')).stdout);
    const joining = (path: string, size = COUNT) =>
      mappedBundle(['busybox', 'sleep', '1000'], (config) => {
        for (const namespace of config.linux.namespaces) if (namespace.type === 'user') namespace.path = path;
        if (size !== COUNT) Object.assign(config.linux, { uidMappings: [{ containerID: 0, hostID: FIRST, size }] });
      });
    for (const [bundle, words] of [
      [joining(`/proc/${pid}/ns/user`, 1000), 'linux.uidMappings: differs'],
      [joining('/proc/self/ns/user'), 'is the user namespace of the runtime'],
      [joining(`/proc/${pid}/ns/net`), 'is no user namespace'],
    ] as const)
      expect(await oci('create', '--bundle', bundle, 'member')).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
    // a program of exec is entered where the container's process is, whatever has become of the path
    expect(await oci('run', '--detach', '--bundle', joining(`/proc/${pid}/ns/user`), 'member')).toMatchObject({ code: 0, stderr: '' });
    const users = readlinkSync(`/proc/${pid}/ns/user`);
    await oci('delete', '--force', 'pod');
    expect((await oci('exec', 'member', 'busybox', 'readlink', '/proc/self/ns/user')).stdout.trim()).toBe(users);
    expect(await oci('exec', '--user', '70000', 'member', 'true')).toMatchObject({ code: 255, stderr: expect.stringContaining('70000') });
  });
});
