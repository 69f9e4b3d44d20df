import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, useNets } from '../fixtures/nets.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'ping', 'sh', 'sleep', 'cat', 'getent'] });
const temporary = temporaryFolder();
useNets();

describe('a network of the children of a link', () => {
  it('has the MAC address of the link with the driver ipvlan, which a kernel may lack', async () => {
    const { net, from } = await machineInWorld(temporary);
    const isThere = await inside(net, 'ip', 'link', 'add', 'link', 'up0', 'name', 'try0', 'type', 'ipvlan').then(
      () => true,
      () => false,
    );
    if (isThere) await inside(net, 'ip', 'link', 'delete', 'try0');
    const seen = await runNode<{ parent: string[] }>('macvlan', ['ipvlan'], from);
    if (!isThere) {
      const made =
        'ERR_UNSUPPORTED: the driver ipvlan of a network is not supported here: this kernel has no links of the kind ipvlan. Load its module: modprobe ipvlan.';
      expect(seen).toEqual({ available: false, made, networks: 0 });
      return;
    }
    const [parent] = seen.parent;
    expect(seen).toEqual({
      available: true,
      made: 'no error',
      beside: expect.stringMatching(/^ERR_INVALID_OPTION: option driver: is macvlan, and a link has children of one driver/),
      links: [expect.objectContaining({ address: parent, linkinfo: { info_kind: 'ipvlan', info_data: { bridge: true, mode: 'l2' } } })],
      told: [parent],
      parent: [parent],
      reached: [true, true],
      mac: expect.stringMatching(/^ERR_INVALID_OPTION: option network\[0\]\.mac: can't be chosen/),
      again: true,
      modes: [expect.stringMatching(/^mode l3 \ndefault via 10\.8\.0\.1/), expect.stringMatching(/^mode l3s\ndefault via 10\.9\.0\.1/)],
      networks: ['l3', 'l3s', 'lan'],
    });
  });
});
