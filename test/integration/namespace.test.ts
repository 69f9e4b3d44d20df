import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, expect } from 'vitest';
import { Namespace } from '../../lib/namespace/namespace.js';
import { type NamespaceType, namespaceTypes } from '../../lib/plan/namespace-types.js';
import { isAlive, namespaceOf, pidOf, readLink } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const tools = ['lsns', 'ip', 'nsenter', 'unshare', 'mount', 'grep', 'hostname'];
const { describe, it } = requires({ containers: true, groups: true, tools, kernel: '5.6' });
/** Maps of any ids, the namespaces of others, files that show a namespace to others. */
const asRoot = requires({ root: true, tools, kernel: '5.6' });
const exec = promisify(execFile);

const made: Namespace[] = [];
afterEach(async () => {
  for (const namespace of made.splice(0)) await namespace.close();
});

async function create<T extends NamespaceType>(
  types: T[],
  options?: Parameters<typeof Namespace.create>[1],
): Promise<Record<T, Namespace>> {
  const namespaces = await Namespace.create(types, options);
  made.push(...types.map((type) => namespaces[type]));
  return namespaces;
}

async function keep(promise: Promise<Namespace>): Promise<Namespace> {
  const namespace = await promise;
  made.push(namespace);
  return namespace;
}

const inode = (link: string | null): bigint => BigInt(/\d+/.exec(link ?? '')?.[0] ?? -1);

// The first use starts the shim, which then stays.
beforeAll(async () => {
  if (process.geteuid?.() !== 0) return;
  const { uts } = await Namespace.create(['uts']);
  await uts.run(['true']);
  await uts.close();
});

describe('new namespaces', () => {
  it.each(namespaceTypes)('%s: another than Node’s, which stays in its own', async (type) => {
    const before = namespaceOf('self', type);
    const { [type]: namespace } = await create([type]);
    expect(namespace?.type).toBe(type);
    expect(namespace?.inode).not.toBe(inode(before));
    expect(readlinkSync(`/proc/self/fd/${namespace?.fd}`)).toBe(`${type}:[${namespace?.inode}]`);
    expect(namespaceOf('self', type)).toBe(before);
  });

  asRoot.it('all at once, owned by the new user namespace', async () => {
    const all = await create([...namespaceTypes]);
    for (const type of namespaceTypes.filter((name) => name !== 'user')) {
      expect((await keep(all[type].owner())).inode).toBe(all.user.inode);
    }
    expect((await keep(all.user.parent())).inode).toBe(inode(namespaceOf('self', 'user')));
    expect((await keep(all.pid.parent())).inode).toBe(inode(namespaceOf('self', 'pid')));
    await expect(all.net.parent()).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  asRoot.it('map ids, and keep setgroups where the maker may', async () => {
    const map = [{ inside: 0, outside: 100_000, count: 1000 }];
    const { user } = await create(['user'], { uidMap: map, gidMap: map });
    const { stdout } = await user.run(['sh', '-c', 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u; id -g']);
    expect(stdout.trim().split(/\s+/)).toEqual(['0', '100000', '1000', '0', '100000', '1000', 'allow', '0', '0']);
  });

  it('have a host name of their own', async () => {
    const { uts } = await create(['uts'], { hostname: 'inside' });
    expect((await uts.run(['hostname'])).stdout).toBe('inside\n');
    expect((await exec('hostname')).stdout).not.toBe('inside\n');
  });

  it('have clocks of their own', async () => {
    const { time } = await create(['time'], { timeOffsets: { monotonic: 2_000, boottime: 1_000_000_000 } });
    const { stdout } = await time.run(['cat', '/proc/self/timens_offsets', '/proc/uptime']);
    expect(stdout).toMatch(/monotonic\s+2\s+0\nboottime\s+1000000\s+0\n/);
    expect(Number(stdout.trim().split('\n').at(-1)?.split(' ')[0])).toBeGreaterThan(1_000_000);
  });

  // A namespace's inode number is given anew at once, maybe to one of another test: so a link tells, which goes with its peer.
  it('go when nobody holds them', async () => {
    const { net } = await create(['net']);
    const { net: near } = await create(['net']);
    const sleeper = near.run(['sleep', '1000']);
    const inside = String(await sleeper.pid);
    await net.run(['ip', 'link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'near', 'netns', inside]);
    const links = async () => (await near.run(['ip', '-o', 'link'])).stdout;
    expect(await links()).toContain('near@');
    await net.close();
    await net.close();
    await until('the link has gone with its peer', async () => !(await links()).includes('near@'));
    sleeper.kill();
    await sleeper;
    expect(() => net.fd).toThrow(/closed/);
    await expect(net.run(['true'])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('a pid namespace', () => {
  it('takes a second program after the first one ended', async () => {
    const { pid } = await create(['pid']);
    expect((await pid.run(['sh', '-c', 'echo $$'])).stdout).toBe('2\n');
    expect((await pid.run(['sh', '-c', 'echo $$'])).stdout).toBe('3\n');
  });

  it('ends with all its processes', async () => {
    const { pid } = await Namespace.create(['pid']);
    const execution = pid.run(['sleep', '1000']);
    const inside = await execution.pid;
    expect(namespaceOf(inside, 'pid')).toBe(`pid:[${pid.inode}]`);
    await pid.close();
    expect(await execution).toMatchObject({ signal: 'SIGKILL' });
    expect(isAlive(inside)).toBe(false);
  });

  it('its init reaps what is left to it', async () => {
    const { pid, mnt } = await create(['pid', 'mnt']);
    // A loop that only ends when no zombie is left.
    const script = 'mount -t proc proc /proc; (sh -c "exit 3" & exec true); while cat /proc/[0-9]*/stat | grep -q ") Z "; do :; done';
    expect(await pid.run(['sh', '-c', script], { with: [mnt], timeout: 300_000 })).toMatchObject({ status: 'ok' });
  });
});

describe('programs', () => {
  it('run in any mix of all types', async () => {
    const all = await create([...namespaceTypes]);
    const { net, ...others } = all;
    const { stdout } = await net.run(['sh', '-c', 'for t in mnt net ipc uts user cgroup time; do readlink /proc/self/ns/$t; done'], {
      with: Object.values(others).filter(({ type }) => type !== 'pid'),
    });
    const types = ['mnt', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;
    expect(stdout.trim().split('\n')).toEqual(types.map((type) => `${type}:[${all[type].inode}]`));
    expect((await net.run(['sh', '-c', 'id -u; echo $$'], { with: Object.values(others) })).stdout).toBe('0\n2\n');
  });

  asRoot.it('run in a user namespace beside a namespace that is not its own', async () => {
    const { user } = await create(['user']);
    const { net } = await create(['net']);
    const { stdout } = await user.run(['readlink', '/proc/self/ns/user', '/proc/self/ns/net'], { with: [net] });
    expect(stdout).toBe(`user:[${user.inode}]\nnet:[${net.inode}]\n`);
  });

  asRoot.it('see the same as with nsenter', async () => {
    const child = spawn('unshare', ['-n', '-u', 'sleep', 'infinity'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    try {
      await until(
        'it is in a namespace of its own',
        () => ![namespaceOf('self', 'net'), null].includes(readLink(`/proc/${child.pid}/ns/net`)),
      );
      const net = await keep(Namespace.of(pidOf(child), 'net'));
      const uts = await keep(Namespace.of(pidOf(child), 'uts'));
      const script = 'cat /proc/net/dev; readlink /proc/self/ns/uts';
      const oracle = await exec('nsenter', ['-t', String(child.pid), '-n', '-u', 'sh', '-c', script]);
      expect((await net.run(['sh', '-c', script], { with: [uts] })).stdout).toBe(oracle.stdout);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  it('get input, environment and folder as asked for', async () => {
    const { ipc } = await create(['ipc']);
    const result = await ipc.run(['sh', '-c', 'cat; pwd; echo "$A"; id -u; exit 3'], {
      input: 'in\n',
      cwd: '/usr',
      env: { A: 'b' },
      user: '65534',
    });
    expect(result).toMatchObject({ stdout: 'in\n/usr\nb\n65534\n', exitCode: 3, status: 'nonzero-exit' });
  });

  it('end with all that they started', async () => {
    const { net } = await create(['net']);
    const execution = net.run(['sh', '-c', 'setsid sleep 1000 & echo $!; sleep 1000'], { timeout: 300 });
    const { status, stdout } = await execution;
    expect(status).toBe('timeout');
    expect(isAlive(Number(stdout))).toBe(false);
  });

  it('are refused by option', async () => {
    const { net, uts } = await create(['net', 'uts']);
    const invalid = { code: 'ERR_INVALID_OPTION' };
    await expect(net.run([])).rejects.toMatchObject(invalid);
    await expect(net.run(['true'], { with: [net] })).rejects.toMatchObject(invalid);
    await expect(net.run(['true'], { cwd: 'relative', with: [uts] })).rejects.toMatchObject(invalid);
    await expect(net.run(['nacelle-no-such-program'])).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

interface Listed {
  ns: number;
  type: string;
  nprocs: number | null;
  pid: number;
  command: string;
  user: string;
}

async function lsns(): Promise<Listed[]> {
  const { stdout } = await exec('lsns', ['--json', '--output', 'NS,TYPE,NPROCS,PID,COMMAND,USER']);
  return JSON.parse(stdout).namespaces;
}

describe('the list', () => {
  asRoot.it('is lsns’s', async () => {
    const child = spawn('unshare', ['-n', '-i', 'sleep', 'infinity'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    try {
      await until('it sleeps', () => readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').startsWith('sleep'));
      const oracle = await lsns();
      const ours = await Namespace.list();
      // Other processes come and go: what has several members, or the one that this test knows, and is the same afterwards stands still.
      const after = await lsns();
      const stable = oracle.filter(
        ({ ns, nprocs, pid }) => (nprocs ?? 0) > 1 - Number(pid === child.pid) && after.some((one) => one.ns === ns && one.pid === pid),
      );
      expect(stable.length).toBeGreaterThanOrEqual(8);
      for (const { ns, type, pid, command, user } of stable) {
        expect(ours.find((entry) => entry.inode === BigInt(ns))).toMatchObject({
          type,
          pid,
          user,
          command: expect.stringContaining(command.slice(0, 20)),
        });
      }
      const mine = oracle.filter(({ pid }) => pid === child.pid).map(({ ns, nprocs }) => [BigInt(ns), nprocs]);
      expect(mine).toHaveLength(2);
      for (const [ns, nprocs] of mine) expect(ours.find((entry) => entry.inode === ns)?.processes).toBe(nprocs);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  it('can be of one type', async () => {
    const list = await Namespace.list({ type: 'uts' });
    expect(new Set(list.map(({ type }) => type))).toEqual(new Set(['uts']));
    expect(list.map((entry) => entry.inode)).toContain(inode(namespaceOf('self', 'uts')));
    // @ts-expect-error no such type
    await expect(Namespace.list({ type: 'nope' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

describe('a namespace of a process', () => {
  it.each(namespaceTypes)('%s: Node’s own', async (type) => {
    expect((await keep(Namespace.of('self', type))).inode).toBe(inode(namespaceOf('self', type)));
  });

  it('needs a process', async () => {
    await expect(Namespace.of(4_194_303, 'net')).rejects.toMatchObject({ code: 'ENOENT', path: '/proc/4194303/ns/net' });
    await expect(Namespace.of(0, 'net')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

describe('a pinned namespace', () => {
  const pinned = new Set<string>();
  afterEach(async () => {
    for (const path of pinned) await Namespace.unpin(path).catch(() => undefined);
    pinned.clear();
  });

  asRoot.it('lives without a process, and is what ip netns works with, in other mount namespaces too', async () => {
    const ownRun = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs test /run && "$@"', 'sh'];
    // what ip netns makes of /run/netns, where it comes first; the machine's own, hidden, may be listed before
    const [command = '', ...args] = [...ownRun, 'sh', '-c', 'ip netns add a && cat /proc/self/mountinfo'];
    const fields = (await exec(command, args)).stdout.split('\n').map((line) => line.split(' '));
    const [, , , root, , , propagation = ''] = fields.findLast((line) => line[4] === '/run/netns') ?? [];
    expect(await runNode('pin', [], { through: ownRun })).toEqual({
      shared: [[root, propagation.replace(/\d+/, 'N')]],
      listed: ['a', 'b', 'c', 'd', 'e'],
      inside: true,
      seenThere: true,
      unpinnedThere: true,
      deletedHere: true,
      opened: true,
      left: [false, false],
    });
  });

  asRoot.it('of every type but mnt can be opened again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
    try {
      const types = namespaceTypes.filter((type) => type !== 'mnt');
      const all = await create(types);
      for (const type of types) {
        const path = join(folder, 'deep', type);
        pinned.add(path);
        await all[type].pin(path);
        expect(await keep(Namespace.open(path))).toMatchObject({ type, inode: all[type].inode });
        await Namespace.unpin(path);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  asRoot.it('takes no file that is there, and leaves it alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
    try {
      const path = join(folder, 'file');
      writeFileSync(path, 'mine');
      const { uts } = await create(['uts']);
      await expect(uts.pin(path)).rejects.toMatchObject({ code: 'EEXIST' });
      await expect(Namespace.unpin(path)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
      await expect(Namespace.open(path)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
      // whoever opened this one would wait for somebody who writes
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      await expect(Namespace.open(join(folder, 'pipe'))).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
      await expect(Namespace.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
      expect(readFileSync(path, 'utf8')).toBe('mine');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
