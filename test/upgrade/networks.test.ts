import { expect } from 'vitest';
import { ownRuntimeFolder, throughUser } from '../fixtures/become-user.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { useNets } from '../fixtures/nets.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { loneMachine, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({
  ...{ root: true, containers: true, networksBuild: true, kernel: '6.6' },
  tools: [...WORLD_TOOLS, 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'sleep'],
});
const temporary = temporaryFolder();
useNets();

const other = process.env.NACELLE_OTHER_NETWORKS ?? '';
const usual = {
  addresses: ['10.1.0.2/24', '10.1.0.3/24', '10.1.0.4/24'],
  beforeUpgrade: ['web', 'near', 'late', 'web'],
  upgraded: true,
  afterUpgrade: ['web', 'near', 'late', 'web'],
  older: '3 1',
  removal: expect.stringMatching(/^NacelleError: remove the network shop: it is in use/),
  goneFrom: expect.stringMatching(/^(EAI_AGAIN|ENOTFOUND)$/),
  port: 'ECONNREFUSED',
  left: [],
};

describe('a network that an older version has made', () => {
  it('is used by this one, whose containers find the older ones, also after an upgrade', async () => {
    const { from } = await loneMachine(temporary);
    expect(await runNode('upgraded-networks', [other], from)).toEqual({ ...usual, holders: 0 });
  });

  it('is used by this one in the namespace that an ordinary user’s older holder has', async () => {
    const { from } = await loneMachine(temporary);
    const through = [...from.through, ...throughUser(), 'env', ownRuntimeFolder()];
    expect(await runNode('upgraded-networks', [other], { through })).toEqual({ ...usual, holders: 1 });
  });
});
