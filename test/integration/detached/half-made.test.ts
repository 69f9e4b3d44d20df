import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, reap } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { ownerName } from '../../../lib/native/shim.js';
import { detachedShim, useDetached } from '../../fixtures/detached.js';
import { processInfo, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { it } = requires({ containers: true, groups: true, tools: ['busybox'] });

const temporary = temporaryFolder();
const inRuntime = (...names: string[]): string => join(runtimeDir(), ...names);

/** A container whose shim was killed after the end. */
async function deadAfterItsEnd(name: string): Promise<string> {
  const container = await Container.create({ ...(await busybox()), detach: true, name, command: ['true'] });
  await container.start();
  await container.wait();
  const shim = detachedShim(container.id);
  process.kill(shim, 'SIGKILL');
  await until('it is dead', () => processInfo(shim) === null);
  return container.id;
}

it('a shim that died before it had locked its file leaves nothing after reap()', async () => {
  ownerName();
  const file = inRuntime('owners', `${'a'.repeat(32)}.new`);
  writeFileSync(file, '');
  expect(await reap()).toMatchObject({ failures: [] });
  expect(existsSync(file)).toBe(false);
});

it('a shim that died before anything was written down leaves nothing after reap()', async () => {
  ownerName();
  const id = 'b'.repeat(32);
  mkdirSync(inRuntime('containers', id), { recursive: true });
  writeFileSync(inRuntime('owners', id), '');
  writeFileSync(inRuntime('containers', id, 'note.new'), '{');
  expect(await reap()).toEqual({ owners: [id], failures: [] });
  expect(existsSync(inRuntime('containers', id))).toBe(false);
});

it('what was written down for a shim that had ended just then is removed by reap()', async () => {
  ownerName();
  const [id, folder] = ['c'.repeat(32), join(temporary, 'made')];
  mkdirSync(folder);
  mkdirSync(inRuntime('records', id), { recursive: true });
  writeFileSync(inRuntime('records', id, 'own.json'), JSON.stringify([{ kind: 'tree', path: folder }]));
  expect(await reap()).toEqual({ owners: [id], failures: [] });
  expect([folder, inRuntime('records', id), inRuntime('owners', id)].filter(existsSync)).toEqual([]);
});

it('what is half removed when its shim dies is removed by reap(), its name too', async () => {
  const name = `nacelle-test-${process.pid}-half`;
  const id = await deadAfterItsEnd(name);
  expect(await reap()).toEqual({ owners: [], failures: [] });
  expect(await Container.list()).toMatchObject([{ id, name, state: 'stopped' }]);
  // the first thing that a removal does
  rmSync(inRuntime('containers', id, 'exit'));
  expect(await reap()).toEqual({ owners: [id], failures: [] });
  expect(await Container.list()).toEqual([]);
  for (const folder of ['names', 'records'])
    expect(readdirSync(inRuntime(folder)).filter((entry) => [name, id].includes(entry))).toEqual([]);
});

it('the name of a container is there whole or not at all', async () => {
  const name = `nacelle-test-${process.pid}-whole`;
  await using container = await Container.create({ ...(await busybox()), detach: true, name, command: ['true'] });
  expect(readText(inRuntime('names', name))).toBe(container.id);
  const other = Container.create({ ...(await busybox()), detach: true, name, command: ['true'] });
  await expect(other).rejects.toMatchObject({ code: 'ERR_NAME_TAKEN' });
  expect(readText(inRuntime('names', name))).toBe(container.id);
});
