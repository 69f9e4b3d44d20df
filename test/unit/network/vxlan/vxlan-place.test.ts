import { describe, expect, it } from 'vitest';
import { type Address, parseAddress } from '../../../../lib/network/address.js';
import { parseNetworkOptions } from '../../../../lib/network/bridge/network-options.js';
import { numbersElsewhere, parseNetwork, settleNetwork } from '../../../../lib/network/bridge/network-settings.js';
import type { LinkInfo } from '../../../../lib/network/link.js';
import { requireTunnelPlace } from '../../../../lib/network/vxlan/vxlan-place.js';

const address = (text: string): Address => {
  const read = parseAddress(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
};
const link = (name: string, vxlan: LinkInfo['vxlan'] = null): LinkInfo => ({
  ...{
    name,
    index: 7,
    mac: '',
    mtu: 1500,
    up: true,
    kind: vxlan ? 'vxlan' : null,
    master: null,
    group: 0,
    peerNamespaceId: null,
    stats: null,
  },
  vxlan,
});
const given = { driver: 'vxlan', vni: 42, subnet: '10.1.0.0/24', range: '10.1.0.64/26' } as const;
const settle = (options: object) =>
  settleNetwork(parseNetworkOptions(options), { taken: [], random: new Uint8Array(5), createdAt: new Date('2026-11-28T12:00:00Z') });

describe('a network of several hosts', () => {
  it('has what it is asked for, and has learned nothing', () => {
    const record = settle({ ...given, peers: ['192.0.2.2', '192.0.2.3'], parent: 'eth1' });
    expect(record).toMatchObject({ driver: 'vxlan', vni: 42, peers: ['192.0.2.2', '192.0.2.3'], learned: [], parent: 'eth1' });
    expect(parseNetwork(JSON.stringify(record))).toEqual(record);
    expect(settle(given)).toMatchObject({ peers: [], parent: null });
  });

  it('knows which numbers are elsewhere, by an address of either family', () => {
    const record = settle({ ...given, subnet: ['10.1.0.0/24', 'fd00:1::/64'] });
    const at = (text: string) => ({ address: text, mac: '02:00:00:00:00:01', host: '192.0.2.2', names: [] });
    const learned = { ...record, learned: [at('10.1.0.9'), at('fd00:1::c')] };
    expect(numbersElsewhere(parseNetwork(JSON.stringify(learned)), [])).toEqual(new Set([9n, 12n]));
    expect(() => parseNetwork(JSON.stringify({ ...record, learned: [at('10.1.0')] }))).toThrow(/damaged/);
    expect(() => parseNetwork(JSON.stringify({ ...record, peers: ['host'] }))).toThrow(/damaged/);
  });

  it.each([
    [{ ...given, vni: undefined }, 'option vni: is needed with the driver vxlan: the number of the network on all of its hosts'],
    [
      { ...given, peers: ['192.0.2.2'], peerGateways: [] },
      'option peerGateways: has 0 addresses, and peers 1: each host has one, in the order of peers',
    ],
    [
      { ...given, peers: ['192.0.2.2'], peerGateways: ['10.2.0.1'] },
      'option peerGateways[0]: is 10.2.0.1, which no link in 10.1.0.0/24 can have',
    ],
    [{ peerGateways: [] }, 'option peerGateways: is none of the driver bridge, but of vxlan'],
    [{ ...given, subnet: undefined }, 'option subnet: is needed with the driver vxlan: that of the network on all of its hosts'],
    [
      { ...given, range: undefined },
      'option range: is needed with the driver vxlan: the part of the subnet from which this host gives addresses, and no other does',
    ],
    [{ ...given, driver: 'bridge' }, 'option vni: is none of the driver bridge, but of vxlan'],
    [{ peers: ['192.0.2.2'] }, 'option peers: is none of the driver bridge, but of vxlan'],
    [{ parent: 'eth0' }, 'option parent: is none of the driver bridge, but of macvlan and ipvlan and vxlan'],
    [
      { ...given, peers: ['192.0.2.2', '2001:db8::2'] },
      'option peers: has addresses of IPv4 and of IPv6: a tunnel goes through one of the two',
    ],
    [{ ...given, peers: ['192.0.2.2', '192.0.2.2'] }, 'option peers: has 192.0.2.2 twice'],
    [{ ...given, peers: ['host'] }, "option peers[0]: 'host' is not an IP address"],
    [{ ...given, vni: 2 ** 24 }, 'option vni: '],
    [{ ...given, vni: 0 }, 'option vni: '],
    [{ ...given, driver: 'overlay' }, 'option driver: '],
  ])('refuses %j', (options, message) => {
    expect(() => parseNetworkOptions(options)).toThrow(message);
  });

  it.each([
    ['a number that another network has', { vni: 42 }, [], [{ name: 'shop', vni: 42 }], 'option vni: is 42, which the network shop has'],
    [
      'a number that a link has',
      { vni: 42 },
      [link('vx0', { vni: 42, port: 4789 })],
      [],
      'option vni: is 42, which the link vx0 of this machine has',
    ],
    ['a parent that is not there', { parent: 'eth9' }, [link('eth0')], [], 'option parent: is eth9, and this machine has no such link'],
    [
      'an MTU too large',
      { parent: 'eth0', mtu: 1451 },
      [link('eth0')],
      [],
      'option mtu: is 1451, and what goes by eth0 has 1450 bytes at most',
    ],
    [
      'an MTU too large for IPv6',
      { parent: 'eth0', mtu: 1431, peers: [address('2001:db8::2')] },
      [link('eth0')],
      [],
      'option mtu: is 1431, and what goes by eth0 has 1430 bytes at most',
    ],
  ])('refuses %s', (_, wanted, links, numbers, message) => {
    const tunnel = { vni: 1, parent: null, peers: [], mtu: null, ...wanted };
    expect(() => requireTunnelPlace(tunnel, links, numbers)).toThrow(message);
  });

  it('takes what is free', () => {
    const links = [link('eth0'), link('vx0', { vni: 42, port: 8472 }), link('vx1', { vni: 43, port: 4789 })];
    const tunnel = { vni: 42, parent: 'eth0', peers: [address('192.0.2.2')], mtu: 1450 };
    expect(() => requireTunnelPlace(tunnel, links, [{ name: 'shop', vni: 41 }])).not.toThrow();
  });
});
