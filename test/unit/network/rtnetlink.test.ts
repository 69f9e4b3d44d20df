import { describe, expect, it } from 'vitest';
import { type Address, type Cidr, parseAddress, parseCidr, parseMac } from '../../../lib/network/address.js';
import { parseAddresses, parseLink, parseLinks } from '../../../lib/network/link.js';
import { attribute, message, NLM_F, parseAttributes, parseMessages, readText, readU32, text, u32 } from '../../../lib/network/netlink.js';
import { deleteLink, getLink, newAddress, newVethPair, setLink } from '../../../lib/network/rtnetlink.js';
import { deleteSourceRule, newDefaultRoute, newSourceRule, newTableRoute } from '../../../lib/network/rtnetlink-routes.js';
import * as captured from './captured.js';

/** As hexadecimal, less the sequence number. */
function hex(request: Uint8Array): string {
  const copy = Buffer.from(request);
  copy.fill(0, 8, 12);
  return copy.toString('hex');
}

function fromIp(name: keyof typeof captured.requests): Buffer {
  return Buffer.from(captured.requests[name], 'hex');
}

function read<T extends object>(result: T | string): T {
  if (typeof result === 'string') throw new Error(result);
  return result;
}

const cidr = (value: string): Cidr => read(parseCidr(value));
const address = (value: string): Address => read(parseAddress(value));
const mac = (value: string): Uint8Array => read(parseMac(value));

describe('requests are those of iproute2, byte for byte', () => {
  it.each([
    ['pair', {}],
    ['pairOfQueues', { queues: 1 }],
  ] as const)('a veth %s', (name, more) => {
    const pair = newVethPair(
      { name: 'v0', mac: mac('02:00:00:00:00:01'), mtu: 1400, group: 77, ...more },
      { name: 'v1', mac: mac('02:00:00:00:00:02'), mtu: 1400, ...more },
    );
    const sent = Buffer.from(pair.message);
    u32(4).forEach((byte, index) => {
      sent[pair.namespaceOffset + index] = byte;
    });
    // ip puts the namespace before the name, we put it last.
    const expected = fromIp(name);
    const last = expected.length - 16;
    const swapped = Buffer.concat([expected.subarray(0, last), expected.subarray(last + 8), expected.subarray(last, last + 8)]);
    expect(hex(sent)).toBe(hex(swapped));
  });

  it.each([
    ['master', setLink(4, { master: 2 })],
    ['up', setLink(4, { up: true })],
    ['addr4', newAddress(4, cidr('10.1.2.3/24'))],
    ['addr6', newAddress(4, cidr('fd00::1/64'))],
    ['route4', newDefaultRoute(4, address('10.1.2.9'))],
    ['ruleEnd', deleteSourceRule(100, address('10.1.0.2'))],
    ['tableSubnet4', newTableRoute(1, { to: cidr('10.1.0.0/24') })],
    ['tableDefault4', newTableRoute(1, { gateway: address('10.1.0.9') })],
    ['tableSubnet6', newTableRoute(1, { to: cidr('fd00::/64') })],
  ] as const)('%s', (name, request) => {
    expect(hex(request)).toBe(hex(fromIp(name)));
  });

  it.each([
    ['rule4', newSourceRule(100, address('10.1.0.2'))],
    ['rule6', newSourceRule(100, address('fd00::2'))],
  ] as const)('%s, but that one which is there is no error', (name, request) => {
    const expected = fromIp(name);
    expected.writeUInt16LE(expected.readUInt16LE(6) & ~NLM_F.EXCL, 6);
    expect(hex(request)).toBe(hex(expected));
  });

  it('an IPv6 default route, where ip adds the destination ::/0', () => {
    const parts = (bytes: Uint8Array) => {
      const [request] = parseMessages(bytes);
      if (!request) throw new Error('no message');
      const attributes = new Map(parseAttributes(request.payload.subarray(12)));
      attributes.delete(1);
      return { type: request.type, flags: request.flags, header: request.payload.subarray(0, 12), attributes };
    };
    expect(parts(Buffer.from(newDefaultRoute(4, address('fd00::9'))))).toEqual(parts(fromIp('route6')));
  });
});

describe('requests', () => {
  it('change what is given and nothing else', () => {
    const [down] = parseMessages(setLink(4, { up: false }));
    expect([readU32(down?.payload ?? Buffer.of(), 8), readU32(down?.payload ?? Buffer.of(), 12)]).toEqual([0, 1]);
    const [untouched] = parseMessages(setLink(4, { mtu: 1300 }));
    expect(readU32(untouched?.payload ?? Buffer.of(), 12)).toBe(0);
    expect(readU32(parseAttributes(untouched?.payload.subarray(16) ?? Buffer.of()).get(4) ?? Buffer.of())).toBe(1300);
  });

  it('ask for a link by name, by index, and in another namespace', () => {
    const asked = (request: Uint8Array) => {
      const payload = parseMessages(request)[0]?.payload ?? Buffer.of();
      return { index: readU32(payload, 4), attributes: parseAttributes(payload.subarray(16)) };
    };
    expect(readText(asked(getLink({ name: 'eth0' })).attributes.get(3) ?? Buffer.of())).toBe('eth0');
    expect(asked(getLink({ index: 7 }))).toEqual({ index: 7, attributes: new Map() });
    expect(asked(getLink({ index: 7, namespaceId: null })).attributes.size).toBe(0);
    expect(readU32(asked(getLink({ index: 7, namespaceId: 0 })).attributes.get(46) ?? Buffer.of(1, 1, 1, 1))).toBe(0);
    expect(asked(deleteLink(7)).index).toBe(7);
  });
});

describe("the kernel's replies are read as ip shows them", () => {
  it('a link', () => {
    const shown = captured.linkAsIpShowsIt;
    expect(parseLink(Buffer.from(captured.link, 'hex'))).toEqual({
      name: shown.ifname,
      index: shown.ifindex,
      mac: shown.address,
      mtu: shown.mtu,
      up: true,
      kind: shown.linkinfo.info_kind,
      master: 2,
      group: Number(shown.group),
      vxlan: null,
      peerNamespaceId: shown.link_netnsid,
      stats: {
        rxBytes: shown.stats64.rx.bytes,
        txBytes: shown.stats64.tx.bytes,
        rxPackets: shown.stats64.rx.packets,
        txPackets: shown.stats64.tx.packets,
        rxErrors: shown.stats64.rx.errors,
        txErrors: shown.stats64.tx.errors,
        rxDropped: shown.stats64.rx.dropped,
        txDropped: shown.stats64.tx.dropped,
      },
    });
    expect(shown.stats64.rx.bytes).toBeGreaterThan(0);
  });

  it('addresses', () => {
    const expected = captured.addressesAsIpShowsThem.flatMap(([index, addresses]) => addresses.map((text) => ({ index, address: text })));
    const byIndex = parseAddresses(Buffer.from(captured.addresses, 'hex')).sort((a, b) => a.index - b.index);
    expect(byIndex).toEqual(expected);
  });

  it('a link that says little', () => {
    const bare = message({ type: 16, flags: 0 }, Buffer.concat([u32(0), u32(1), u32(0), u32(0)]), attribute(3, text('lo')));
    expect(parseLinks(bare)).toEqual([
      {
        name: 'lo',
        index: 1,
        mac: '',
        mtu: 0,
        up: false,
        kind: null,
        vxlan: null,
        master: null,
        group: 0,
        peerNamespaceId: null,
        stats: null,
      },
    ]);
    expect(() => parseLink(new Uint8Array())).toThrow('without a link');
  });
});
