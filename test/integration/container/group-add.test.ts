import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect } from 'vitest';
import {
  Cgroup,
  Container,
  type ContainerOptions,
  type ExecOptions,
  Namespace,
  type ProgramOptions,
  type RunOptions,
} from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { busyboxRootfs, busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const folder = temporaryFolder();
useNewStore(folder);
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'cat', 'id', 'tar'] });
const asRoot = requires({ root: true, tools: ['busybox', 'id', 'tar'] });
/** The largest id that there is inside. */
const LAST = isRoot ? '4294967294' : '65536';

const GROUPS = ['sh', '-c', 'id -G; grep Groups: /proc/self/status'];

/** What busybox's id says of a program's groups, its own first, and the kernel's sorted list, which has that one too. */
function groupsIn(stdout: string): [told: string | undefined, supplementary: string | undefined] {
  const [told, listed] = stdout.split('\n');
  return [told, listed?.replace('Groups:', '').trim()];
}

async function groups(options: RunOptions) {
  return groupsIn((await Container.run({ ...(await busybox()), command: GROUPS, reject: true, ...options })).stdout);
}

const sleeping = async (more: ContainerOptions = {}): Promise<Container> => {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...more });
  await container.start();
  return container;
};

describe('groupAdd', () => {
  it.each<[string, RunOptions, [string, string]]>([
    ['a user by name, who is in one by the files', { user: 'user' }, ['1000 2000', '1000 2000']],
    ['a uid that the files have', { user: 1000, groupAdd: [70] }, ['1000 70 2000', '70 1000 2000']],
    ['a uid that they have not', { user: '4321', groupAdd: ['tty', 77] }, ['0 5 77', '0 5 77']],
    ['a user and a group', { user: 'user:nogroup', groupAdd: ['extra'] }, ['65534 2000', '2000 65534']],
    ['two numbers', { user: '7:8', groupAdd: ['9', LAST] }, [`8 9 ${LAST}`, `8 9 ${LAST}`]],
    ['root, by default', { groupAdd: ['user'] }, ['0 1000', '0 1000']],
    ['one that the user is in already', { user: 'user', groupAdd: ['extra', '2000', 2000] }, ['1000 2000', '1000 2000']],
    ['an init of ours', { init: true, user: 'user', groupAdd: [3] }, ['1000 3 2000', '3 1000 2000']],
    ['none', { user: 'user', groupAdd: [] }, ['1000 2000', '1000 2000']],
  ])('adds groups to those of %s', async (_, options, expected) => {
    expect(await groups(options)).toEqual(expected);
  });

  it("leaves a program in its user's own group when a file gives it another (CVE-2022-36109)", async () => {
    const { stdout, stderr } = await Container.run({
      image: 'host',
      user: '1000:1000',
      noNewPrivileges: false,
      copyIn: {
        '/opt/as-another': { source: '/usr/bin/cat', uid: 0, gid: 70, mode: 0o2755 },
        '/opt/not-for-its-group': { content: 'secret\n', uid: 0, gid: 1000, mode: 0o604 },
        '/opt/not-for-71': { content: 'shown\n', uid: 0, gid: 71, mode: 0o604 },
      },
      command: ['/opt/as-another', '/proc/self/status', '/opt/not-for-71', '/opt/not-for-its-group'],
    });
    expect(stdout).toMatch(/^Gid:\t1000\t70\t70\t70$/m);
    expect([stdout.slice(-6), stderr]).toEqual(['shown\n', '/opt/as-another: /opt/not-for-its-group: Permission denied\n']);
  });

  it("adds them to those of an image's user, by the names of its own files", async () => {
    const files = { 'etc/passwd': 'worker:x:300:301::/:/bin/sh\n', 'etc/group': 'crew:x:302:worker\nonly-here:x:303:\n' };
    const layout = layoutOf({ one: [files] }, folder, { config: { User: 'worker' } });
    const { stdout } = await Container.run({
      image: `oci:${layout}:one`,
      copyIn: { '/bin/busybox': { source: join(await busyboxRootfs(), 'bin/busybox') } },
      command: ['/bin/busybox', 'id', '-G'],
      groupAdd: ['only-here', 304],
      reject: true,
    });
    expect(stdout).toBe('301 302 303 304\n');
  });

  it.each(['no-such', 'extra2'])('refuses the name %s, which is not in the container’s files', async (name) => {
    await expect(groups({ user: '0:0', groupAdd: [1, name] })).rejects.toMatchObject({
      name: 'SyscallError',
      code: 'ENOENT',
      message: expect.stringMatching(
        new RegExp(`^add the groups of groupAdd: ENOENT .*unable to find group ${name}: no matching entries in group file`),
      ),
    });
  });

  it('looks no name up in what is no file, and needs none for numbers', async () => {
    const rootfs = await busyboxRootfsCopy();
    try {
      rmSync(join(rootfs, 'etc/group'));
      execFileSync('mkfifo', [join(rootfs, 'etc/group')]);
      const run = (groupAdd: (string | number)[]) =>
        Container.run({ image: `dir:${rootfs}`, user: '0:0', groupAdd, command: ['grep', 'Groups:', '/proc/self/status'] });
      await expect(run(['tty'])).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringMatching(/groupAdd.*etc\/group/) });
      expect((await run([5])).stdout.trim()).toBe('Groups:\t0 5');
    } finally {
      rmSync(rootfs, { recursive: true });
    }
  });

  it('takes as many as a process can have here, and says so of more', async () => {
    const many = Array.from({ length: 255 }, (_, index) => 10_000 + index);
    expect((await groups({ groupAdd: many }))[1]?.split(' ')).toHaveLength(256); // with the user's own
    await expect(groups({ user: 'user', groupAdd: many })).rejects.toMatchObject({
      code: 'E2BIG',
      message: expect.stringMatching(/groupAdd.*at most 256 groups/),
    });
  });
});

describe.each([
  ['of this process', {}],
  ['that is detached', { detach: true }],
] as const)('a container %s', (_, how) => {
  it('has its groups in every program that joins, but for one with groups of its own', async () => {
    const made = await sleeping({ ...how, user: 'user', groupAdd: ['tty', 71] });
    const handle = made.isDetached ? await Container.attach(made.id) : made;
    const joined = async (options: ExecOptions = {}) => groupsIn((await handle.exec(GROUPS, { ...options, reject: true })).stdout);
    expect(await joined()).toEqual(['1000 5 71 2000', '5 71 1000 2000']);
    expect(await joined({ user: 'nobody' })).toEqual(['65534 5 71', '5 71 65534']);
    expect(await joined({ groupAdd: ['extra', 72] })).toEqual(['1000 72 2000', '72 1000 2000']);
    expect(await joined({ groupAdd: [] })).toEqual(['1000 2000', '1000 2000']);
    expect(await joined({ user: '9:9', groupAdd: [10] })).toEqual(['9 10', '9 10']);
    await expect(joined({ groupAdd: ['nowhere'] })).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringMatching(/groupAdd.*unable to find group nowhere/),
    });
    await made.remove({ force: true });
  });

  it('has them when it starts again, in its check and in what is read as its user', async () => {
    const container = await sleeping({
      ...how,
      user: 'user',
      groupAdd: [4242],
      restart: { on: 'always' },
      copyIn: { '/secret': { content: 'for the group\n', uid: 0, gid: 4242, mode: 0o640 } },
      healthcheck: { test: ['CMD', 'cat', '/secret'], interval: 20 },
    });
    await container.waitFor({ healthy: true });
    expect(await text(await container.copyFrom('/secret'))).toContain('for the group');
    const before = container.pid;
    await container.restart({ timeout: 0 });
    await until('it runs again', () => container.pid !== before && container.state === 'running');
    expect((await container.exec(['cat', `/proc/1/status`], { reject: true })).stdout).toMatch(/^Groups:\t1000 2000 4242 ?$/m);
    await container.remove({ force: true });
  });
});

describe('a program of the host', () => {
  let group: Cgroup | undefined;
  let namespace: Namespace | undefined;
  beforeAll(async () => {
    if (process.geteuid?.() !== 0) return;
    group = await Cgroup.create('group-add');
    namespace = (await Namespace.create(['uts'])).uts;
  });
  afterAll(async () => {
    await group?.remove();
    await namespace?.close();
  });

  asRoot.it('is in them beside those of this process, or of its user', async () => {
    for (const of of [group, namespace]) {
      const run = async (options: ProgramOptions) =>
        (await of?.run(['id', '-G'], { ...options, reject: true }))?.stdout.trim().split(' ').map(Number);
      expect(new Set(await run({ groupAdd: ['tty', 81] }))).toEqual(new Set([...(process.getgroups?.() ?? []), process.getgid?.(), 5, 81]));
      expect(await run({ user: '7:7', groupAdd: ['tty', 81] })).toEqual([7, 5, 81]);
      await expect(run({ groupAdd: ['no-such'] })).rejects.toMatchObject({
        code: 'ENOENT',
        message: expect.stringMatching(/groupAdd.*no-such/),
      });
    }
  });
});
