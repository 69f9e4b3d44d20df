import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { useNets } from '../../fixtures/nets.js';
import { runNode } from '../../fixtures/node.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { loneMachine, WORLD_TOOLS } from '../../fixtures/world.js';

useLeakCheck();
useNets();
const temporary = temporaryFolder();
const { it } = requires({ containers: true, kernel: '6.6', tools: ['busybox', ...(isRoot ? WORLD_TOOLS : [])] });

/** What a scenario tells: root's in a network namespace of its own, a user's networks are in one in any case. */
async function told(scenario: string): Promise<unknown> {
  if (isRoot) return runNode('parked-networks', [scenario], (await loneMachine(temporary)).from);
  const folder = join(temporary, scenario);
  mkdirSync(folder);
  return runNode('parked-networks', [scenario], { env: { NACELLE_RUNROOT: join(folder, 'run'), NACELLE_ROOT: join(folder, 'store') } });
}

const NOTHING = { left: [], links: [], folders: [] };

describe('a container that is parked ahead of a run on a network', () => {
  it('has an address, a way out and a name then, and finds others', async () => {
    const seen = ['10.4.0.1', '1', 'server'];
    expect(await told('usual')).toEqual({ addresses: 3, told: [seen, seen, seen] });
  });

  it('has the result of one that was made for its run', async () => {
    expect(await told('shapes')).toEqual([]);
  });

  it('holds nothing of the network, which goes meanwhile', async () => {
    expect(await told('gone')).toEqual({ held: [], ...NOTHING });
  });

  it('has the address that was offered while the run before went on, and the link that was made then, and no name before its run', async () => {
    expect(await told('ahead')).toEqual({ address: 'offered', names: [], copied: ['/own'], ...NOTHING });
  });

  it('gives that address back where the network is removed', async () => {
    expect(await told('removed')).toEqual({ offered: expect.stringMatching(/^10\.4\.0\.\d+$/), ...NOTHING });
  });

  it('gives it back though its shape is given up already', async () => {
    expect(await told('unlikely')).toEqual(NOTHING);
  });

  it('gives it to another container where it is the last', async () => {
    expect(await told('full')).toEqual({ refused: 'ERR_NO_ADDRESS', ...NOTHING });
  });

  it('is on the network as that is by then', async () => {
    expect(await told('anew')).toEqual({ lines: [expect.stringMatching(/^10\.6\.0\.\d+\/24$/), '1'], missing: 'ERR_NO_NETWORK' });
  });

  it('gives back what a run had that failed', async () => {
    expect(await told('failing')).toEqual(['ENOENT', 'timeout', 'canceled']);
  });

  it('gives back what a run had whose files can’t be made', async () => {
    expect(await told('unreadable')).toEqual({ seen: 'EMFILE', ...NOTHING });
  });

  it('goes with Node, and leaves nothing', async () => {
    expect(await told('killed')).toEqual({ alive: false, failures: [], ...NOTHING });
  });
});
