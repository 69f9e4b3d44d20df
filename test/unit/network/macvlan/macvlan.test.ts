import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Address, parseAddress, parseMac } from '../../../../lib/network/address.js';
import { parseNetworkOptions } from '../../../../lib/network/bridge/network-options.js';
import { hostAddressesOf, numbersElsewhere, parseNetwork, settleNetwork } from '../../../../lib/network/bridge/network-settings.js';
import type { LinkInfo } from '../../../../lib/network/link.js';
import { newChild, newChildIn } from '../../../../lib/network/macvlan/child-link.js';
import { requireParent } from '../../../../lib/network/macvlan/macvlan-place.js';
import { readU32 } from '../../../../lib/network/netlink.js';
import { setRoute } from '../../../../lib/network/rtnetlink-routes.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

function read<T extends object>(result: T | string): T {
  if (typeof result === 'string') throw new Error(result);
  return result;
}
const address = (text: string): Address => read(parseAddress(text));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// As iproute2 6.1 sends them (x86-64, Linux 6.18, little endian), taken with strace; bytes 8 to 11, its sequence number, are 0. va is link 4.
const captured = {
  /** ip link add link va name mv index 78 address 02:00:00:00:00:02 type macvlan mode bridge */
  macvlan:
    '58000000100005060000000000000000000000004e00000000000000000000000a00010002000000000200000800050004000000070003006d7600001c0012000b0001006d6163766c616e000c0002000800010004000000',
  /** ip link add link va name iv index 79 type ipvlan mode l3s */
  ipvlan:
    '54000000100005060000000000000000000000004f000000000000000000000008000500040000000700030069760000240012000a0001006970766c616e00001400020006000100020000000600020000000000',
  /** ip route replace 10.1.0.5/32 dev va proto static */
  route: '2c00000018000505000000000000000002200000fe04fd0100000000080001000a0100050800040004000000',
  /** ip -6 route replace fd00::5/128 dev va proto static */
  route6: '380000001800050500000000000000000a800000fe0400010000000014000100fd0000000000000000000000000000050800040004000000',
};

describe('requests are those of iproute2, byte for byte', () => {
  const link = { name: 'mv', index: 78, mac: read(parseMac('02:00:00:00:00:02')), parent: 4 };
  const kind = { driver: 'macvlan', mode: 'bridge' } as const;
  it('a link of the kind macvlan', () => {
    expect(hex(newChild(link, kind))).toBe(captured.macvlan);
    // in another network namespace: the descriptor comes last
    const { message, namespaceOffset } = newChildIn(link, kind);
    expect(hex(message).slice(8)).toBe(`${captured.macvlan.slice(8)}08001c0000000000`);
    expect([readU32(message), namespaceOffset]).toEqual([message.length, message.length - 4]);
  });

  it('a link of the kind ipvlan', () => {
    expect(hex(newChild({ name: 'iv', index: 79, parent: 4 }, { driver: 'ipvlan', mode: 'l3s' }))).toBe(captured.ipvlan);
  });

  it('a route', () => {
    expect([hex(setRoute(4, address('10.1.0.5'))), hex(setRoute(4, address('fd00::5')))]).toEqual([captured.route, captured.route6]);
  });
});

const given = { driver: 'macvlan', parent: 'eth0', subnet: ['192.0.2.0/24', '2001:db8::/64'], range: '192.0.2.64/28' } as const;
const settle = (options: object) =>
  settleNetwork(parseNetworkOptions(options), { taken: [], random: new Uint8Array(5), createdAt: new Date('2026-11-28T12:00:00Z') });
const texts = (addresses: readonly Address[]): string[] => addresses.map(({ text }) => text);

describe("this machine's own link", () => {
  it('has the last addresses of the range', () => {
    const record = settle({ ...given, hostAccess: true });
    expect(parseNetwork(JSON.stringify(record))).toEqual(record);
    expect(texts(hostAddressesOf(record))).toEqual(['192.0.2.79', '2001:db8::4f']);
    expect(texts(hostAddressesOf(settle({ ...given, hostAccess: true, gateway: '192.0.2.79' })))).toEqual(['192.0.2.78', '2001:db8::4e']);
    expect(hostAddressesOf(settle(given))).toEqual([]);
  });

  it("keeps its addresses and this machine's others from containers", () => {
    const own = [address('192.0.2.1'), address('198.51.100.1'), address('2001:db8::9')];
    expect(numbersElsewhere(settle({ ...given, hostAccess: true }), own)).toEqual(new Set([1n, 9n, 79n]));
    expect(numbersElsewhere(settle({ subnet: '192.0.2.0/24' }), own)).toEqual(new Set());
  });

  it.each(['macvlan', 'ipvlan'] as const)('is in the network of its parent, which has to be told: %s', (driver) => {
    expect(() => settle({ driver, parent: 'eth0' })).toThrow(/option subnet: is needed with the driver (?:mac|ip)vlan/);
  });

  it('leaves an address for a container', () => {
    const small = { driver: 'macvlan', parent: 'eth0', subnet: '192.0.2.0/24', hostAccess: true };
    expect(() => settle({ ...small, range: '192.0.2.64/32' })).toThrow(/option range: is 192\.0\.2\.64\/32, which has no address/);
    expect(() => settle({ ...small, range: '192.0.2.64/31' })).not.toThrow();
  });
});

describe('the parent', () => {
  const sys = temporaryFolder();
  const link = (name: string, index: number): LinkInfo => ({
    ...{ name, index, mac: '', mtu: 1500, up: true, kind: null, vxlan: null, master: null, group: 0, peerNamespaceId: null, stats: null },
  });

  it('is not wireless', () => {
    for (const [name, index] of [
      ['wlan0', 3],
      ['wlan1', 4],
    ] as const) {
      mkdirSync(join(sys, 'class/net', name, 'phy80211'), { recursive: true });
      writeFileSync(join(sys, 'class/net', name, 'ifindex'), `${index}\n`);
    }
    const all = [link('wlan0', 3), link('wlan1', 7)];
    expect(() => requireParent({ driver: 'macvlan', parent: 'wlan0', mtu: null }, all, sys)).toThrow(
      'option parent: is wlan0, which is wireless',
    );
    // what is said there is of a link of another network namespace
    expect(requireParent({ driver: 'macvlan', parent: 'wlan1', mtu: 1500 }, all, sys)).toMatchObject({ index: 7 });
    expect(requireParent({ driver: 'ipvlan', parent: 'wlan0', mtu: null }, all, sys)).toMatchObject({ index: 3 });
  });
});
