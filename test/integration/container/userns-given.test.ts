import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, Namespace, type RunOptions } from '../../../lib/index.js';
import { namespaceOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const folder = temporaryFolder();
// the changes are on a tmpfs, whose owners can be mapped since 6.3
const { describe, it } = requires({ root: true, tools: ['busybox'], kernel: '6.3' });

/** A folder of the host that one user owns. */
function folderOf(uid: number, gid: number): string {
  const path = join(folder, `of-${uid}-${gid}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'file'), 'x');
  for (const name of [path, join(path, 'file')]) chownSync(name, uid, gid);
  return path;
}

const bound = (source: string) => ({ mounts: [{ type: 'bind', source, target: '/bound' }] }) as const;

describe("userns: 'keep-id'", () => {
  it.each([
    ['1234', 1234, 1234],
    ['1234:55', 1234, 55],
    ['70000', 70_000, 70_000],
    ['65535', 65_535, 65_535],
  ])('user %s is that user outside too, and all others are of the range', async (user, uid, gid) => {
    const path = folderOf(uid, gid);
    const script = 'id -u; stat -c %u:%g /bound/file /etc/passwd; echo y > /bound/new; stat -c %u:%g /bound/new';
    const seen = await output(script, { userns: 'keep-id', user: String(user), ...bound(path), readOnly: false });
    expect(seen.split('\n')).toEqual([String(uid), `${uid}:${gid}`, '0:0', expect.stringMatching(`^${uid}:`)]);
    expect(statSync(join(path, 'new')).uid).toBe(uid);
  });

  it.each([undefined, 'user', '0', '0:5'])('needs the number of a user, which %s is not', async (user) => {
    const options = { ...(await busybox()), userns: 'keep-id', command: ['true'], user } as const;
    await expect(Container.run(options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('keep-id') });
  });
});

describe('maps by hand', () => {
  const maps = (start: number, count: number) => [{ inside: 0, outside: start, count }];

  it('say who is who', async () => {
    const userns = { uid: maps(300_000, 2000), gid: maps(400_000, 3000) };
    const seen = await output('echo $(cat /proc/self/uid_map /proc/self/gid_map); stat -c %u:%g /bound/file', {
      userns,
      ...bound(folderOf(300_033, 400_044)),
    });
    expect(seen).toBe('0 300000 2000 0 400000 3000\n33:44');
  });

  it.each<[string, RunOptions['userns']]>([
    ['overlap', { uid: [...maps(300_000, 10), { inside: 5, outside: 900_000, count: 1 }], gid: maps(300_000, 10) }],
    ['are empty', { uid: [], gid: maps(300_000, 10) }],
    ['reach too far', { uid: maps(2 ** 32 - 5, 10), gid: maps(300_000, 10) }],
    ['have no root', { uid: [{ inside: 1, outside: 300_000, count: 5 }], gid: maps(300_000, 10) }],
  ])('that %s are refused', async (_, userns) => {
    await expect(output('true', { userns })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

describe('a user namespace that is joined', () => {
  it('is the container’s, with its ids, and others of the same owner can be joined beside it', async () => {
    const map = [{ inside: 0, outside: 600_000, count: 65_536 }];
    const { user, net, pid } = await Namespace.create(['user', 'net', 'pid'], { uidMap: map, gidMap: map });
    try {
      const namespaces = { user, pid };
      await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], namespaces, network: net });
      await container.start();
      expect(namespaceOf(container.pid, 'user')).toBe(`user:[${user.inode}]`);
      expect(statSync(`/proc/${container.pid}`).uid).toBe(600_000);
      const exec = await container.exec(['sh', '-c', 'id -u; stat -c %u /etc/passwd; ls /sys/class/net; readlink /proc/self/ns/user']);
      expect(exec.stdout).toBe(`0\n0\nlo\nuser:[${user.inode}]\n`);
      // the streams too are those of the caller, in a process that enters both
      const beside = await Container.run({ ...(await busybox()), command: ['sh', '-c', 'cat; echo >&2 said'], input: 'heard', namespaces });
      expect(beside).toMatchObject({ status: 'ok', stdout: 'heard', stderr: 'said\n' });
    } finally {
      for (const namespace of [user, net, pid]) await namespace.close();
    }
  });

  it('can’t have the pid namespace of another, and the error says why', async () => {
    const { pid } = await Namespace.create(['pid']);
    await expect(output('true', { userns: 'auto', namespaces: { pid } })).rejects.toThrow(/join only what belongs to that user namespace/);
    await pid.close();
  });

  it.each([
    ['userns', { userns: 'auto', namespaces: { user: 'host' } }],
    ['namespaces', { namespaces: { user: 'new' } }],
    ['scheduler', { userns: 'auto', scheduler: { policy: 'deadline', runtime: 1, deadline: 5, period: 5 } }],
  ])('%s is refused beside what contradicts it', async (option, options) => {
    const error = await Promise.resolve(
      Reflect.apply(Container.run, Container, [{ ...(await busybox()), command: ['true'], ...options }]),
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${option}`) });
  });
});
