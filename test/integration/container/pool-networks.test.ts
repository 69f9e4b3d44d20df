import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { useNets } from '../../fixtures/nets.js';
import { runNode } from '../../fixtures/node.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { loneMachine, machineInWorld, WORLD_TOOLS } from '../../fixtures/world.js';

useLeakCheck();
useNets();
const temporary = temporaryFolder();
const TOOLS = isRoot ? [...WORLD_TOOLS, 'sleep'] : [];
const { it } = requires({ containers: true, kernel: '6.6', tools: TOOLS });
const withPasta = requires({ root: true, kernel: '6.6', tools: [...TOOLS, 'pasta'] });

/** What a scenario tells: root's in a network namespace of its own, a user's networks are in one in any case. */
async function told(scenario: string, machine: typeof loneMachine = loneMachine): Promise<unknown> {
  if (isRoot) return runNode('pool-networks', [scenario], (await machine(temporary)).from);
  const folder = join(temporary, scenario);
  mkdirSync(folder);
  return runNode('pool-networks', [scenario], { env: { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') } });
}

describe('a pool on a network', () => {
  it('has containers with addresses and names of their own that find others, and leaves nothing', async () => {
    expect(await told('usual')).toEqual({
      ...{ addresses: 11, names: 11, inSubnet: true, hosts: true },
      ...{ heard: 'server', removal: 'ERR_IN_USE', left: 'nothing' },
    });
  });

  it('is filled while this process does something else', async () => {
    expect(await told('blocked')).toEqual({ begun: true, left: 'nothing' });
  });

  it('gives a run its ports', async () => {
    expect(await told('ports', machineInWorld)).toEqual({ said: 'server', status: 'ok', inPool: 'ERR_INVALID_OPTION', left: 'nothing' });
  });

  it('shares the network of a container, as that is now', async () => {
    expect(await told('shared')).toEqual({
      first: ['server', '10.4.0.2'],
      next: ['server', '10.4.0.2'],
      refused: expect.stringMatching(/^ERR_/),
      left: 'nothing',
    });
  });

  it('tells of what a run was not to reach', async () => {
    const refused = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
    expect(await told('egress')).toMatchObject({ refused });
  });

  it('reaches ports of this machine', async () => {
    expect(await told('hostPorts')).toEqual(Array.from({ length: 4 }, () => 'mine'));
  });

  withPasta.it('has a way out by pasta', async () => {
    expect(await told('pasta', machineInWorld)).toEqual([true, true, true]);
  });

  it('leaves nothing, whoever is killed', async () => {
    expect(await told('killed')).toEqual({ seen: [[], [], []], left: 'nothing' });
  });
});
