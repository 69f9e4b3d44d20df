import { expect } from 'vitest';
import { Container, Namespace } from '../../../lib/index.js';
import type { NamespaceType } from '../../../lib/plan/namespace-types.js';
import { namespaceOf, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const types: NamespaceType[] = ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'user', 'time'];

/** The namespaces of a program in a container, by type. */
async function inside(options: Parameters<typeof output>[1] = {}): Promise<Record<string, string>> {
  const links = (await output(`for type in ${types.join(' ')}; do readlink /proc/self/ns/$type; done`, options)).split('\n');
  return Object.fromEntries(types.map((type, index) => [type, links[index] ?? '']));
}

const outside = (type: NamespaceType): string => namespaceOf('self', type) ?? '';

describe('by default', () => {
  it('all are new but time, and root’s user namespace', async () => {
    const found = await inside();
    for (const type of types) {
      if (type === 'time' || (type === 'user' && isRoot)) expect(found[type], type).toBe(outside(type));
      else expect(found[type], type).not.toBe(outside(type));
    }
  });

  it('two containers share none of them', async () => {
    // both alive while they are looked at: the kernel gives the number of one that is gone to the next
    const sleeper = async () => Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await using one = await sleeper();
    await using two = await sleeper();
    for (const type of types.filter((name) => name !== 'user' && name !== 'time')) {
      expect(namespaceOf(one.pid, type), type).not.toBe(namespaceOf(two.pid, type));
    }
  });
});

describe("'host'", () => {
  for (const type of ['pid', 'net', 'ipc', 'uts', 'cgroup'] as const) {
    const { it: test } = type === 'pid' || type === 'cgroup' ? asRoot : { it };
    test(`${type} is the host's, the others are not`, async () => {
      const found = await inside({ namespaces: { [type]: 'host' } });
      expect(found[type]).toBe(outside(type));
      for (const other of ['mnt', 'pid', 'net', 'ipc', 'uts'].filter((name) => name !== type)) {
        expect(found[other], other).not.toBe(outside(other as NamespaceType));
      }
    });
  }

  it("uts: the host's name stays as it is", async () => {
    const name = readText('/proc/sys/kernel/hostname');
    expect(await output('cat /proc/sys/kernel/hostname', { namespaces: { uts: 'host' } })).toBe(name?.trim());
    expect(readText('/proc/sys/kernel/hostname')).toBe(name);
  });
});

describe("'new'", () => {
  it('time, with offsets', async () => {
    const found = await inside({ namespaces: { time: 'new' } });
    expect(found.time).not.toBe(outside('time'));
    const day = 86_400;
    const uptime = Number((await output('cat /proc/uptime', { timeOffsets: { boottime: 100 * day * 1000 } })).split(' ')[0]);
    const host = Number(readText('/proc/uptime')?.split(' ')[0]);
    expect(Math.round((uptime - host) / day)).toBe(100);
  });
});

describe('given ones', () => {
  asRoot.it('any mix of given, new and host', async () => {
    const given = await Namespace.create(['uts', 'ipc', 'net'], { hostname: 'given' });
    try {
      const found = await inside({ namespaces: { uts: given.uts, ipc: given.ipc, net: given.net, cgroup: 'host' } });
      for (const type of ['uts', 'ipc', 'net'] as const) expect(found[type]).toBe(`${type}:[${given[type].inode}]`);
      expect(found.cgroup).toBe(outside('cgroup'));
      expect(found.pid).not.toBe(outside('pid'));
      expect(await output('cat /proc/sys/kernel/hostname', { namespaces: { uts: given.uts } })).toBe('given');
    } finally {
      await Promise.all([given.uts.close(), given.ipc.close(), given.net.close()]);
    }
  });

  it('a pid namespace, in which the program is not process 1', async () => {
    const { pid } = await Namespace.create(['pid']);
    try {
      const options = { namespaces: { pid } };
      expect(Number(await output('echo $$', options))).toBeGreaterThan(1);
      expect((await inside(options)).pid).toBe(`pid:[${pid.inode}]`);
      // It outlives the container: a second one may join.
      expect(Number(await output('echo $$', options))).toBeGreaterThan(1);
    } finally {
      await pid.close();
    }
  });

  it('a pid namespace, beside clocks of its own', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    const options = { namespaces: { pid }, timeOffsets: { boottime: 1_000_000 } };
    expect(await inside(options)).toMatchObject({ pid: `pid:[${pid.inode}]`, time: expect.not.stringContaining(outside('time')) });
    const result = await sh('cat; echo failed >&2', { ...options, input: 'read' });
    expect(result).toMatchObject({ status: 'ok', stdout: 'read', stderr: 'failed\n' });
  });

  it("another container's: they see each other", async () => {
    await using first = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await first.start();
    await using pid = await first.namespace('pid');
    await using ipc = await first.namespace('ipc');
    const found = await inside({ namespaces: { pid, ipc } });
    expect(found.pid).toBe(namespaceOf(first.pid, 'pid'));
    expect(found.ipc).toBe(namespaceOf(first.pid, 'ipc'));
    expect(await output('cat /proc/1/comm', { namespaces: { pid } })).toBe('sleep');
  });

  it('one of the wrong type is refused', async () => {
    await using uts = await Namespace.of('self', 'uts');
    await expect(output('true', { namespaces: { net: uts } })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});
