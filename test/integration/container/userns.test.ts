import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type DenialEvent, Namespace, type RunOptions, reap, Volume } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { useDetached } from '../../fixtures/detached.js';
import { entries, isAlive, readText } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const folder = temporaryFolder();
const store = useNewStore(folder);
// owners on a tmpfs, where the store and the changes of these tests are, can be mapped since 6.3
const { describe, it } = requires({ root: true, tools: ['busybox', 'tar'], kernel: '6.3' });

const auto = { userns: 'auto' } as const;
const RANGE = 65_536;

/** The lines of a map as numbers. */
const mapOf = (pid: number, name: 'uid_map' | 'gid_map'): number[][] =>
  (readText(`/proc/${pid}/${name}`) ?? '')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));

const leases = (): string[] => entries(join(runtimeDir(), 'ids'));

async function sleeper(options: RunOptions = auto): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
  await container.start();
  return container;
}

/** What there is in a container, with owners, modes and the like, but for what the kernel makes. */
const EVERYTHING = 'find / -path /proc -prune -o -path /sys -prune -o -exec stat -c "%n %F %a %u %g %t:%T" {} + | sort';

describe("userns: 'auto'", () => {
  it('gives two containers ranges of their own, for users and groups alike', async () => {
    await using one = await sleeper();
    await using two = await sleeper();
    const [first, second] = [one, two].map(({ pid }) => {
      expect(mapOf(pid, 'gid_map')).toEqual(mapOf(pid, 'uid_map'));
      const [[inside, outside, count] = []] = mapOf(pid, 'uid_map');
      expect([inside, count]).toEqual([0, RANGE]);
      expect(statSync(`/proc/${pid}`).uid).toBe(outside);
      return outside ?? 0;
    });
    expect(Math.abs(Number(first) - Number(second))).toBeGreaterThanOrEqual(RANGE);
    expect(leases().length).toBeGreaterThanOrEqual(2);
  });

  it('gives the range back at the end', async () => {
    await output('true', auto);
    const container = await sleeper();
    await container.remove({ force: true });
    expect(leases()).toEqual([]);
  });

  it('shows an image, a stored image, a folder and the host as they are without it', async () => {
    const stored = await loadBusybox();
    const rootfs = await busyboxRootfsCopy();
    for (const options of [await busybox(), { image: stored }, { rootfs }] satisfies RunOptions[]) {
      const run = async (more: RunOptions): Promise<string[]> =>
        (await Container.run({ ...options, command: ['sh', '-c', EVERYTHING], reject: true, ...more })).stdout.split('\n');
      const plain = await run({});
      expect(plain.length).toBeGreaterThan(300);
      expect(await run(auto)).toEqual(plain);
      expect(await run({ ...auto, readOnly: true })).toEqual(plain);
      if ('image' in options) expect(await run({ ...auto, upper: 'disk' })).toEqual(plain);
    }
    const script = 'find /etc /home /root /srv /tmp /usr/bin /usr/lib/x86_64-linux-gnu /var/log -exec stat -c "%n %F %a %u %g" {} + | sort';
    const host = async (more: RunOptions): Promise<string> =>
      (await Container.run({ image: 'host', command: ['sh', '-c', script], maxBuffer: 1 << 28, ...more })).stdout;
    expect(await host(auto)).toBe(await host({}));
  });

  it('has on disk the ids of its range in the upper, and those of inside in a volume and in a folder', async () => {
    const rootfs = await busyboxRootfsCopy();
    const script = 'for place in "" /data; do echo x > $place/new; echo x > $place/other; chown 33:44 $place/other; done; sleep 1000';
    await using container = await sleeper({ ...auto, upper: 'disk', volumes: ['data:/data'], command: ['sh', '-c', script] });
    const [[, start = 0] = []] = mapOf(container.pid, 'uid_map');
    const [upper = ''] = readdirSync(join(store.root, 'containers')).map((name) => join(store.root, 'containers', name, 'upper0'));
    const idsOf = (path: string): number[] => [statSync(path).uid, statSync(path).gid];
    const { path: volume } = await Volume.open('data');
    await until('the files are there', () => existsSync(join(volume, 'other')) && idsOf(join(volume, 'other'))[0] === 33);
    expect(idsOf(join(upper, 'new'))).toEqual([start, start]);
    expect(idsOf(join(upper, 'other'))).toEqual([start + 33, start + 44]);
    expect(idsOf(join(volume, 'new'))).toEqual([0, 0]);
    expect(idsOf(join(volume, 'other'))).toEqual([33, 44]);
    await output('echo x > /new; chown 33:44 /new', { image: undefined, rootfs, ...auto });
    expect(idsOf(join(rootfs, 'new'))).toEqual([33, 44]);
    // another range reads the same
    expect(await output('stat -c %u:%g /data/other', { ...auto, volumes: ['data:/data'] })).toBe('33:44');
  });

  it('has no right over the host: binds are of nobody, whoever is root inside', async () => {
    const secret = join(folder, 'secret');
    mkdirSync(secret);
    writeFileSync(join(secret, 'closed'), 'x', { mode: 0o600 });
    writeFileSync(join(secret, 'open'), 'x', { mode: 0o644 });
    const script =
      'cd /s; stat -c "%u %g" open; cat open; cat closed; echo y > open; chmod 777 closed; touch new; chown 0 open; mknod n c 1 3; true';
    const options = { ...auto, capAdd: ['ALL'], seccomp: 'unconfined', mounts: [{ type: 'bind', source: secret, target: '/s' }] } as const;
    expect((await output(`exec 2>&1; ${script}`, options)).match(/65534 65534|x|denied|not permitted/g)).toHaveLength(8);
    expect(readdirSync(secret).sort()).toEqual(['closed', 'open']);
    expect(statSync(join(secret, 'closed')).mode & 0o777).toBe(0o600);
  });

  it('may have every capability, each over what is its own alone', async () => {
    const mounts = 'mount -t tmpfs t /mnt && echo mounted; ip link set lo down && echo down; hostname other && hostname';
    const others = 'mknod /dev/sda b 8 0; date -s @0; dmesg';
    const options = { ...auto, capAdd: ['ALL'], seccomp: 'unconfined', maskedPaths: [] } as const;
    const made = await output(`mkdir -p /mnt; ${mounts}; { ${others}; } 2>&1 | grep -c "not permitted"`, options);
    expect(made).toBe('mounted\ndown\nother\n3');
  });

  it('copies folders that only root may read, and says who asks for an id that is not inside', async () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    writeFileSync(join(closed, 'file'), 'of root\n', { mode: 0o600 });
    chmodSync(closed, 0o700);
    expect(await output('cat /in/file', { ...auto, copyIn: { '/in': { source: closed } } })).toBe('of root');
    for (const user of ['70000', '0:70000']) {
      await expect(output('true', { ...auto, user })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    }
    const copyIn = { '/etc/passwd': 'far:x:70000:0::/:/bin/sh\nnear:x:5:5::/:/bin/sh\n', '/etc/group': 'far:x:70000:near\n' };
    await expect(output('true', { ...auto, copyIn, user: 'far' })).rejects.toThrow(/user or its group is not in the map/);
    await expect(output('true', { ...auto, copyIn, user: 'near' })).rejects.toThrow(/one of its groups is not in the map/);
  });

  it('shares the namespaces of the host that were asked for', async () => {
    const namespaces = { net: 'host', ipc: 'host', pid: 'host', cgroup: 'host' } as const;
    const seen = await output(`ls -d /sys/class/net/* /proc/${process.pid}`, { ...auto, namespaces });
    const devices = entries('/sys/class/net').map((name) => `/sys/class/net/${name}`);
    expect(seen.split('\n').sort()).toEqual([`/proc/${process.pid}`, ...devices].sort());
    const net = await Namespace.create(['net']);
    expect(await output('ls /sys/class/net', { ...auto, network: net.net })).toBe('lo');
    await net.net.close();
  });

  it('is the same again after a restart, and its ids stay its own until it is removed', async () => {
    const script = 'echo run >> /runs; echo $(cat /proc/self/uid_map); wc -l < /runs; [ $(wc -l < /runs) = 2 ]';
    const options = { ...auto, command: ['sh', '-c', script], restart: { on: 'failure', maxRetries: 3 } } as const;
    const container = await Container.create({ ...(await busybox()), ...options });
    await container.start();
    const { stdout } = await container.wait();
    const [first, one, second, two] = String(stdout).trim().split('\n');
    expect([one, two, second]).toEqual(['1', '2', first]);
    await container.remove();
    expect(leases()).toEqual([]);
  });

  it('tells of calls that its filter refuses, also to programs that join', async () => {
    const denials: DenialEvent[] = [];
    await using container = await sleeper({
      ...auto,
      tmpfs: { '/t': 'mode=1777' },
      seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 }] },
      onDenied: (event) => denials.push(event),
    });
    expect(await container.exec(['mkdir', '/t/joined'])).toMatchObject({ exitCode: 1 });
    expect(denials.map(({ paths, errno }) => [paths, errno])).toEqual([[['/t/joined'], 'EACCES']]);
  });

  it('takes a detached container, whose claim goes with its removal', async () => {
    const container = await sleeper({ ...auto, detach: true } as RunOptions);
    const [[, start] = []] = mapOf(container.pid, 'uid_map');
    expect(leases()).toEqual([`${start}.${container.id}`]);
    const attached = await Container.attach(container.id);
    expect((await attached.exec(['stat', '-c', '%u', '/etc/passwd'])).stdout).toBe('0\n');
    await attached.copyTo('/new', 'text');
    expect((await attached.exec(['stat', '-c', '%u', '/new'])).stdout).toBe('0\n');
    await attached.remove({ force: true });
    expect(leases()).toEqual([]);
  });

  it('is freed by the next reap where Node and the shim were killed, and by the shim where Node was', async () => {
    const options = { ...(await busybox()), ...auto, command: ['sh', '-c', 'echo begun; sleep 1000'] };
    for (const both of [false, true]) {
      const node = startNode('hold-userns', [JSON.stringify(options)]);
      const { value } = await node.lines.next();
      const { pid, shim } = JSON.parse(value) as { pid: number; shim: number };
      expect(leases().filter((name) => name.includes('.'))).toHaveLength(1);
      if (both) process.kill(shim, 'SIGKILL');
      node.process.kill('SIGKILL');
      await node.ended;
      await until('the container is gone', () => !isAlive(pid) && (both || !isAlive(shim)));
      if (both) expect((await reap()).failures).toEqual([]);
      expect(leases()).toEqual([]);
    }
  });
});

requires({ root: true, tools: ['busybox', 'unshare', 'mount', 'mkdir'] }).it(
  'is refused where an overlay holds the image, before anything is made',
  async () => {
    const places = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, name));
    const [lower = '', upper = '', work = '', merged = ''] = places;
    const { image } = await busybox();
    mkdirSync(merged);
    const script = `mkdir -p ${lower} ${upper} ${work} && mount -t overlay o -o lowerdir=${lower}:${image.slice(4)},upperdir=${upper},workdir=${work} ${merged} && exec "$@"`;
    const error = await runNode<{ code: string; message: string }>(
      'run',
      [JSON.stringify({ image: `dir:${merged}`, ...auto, command: ['true'] })],
      {
        through: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'],
      },
    );
    expect(error.code).toBe('ERR_UNSUPPORTED');
    expect(error.message).toContain(`${merged} lies on overlay, whose owners can't be mapped`);
    expect(leases()).toEqual([]);
  },
);

requires({ root: true, tools: ['busybox', 'unshare', 'mount'], kernel: '6.3' }).it(
  'is refused when all ranges are taken, until one is given back',
  async () => {
    const ids = join(folder, 'ids');
    writeFileSync(ids, `nacelle:700000:${RANGE}\n`);
    const script = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid && exec "$@"`;
    const told = await runNode<object>('ids-used-up', [JSON.stringify({ ...(await busybox()), ...auto, command: ['true'] })], {
      through: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'],
    });
    expect(told).toEqual({
      second: {
        code: 'ERR_NO_IDS',
        message: 'lease ids for a container: the ranges of nacelle in /etc/subuid and /etc/subgid are all taken',
      },
      exitCode: 0,
    });
    expect(leases()).toEqual([]);
  },
);
