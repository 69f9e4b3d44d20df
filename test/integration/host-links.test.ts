import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, useNets } from '../fixtures/nets.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'python3'], kernel: '5.12' });
const temporary = temporaryFolder();
useNets();

const [EPERM, EACCES] = [-1, -13];

describe("this machine's links, from a container on a network", () => {
  it('are out of reach, but for NET_ADMIN without a user namespace, as is documented', async () => {
    const machine = await machineInWorld(temporary);
    await inside(machine.net, 'ip', 'link', 'add', 'own0', 'type', 'veth', 'peer', 'name', 'own1');
    expect(await runNode('host-links', ['own0'], machine.from)).toEqual({
      asUsual: [EACCES, EPERM],
      inUserns: [EACCES, EACCES],
      // docs/security.md: who is given that capability is root over this machine's networks
      withNetAdmin: [0, 0],
    });
  });
});
