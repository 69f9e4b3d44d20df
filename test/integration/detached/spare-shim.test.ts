import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, reap } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { detachedShim, fileOf, findShim, folderOfDetached, useDetached } from '../../fixtures/detached.js';
import { cgroupFolders, entries, isAlive, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

const options = async () => ({ ...(await busybox()), detach: true, command: ['sleep', '1000'] }) as const;

/** The id that the next container will have. */
function spareId(): Promise<string> {
  const containers = join(runtimeDir(), 'containers');
  return until('a shim was started ahead', () =>
    entries(containers).find((id) => existsSync(fileOf(id, 'shim.sock')) && !existsSync(fileOf(id, 'note'))),
  );
}

/** What a shim leaves, or is. */
function traces(id: string): string[] {
  const pid = findShim(id);
  return [
    ...(pid === null ? [] : [`process ${pid}`]),
    ...['owners', 'containers', 'records'].map((name) => join(runtimeDir(), name, id)).filter((path) => existsSync(path)),
    ...cgroupFolders().filter((path) => path.includes(id)),
  ];
}

describe('the shim that is started ahead', () => {
  it('belongs to the next container, and another one follows', async () => {
    const first = await Container.create(await options());
    const id = await spareId();
    const shim = detachedShim(id);
    const [second, third] = await Promise.all([Container.create(await options()), Container.create(await options())]);
    expect(second.id).toBe(id);
    expect(detachedShim(second.id)).toBe(shim);
    expect(third.id).not.toBe(id);
    await second.start();
    expect((await Container.list()).map((item) => item.id).sort()).toEqual([first.id, second.id, third.id].sort());
    expect(await spareId()).not.toBe(id);
  });

  it('is no container', async () => {
    const container = await Container.create(await options());
    const id = await spareId();
    expect((await Container.list()).map((item) => item.id)).toEqual([container.id]);
    await expect(Container.attach(id)).rejects.toMatchObject({ code: 'ERR_NO_CONTAINER' });
    expect(await Container.prune()).toEqual({ containers: [] });
    expect(await reap()).toEqual({ owners: [], failures: [] });
    expect(isAlive(detachedShim(id))).toBe(true);
  });

  it.each([
    ['ends', null],
    ['is asked to end', 'SIGTERM'],
    ['is killed', 'SIGKILL'],
  ] as const)('ends with its process when that %s, and leaves nothing', async (_, signal) => {
    const program = startNode('spare', [JSON.stringify(await options()), signal === null ? 'end' : 'wait']);
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    if (signal !== null) {
      expect(traces(id)).not.toEqual([]);
      program.process.kill(signal);
    }
    expect(await program.ended).toMatchObject(signal === null ? { code: 0 } : { signal });
    await until('it has ended', () => traces(id).length === 0);
  });

  it('is reaped when it was killed, too', async () => {
    const program = startNode('spare', [JSON.stringify(await options()), 'wait']);
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    const shim = detachedShim(id);
    process.kill(shim, 'SIGKILL');
    program.process.kill('SIGKILL');
    await program.ended;
    await until('it is dead', () => !isAlive(shim));
    expect(existsSync(folderOfDetached(id))).toBe(true);
    const { owners, failures } = await reap();
    expect(owners).toContain(id);
    expect(failures).toEqual([]);
    expect(traces(id)).toEqual([]);
  });

  it('is of no use when it is dead: the next container gets a new one', async () => {
    await Container.create(await options());
    const id = await spareId();
    const shim = detachedShim(id);
    process.kill(shim, 'SIGKILL');
    // the event loop of this process does not turn meanwhile, and has not heard of the death when the container is made
    while (isAlive(shim)) readText('/proc/self/stat');
    const container = await Container.create(await options());
    expect(container.id).not.toBe(id);
    await container.start();
    expect(container.state).toBe('running');
    await reap();
  });
});
