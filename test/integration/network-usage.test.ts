import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { it } = requires({ root: true, containers: true, tools: ['ip', 'unshare', 'ping', 'sleep', 'true'] });
const temporary = temporaryFolder();

async function inOwnNetwork(scenario: string): Promise<unknown> {
  const folder = join(temporary, scenario);
  mkdirSync(folder);
  const env = { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') };
  return runNode('network-usage', [scenario], { through: ['unshare', '-n'], env });
}

it('stats() tells what each link has counted, as ip does, while the container has it', async () => {
  expect(await inOwnNetwork('counted')).toEqual({
    atFirst: ['eth0', 'second'],
    names: ['eth0', 'second'],
    fits: true,
    pinged: true,
    idle: true,
    shared: ['eth0', 'second'],
    host: null,
    none: {},
    exec: null,
    ended: [null, null],
  });
});

it("Container.list() finds who is on a network, by links of its own or another one's", async () => {
  const [own, kept, sharer] = [
    ['own', 'shop', 'bridge'],
    ['kept', 'shop'],
    ['sharer', 'shop'],
  ];
  expect(await inOwnNetwork('listed')).toEqual({
    all: [own, ['alone'], kept, sharer],
    shop: [own, kept, sharer],
    bridge: [own],
    both: [kept],
    missing: [],
    word: 'ERR_INVALID_OPTION: option network: is a word with another meaning for the network of a container',
  });
});
