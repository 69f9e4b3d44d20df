import { describe, expect, it } from 'vitest';
import { type Address, parseAddress, parseMac } from '../../../../lib/network/address.js';
import { addTunnelPeer, setFdbEntry, setNeighbour, setTunnelEntry } from '../../../../lib/network/rtnetlink.js';
import { mtuThrough, newVxlan } from '../../../../lib/network/vxlan/vxlan-link.js';
import { tunnelRequests } from './captured-tunnel.js';

function read<T extends object>(result: T | string): T {
  if (typeof result === 'string') throw new Error(result);
  return result;
}
const address = (text: string): Address => read(parseAddress(text));
const mac = (text: string): Uint8Array => read(parseMac(text));

describe('requests are those of iproute2, byte for byte', () => {
  const link = { name: 'vx', index: 77, mac: mac('02:00:00:00:00:01'), mtu: 1450, group: 9 };
  it.each([
    ['vxlan', newVxlan(link, { vni: 42, family: 4, parent: 4 })],
    ['vxlan6', newVxlan({ name: 'vx6' }, { vni: 43, family: 6, parent: null })],
    ['peer', addTunnelPeer(77, address('192.0.2.2'))],
    ['tunnelEntry', setTunnelEntry(77, mac('02:00:00:00:00:05'), address('192.0.2.2'))],
    ['fdbEntry', setFdbEntry(77, mac('02:00:00:00:00:05'))],
    ['neighbour', setNeighbour(2, address('10.1.0.5'), mac('02:00:00:00:00:05'))],
    ['neighbour6', setNeighbour(2, address('fd00:1::5'), mac('02:00:00:00:00:05'))],
  ] as const)('%s', (name, request) => {
    expect(Buffer.from(request).toString('hex')).toBe(tunnelRequests[name]);
  });

  it('leaves room for its own headers', () => {
    expect([mtuThrough(1500, 4), mtuThrough(1500, 6)]).toEqual([1450, 1430]);
  });
});
