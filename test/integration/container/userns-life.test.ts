import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { Container, type ContainerOptions, Image } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
useDetached();
const folder = temporaryFolder();
useNewStore(folder);
const { it } = requires({ root: true, tools: ['busybox', 'tar'], kernel: '6.3' });
const { describe } = requires({});

/** The plain container is the oracle: in a user namespace everything is to be as it is there. */
const both = [
  {},
  { userns: 'auto' },
  { userns: { uid: [{ inside: 0, outside: 300_000, count: 65_536 }], gid: [{ inside: 0, outside: 200_000, count: 65_536 }] } },
] as const;

async function live(options: ContainerOptions): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
  await container.start();
  return container;
}

/** What a piece of work gives in each kind of container. */
async function inEach<T>(work: (container: Container) => Promise<T>, options: ContainerOptions = {}): Promise<T[]> {
  const results: T[] = [];
  for (const kind of both) {
    const container = await live({ ...kind, ...options });
    results.push(await work(container));
    await container.remove({ force: true });
  }
  return results;
}

const expectSame = ([plain, ...others]: readonly unknown[]): void => {
  for (const other of others) expect(other).toEqual(plain);
};

const outputOf = async (container: Container, script: string, options = {}): Promise<string> =>
  (await container.exec(['sh', '-c', script], options)).stdout;

describe.each([
  ['of this process', {}],
  ['that is detached', { detach: true }],
] as const)('a container %s', (_, how) => {
  it('runs programs as any user, in all of its namespaces and with no right of the host', async () => {
    const script =
      'id; grep -E "^(Cap|NoNew|Seccomp|Groups)" /proc/self/status; cut -d" " -f5,6 /proc/self/stat; echo out > /dev/stdout; [ -t 0 ]; echo $?';
    const seen = await inEach(async (container) => {
      const all = [await outputOf(container, script), await outputOf(container, script, { user: 'user' })];
      const types = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];
      const links = types.map((type) => `[ $(readlink /proc/self/ns/${type}) = $(readlink /proc/1/ns/${type}) ] || echo ${type}`);
      expect(await outputOf(container, links.join('; '))).toBe('');
      return [...all, await outputOf(container, 'tty; stat -c %u $(tty)', { tty: true, user: 'user' })];
    }, how);
    expect(seen[0]?.[1]).toContain('uid=1000(user)');
    expectSame(seen);
  });

  it('takes files and gives them, with their owners, also from folders of root alone', async () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed, { recursive: true });
    writeFileSync(join(closed, 'file'), 'text', { mode: 0o600 });
    chmodSync(closed, 0o700);
    expectSame(
      await inEach(async (container) => {
        await container.copyTo('/made', 'text');
        await container.copyTo('/tree', { source: closed, uid: 7, gid: 8 });
        const first = await buffer(await container.copyFrom('/tree'));
        await outputOf(container, 'mkdir /again');
        await container.copyTo('/again', await container.copyFrom('/tree/'));
        const list = await outputOf(container, 'stat -c "%n %a %u %g" /made /tree /tree/file /again /again/file');
        return [list, /\0(?:0*7)\0/.test(first.toString('latin1'))];
      }, how),
    );
  });

  it('tells its changes as a plain one does', async () => {
    const script =
      'mkdir -p /a/b; echo x > /a/b/c; chown 33:44 /a/b/c; rm -r /home; mkdir /home; rm /etc/group; chmod 700 /etc; echo y >> /etc/passwd';
    const seen = await inEach(async (container) => {
      await outputOf(container, script);
      const changes = [];
      for await (const change of container.changes()) changes.push(change);
      const layer = await buffer(await container.layer({ clampMtime: new Date(0) }));
      return [changes, layer.toString('latin1')];
    }, how);
    expect(seen[0]?.[0]).toHaveLength(7);
    expectSame(seen);
  });

  it('is healthy by its check, and reads as its user what it hands out', async () => {
    const healthcheck = { test: ['CMD-SHELL', 'id -u; [ -e /ready ]'], interval: 20, timeout: 10_000 };
    await inEach(
      async (container) => {
        await container.copyTo('/ready', '');
        await container.waitFor({ healthy: true });
        expect((await container.inspect()).health?.log.at(-1)).toMatchObject({ exitCode: 0, output: expect.stringMatching(/^1000/) });
      },
      { ...how, healthcheck, user: '1000:1000' },
    );
  });
});

it('is committed as a plain one is', async () => {
  const image = await loadBusybox();
  const digests = [];
  for (const kind of both) {
    const container = await Container.create({ image, command: ['sh', '-c', 'echo x > /new; chown 33 /new'], ...kind });
    await container.start();
    await container.wait();
    const made = await Image.commit(container, { created: new Date(0) });
    digests.push(made.digest);
    await container.remove();
    expect((await Container.run({ image: made, command: ['stat', '-c', '%u', '/new'], ...kind })).stdout).toBe('33\n');
  }
  await Image.prune();
});

it('reads what copyOut names with the rights of its user, and has an init and a terminal', async () => {
  const results = [];
  for (const kind of both) {
    const script = 'echo mine > /tmp/mine; tty > /tmp/tty; id -u > /tmp/id; ps -o pid,comm | head -2 > /tmp/ps';
    const options = { ...(await busybox()), ...kind, init: true, tty: true, user: 'user', copyOut: ['/tmp', '/etc/shadow', '/root'] };
    const { files } = await Container.run({ ...options, command: ['sh', '-c', script] });
    results.push(
      Object.fromEntries(Object.entries(files).map(([path, file]) => [path, String(Reflect.get(Object(file), 'content') ?? file)])),
    );
  }
  expectSame(results);
});
