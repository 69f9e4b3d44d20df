import { beforeAll, expect } from 'vitest';
import { Container, reap, VethPair } from '../../../lib/index.js';
import { isAlive, namespaceOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox', 'unshare'] });

async function sleeper(): Promise<Container<'utf8'>> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
  await container.start();
  return container;
}

/** With the first pause Node opens what it keeps. */
beforeAll(async () => {
  await using container = await sleeper();
  await container.pause();
});

/** What asks for a namespace of a container. */
const askers: [string, (container: Container<'utf8'>) => Promise<unknown>][] = [
  ['namespace()', (container) => container.namespace('net')],
  ['a container that shares its network', async (network) => Container.run({ ...(await busybox()), command: ['true'], network })],
  ['a VethPair', (peer) => VethPair.create({ peer })],
];

describe('of a container that has ended nothing can be joined', () => {
  it.each(askers)('by %s, after wait() and after remove()', async (_, ask) => {
    await using container = await sleeper();
    await container.kill();
    await container.wait();
    const said = { code: 'ERR_STATE', message: expect.stringContaining('it has ended') };
    await expect(ask(container)).rejects.toMatchObject(said);
    await container.remove();
    await expect(ask(container)).rejects.toMatchObject(said);
  });

  it.each(askers)('by %s, when its process is gone and Node has not heard of that', async (_, ask) => {
    await using container = await sleeper();
    process.kill(container.pid, 'SIGKILL');
    // without a turn of the event loop
    while (isAlive(container.pid)) {}
    expect(container.state).toBe('running');
    await expect(ask(container)).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  asRoot.it('also when its number is that of another process', async () => {
    const { reused, own, before, after } = await runNode<Record<'reused' | 'own' | 'before' | 'after', string>>('reused-pid', [], {
      through: ['unshare', '--pid', '--fork', '--mount-proc'],
    });
    expect(reused).toBe(own);
    expect(before).not.toBe(own);
    expect(after).toBe('ERR_STATE');
    // its shim was killed with the namespace
    await reap();
  });
});

it('of one that is created, running or paused, they are its own', async () => {
  await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
  const look = async () => {
    const found: string[] = [];
    for (const type of ['mnt', 'net', 'pid', 'user'] as const) {
      await using namespace = await container.namespace(type);
      found.push(`${type}:[${namespace.inode}]`);
    }
    expect(found).toEqual((['mnt', 'net', 'pid', 'user'] as const).map((type) => namespaceOf(container.pid, type)));
  };
  await look();
  await container.start();
  await Promise.all([look(), look()]);
  await container.pause();
  await look();
});
