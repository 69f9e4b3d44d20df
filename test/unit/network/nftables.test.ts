import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNacelleError } from '../../../lib/errors.js';
import { parseAddress } from '../../../lib/network/address.js';
import { attribute, message, text, u32 } from '../../../lib/network/netlink.js';
import { forwardChains, getChains, parseBaseChains } from '../../../lib/network/nftables/base-chains.js';
import { type Destination, deleteAllConnectionsOf, deleteConnections, getConnections } from '../../../lib/network/nftables/conntrack.js';
import { arpSaddrIp, iifname, ip6Daddr, ipDaddr, ipSaddr, l4proto, tcpDport, thDport } from '../../../lib/network/nftables/fields.js';
import { be16, be32, encodeBatch, encodeMessages, NFPROTO, nested } from '../../../lib/network/nftables/nfnetlink.js';
import { addElements, addEntries, addVerdicts, deleteElements } from '../../../lib/network/nftables/set-requests.js';
import { accept, daddrIn, dnatBy, equals, expressionsOf, inSet, protocol, startsWith } from '../../../lib/network/nftables/statements.js';
import { hooks, type NamedMap, type NamedSet, type Table, type VerdictMap } from '../../../lib/network/nftables/table.js';
import { addChain, addRule } from '../../../lib/network/nftables/table-requests.js';
import { etherAddr, ifname, inetProto, inetService, ipv4Addr, ipv6Addr, mark } from '../../../lib/network/nftables/values.js';
import { type Attribute, readTree } from '../../fixtures/netlink-tree.js';

const table: Table = { family: 'inet', name: 't' };
const tree = (...requests: Parameters<typeof encodeBatch>[0]) => readTree(Buffer.from(encodeBatch(requests).messages));
const hex = (...bytes: Uint8Array[]): string => Buffer.concat(bytes).toString('hex');

function addressOf(value: string) {
  const address = parseAddress(value);
  if (typeof address === 'string') throw new Error(address);
  return address;
}

/** The attributes at the end of a path of numbers; of a number that comes several times, all. */
function at(attributes: readonly Attribute[], ...[number, ...rest]: number[]): (string | Attribute[])[] {
  const values = attributes.filter(([key]) => key === number).map(([, value]) => value);
  return rest.length === 0 ? values : values.flatMap((value) => (typeof value === 'string' ? [] : at(value, ...rest)));
}

describe('a batch', () => {
  it('is framed, numbered, and asks for an answer to its last message alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (count) => {
        const requests = Array.from({ length: count }, (_, n) => addChain({ table, name: `c${n}` }));
        const { names, messages } = encodeBatch(requests);
        const read = readTree(Buffer.from(messages));
        expect(names).toEqual(requests.map((_, n) => `add the chain c${n}`));
        expect(read.map(({ type }) => type)).toEqual([0x10, ...requests.map(() => 0xa03), 0x11]);
        expect(read.map(({ sequence }) => sequence)).toEqual([0, ...requests.map((_, n) => n + 1), 0]);
        expect(read.map(({ flags }) => (flags & 4) !== 0)).toEqual([false, ...requests.map((_, n) => n === count - 1), false]);
        // struct nfgenmsg of the frame names the subsystem, in network byte order
        expect(hex(messages.subarray(16, 20))).toBe('0000000a');
      }),
    );
  });
});

describe('sets', () => {
  const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const key = fc.record({
    name: fc.string({ unit: fc.constantFrom(...'abcxyz0189.-_'), minLength: 1, maxLength: 15 }),
    mac: octets(6),
    ip: octets(4),
    port: fc.integer({ min: 0, max: 0xffff }),
  });
  const v4 = (bytes: Uint8Array) => ipv4Addr({ family: 4, bytes, text: '' });

  it('have keys that are filled up to registers, and values as well', () => {
    const map: NamedMap<['ifname', 'ether_addr', 'ipv4_addr'], ['ipv4_addr', 'inet_service']> = {
      ...{ table, name: 'm', key: ['ifname', 'ether_addr', 'ipv4_addr'], data: ['ipv4_addr', 'inet_service'] },
    };
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 10 }), (keys) => {
        const entries = keys.map(({ name, mac, ip, port }) => ({
          key: [ifname(name), etherAddr(mac), v4(ip)] as const,
          value: [v4(ip), inetService(port)] as const,
        }));
        const [sent] = tree(...addEntries(map, entries)).slice(1);
        const elements = at(sent?.attributes ?? [], 3, 1);
        expect(at(sent?.attributes ?? [], 2)).toEqual([hex(text('m'))]);
        expect(elements).toEqual(
          keys.map(({ name, mac, ip, port }) => [
            [1, [[1, `${Buffer.from(name.padEnd(16, '\0')).toString('hex')}${hex(mac)}0000${hex(ip)}`]]],
            [2, [[1, `${hex(ip)}${port.toString(16).padStart(4, '0')}0000`]]],
          ]),
        );
      }),
    );
  });

  it('take as many messages as their elements need, and lose none', () => {
    const set: NamedSet<['mark']> = { table, name: 's', key: ['mark'] };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12_000 }), (count) => {
        const keys = Array.from({ length: count }, (_, n) => [mark(n)] as const);
        const requests = addElements(set, keys);
        const read = tree(...requests).slice(1, -1);
        expect(read.flatMap(({ attributes }) => at(attributes, 3, 1, 1, 1))).toEqual(keys.map(([{ bytes }]) => hex(bytes)));
        expect(read).toHaveLength(requests.length);
        expect(deleteElements(set, keys)).toHaveLength(requests.length);
      }),
      { numRuns: 10 },
    );
  });

  it('of verdicts name the chain that is jumped to', () => {
    const map: VerdictMap<['ifname']> = { table, name: 'v', key: ['ifname'], data: 'verdict' };
    const key = [ifname('br0')] as const;
    const [sent] = tree(
      ...addVerdicts(map, [
        { key, verdict: { jump: 'per' } },
        { key, verdict: { goto: 'per' } },
        { key, verdict: 'drop' },
      ]),
    ).slice(1);
    expect(at(sent?.attributes ?? [], 3, 1, 2, 2)).toEqual([
      [
        [1, 'fffffffd'],
        [2, hex(text('per'))],
      ],
      [
        [1, 'fffffffc'],
        [2, hex(text('per'))],
      ],
      [[1, '00000000']],
    ]);
  });
});

describe('values', () => {
  it.each([
    ['a name of 16 bytes', () => ifname('x'.repeat(16))],
    ['no name', () => ifname('')],
    ['a name with a NUL', () => ifname('a\0b')],
    ['a name of 15 letters in more bytes', () => ifname('ä'.repeat(15))],
    ['a beginning of 16 bytes', () => startsWith(iifname, 'x'.repeat(16))],
    ['no beginning', () => startsWith(iifname, '')],
    ['a port of 17 bits', () => inetService(65_536)],
    ['half a port', () => inetService(0.5)],
    ['a port below 0', () => inetService(-1)],
    ['a mark of 33 bits', () => mark(2 ** 32)],
    ['a MAC address of 8 bytes', () => etherAddr(new Uint8Array(8))],
    ['an IPv6 address for IPv4', () => ipv4Addr(addressOf('::1'))],
    ['an IPv4 address for IPv6', () => ipv6Addr(addressOf('127.0.0.1'))],
    ['ARP in a table that sees none', () => addRule({ table, name: 'c' }, equals(arpSaddrIp, ipv4Addr(addressOf('10.0.0.1'))))],
  ])('refuse %s', (_, make) => {
    expect(make).toThrow(RangeError);
  });

  it('are what they say at their limits', () => {
    expect(hex(ifname('x'.repeat(15)).bytes)).toBe(`${'78'.repeat(15)}00`);
    expect(hex(inetService(0xffff).bytes)).toBe('ffff');
    expect(hex(mark(0xffff_ffff).bytes)).toBe('ffffffff');
    expect([hex(be16(1)), hex(be32(-100)), hex(be32(0xffff_ff00))]).toEqual(['0001', 'ffffff9c', 'ffffff00']);
  });
});

describe('rules', () => {
  it('ask once what a packet is', () => {
    const two = [equals(ipSaddr, ipv4Addr(addressOf('10.0.0.1'))), equals(ipDaddr, ipv4Addr(addressOf('10.0.0.2')))];
    const found = expressionsOf([protocol('tcp'), equals(tcpDport, inetService(1)), ...two, accept], 'inet');
    expect(found.filter(({ op }) => op === 'meta')).toEqual([
      { op: 'meta', key: 'l4proto', to: 1 },
      { op: 'meta', key: 'nfproto', to: 1 },
    ]);
  });

  it('compare any prefix as the address says', () => {
    const prefix = fc.integer({ min: 0, max: 32 });
    fc.assert(
      fc.property(
        prefix,
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (length, net, address) => {
          const [load, ...rest] = expressionsOf([daddrIn({ family: 4, bytes: net, prefix: length, text: '' })], 'inet').slice(2);
          // what the kernel would do with the address
          let register = load?.op === 'payload' ? address.slice(0, load.length) : new Uint8Array();
          let matches = false;
          for (const step of rest) {
            if (step.op === 'bitwise') register = register.map((byte, n) => byte & (step.mask[n] ?? 0));
            if (step.op === 'cmp') matches = Buffer.from(register).equals(step.value);
          }
          const bits = (bytes: Uint8Array) =>
            Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0'))
              .join('')
              .slice(0, length);
          expect(matches).toBe(bits(net) === bits(address));
        },
      ),
      { examples: [[0, Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8)]] },
    );
  });

  it('find their keys and values in registers one behind the other', () => {
    const map: NamedMap<['ipv6_addr', 'inet_proto', 'inet_service'], ['ipv6_addr', 'inet_service']> = {
      ...{ table, name: 'm', key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: ['ipv6_addr', 'inet_service'] },
    };
    const registers = dnatBy([ip6Daddr, l4proto, thDport], map).expressions.flatMap((step) => ('to' in step ? [step.to] : []));
    expect(registers).toEqual([1, 2, 13, 1]);
    expect(dnatBy([ip6Daddr, l4proto, thDport], map).expressions.at(-1)).toEqual({
      ...{ op: 'nat', kind: 'dnat', family: 'ip6', address: 1, port: { register: 2, given: false } },
    });
    const set: NamedSet<['ifname']> = { table, name: 's', key: ['ifname'] };
    expect(inSet([iifname], set).expressions.at(-1)).toMatchObject({ op: 'lookup', set: 's', key: 1, not: false });
  });
});

describe('chains of others', () => {
  const NEWCHAIN = 0xa03;
  const reply = (family: number, attributes: Uint8Array[], flags = 2) =>
    message({ type: NEWCHAIN, flags }, Uint8Array.of(family, 0, 0, 0), ...attributes);
  const chain = (hook: number, priority: number, policy: number): Uint8Array[] => [
    attribute(1, text('t')),
    attribute(3, text('FORWARD')),
    nested(4, attribute(1, be32(hook)), attribute(2, be32(priority))),
    attribute(5, be32(policy)),
    attribute(7, text('filter')),
  ];

  it('are read, but for those that nothing enters', () => {
    const priorities = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(priorities, fc.constantFrom(0, 1), (priority, policy) => {
        const replies = Buffer.concat([
          reply(NFPROTO.ip, chain(hooks.forward, priority, policy)),
          reply(NFPROTO.ip, [attribute(1, text('t')), attribute(3, text('DOCKER-USER'))]),
        ]);
        const expected = {
          family: 'ip',
          table: 't',
          name: 'FORWARD',
          type: 'filter',
          hook: 'forward',
          priority,
          policy: policy === 0 ? 'drop' : 'accept',
        };
        expect(parseBaseChains(replies)).toEqual([expected]);
      }),
    );
  });

  it('that decide about what is forwarded are those of IP', () => {
    const all = [NFPROTO.inet, NFPROTO.ip, NFPROTO.ip6, NFPROTO.arp, NFPROTO.bridge, NFPROTO.netdev, 12].flatMap((family) =>
      [hooks.input, hooks.forward, 9].map((hook) => reply(family, chain(hook, 0, 0))),
    );
    const found = parseBaseChains(Buffer.concat(all)) ?? [];
    expect(found).toHaveLength(21);
    expect(found.slice(-1)).toMatchObject([{ family: 12, hook: 9 }]);
    expect(forwardChains(found).map(({ family }) => family)).toEqual(['inet', 'ip', 'ip6']);
  });

  it('are to be asked for again when they changed meanwhile', () => {
    expect(parseBaseChains(reply(NFPROTO.ip, chain(2, 0, 0), 2 | 0x10))).toBeNull();
  });

  it('are asked for in all families', () => {
    expect(hex(getChains())).toBe('14000000040a0103000000000000000000000000');
  });

  it('that are no such bytes are refused, and nothing else happens', () => {
    const attributes = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), attributes, attributes, (bytes, one, other) => {
        for (const replies of [bytes, reply(2, [nested(4, one)]), reply(2, [one]), reply(2, [attribute(4, one), attribute(5, other)])]) {
          try {
            parseBaseChains(replies);
            deleteConnections(replies, { protocol: 'udp', port: 53, address: { family: 4 } });
          } catch (error) {
            expect(isNacelleError(error)).toBe(true);
          }
        }
      }),
    );
  });
});

describe('connections', () => {
  const id = u32(77);
  const tuple = (family: 4 | 6, address: Uint8Array, protocol: Uint8Array, port: number) => [
    nested(1, attribute(family === 4 ? 2 : 4, address)),
    nested(2, attribute(1, protocol), attribute(2, be16(4000)), attribute(3, be16(port))),
  ];
  const entry = (family: 4 | 6, parts: Uint8Array[]) =>
    message(
      { type: 0x100, flags: 2 },
      Uint8Array.of(family === 4 ? 2 : 10, 0, 0, 0),
      nested(1, ...parts),
      attribute(12, id),
      attribute(18, be16(3)),
    );
  const to: Destination = { protocol: 'udp', port: 53, address: addressOf('10.0.0.1') };

  it('are chosen by where they were made to, and each is named as the kernel named it', () => {
    const udp = inetProto('udp').bytes;
    const own = tuple(4, Uint8Array.of(10, 0, 0, 1), udp, 53);
    const replies = Buffer.concat([
      entry(4, own),
      entry(4, tuple(4, Uint8Array.of(10, 0, 0, 2), udp, 53)),
      entry(4, tuple(4, Uint8Array.of(10, 0, 0, 1), udp, 54)),
      entry(4, tuple(4, Uint8Array.of(10, 0, 0, 1), inetProto('tcp').bytes, 53)),
      entry(6, tuple(6, addressOf('fd00::1').bytes, udp, 53)),
    ]);
    const [one, ...others] = deleteConnections(replies, to);
    expect(others).toEqual([]);
    const [sent] = readTree(Buffer.from(encodeMessages(one ? [one] : []).messages));
    expect(sent).toMatchObject({ type: 0x102, family: 2, sequence: 1 });
    const kept = readTree(Buffer.from(entry(4, own)))[0]?.attributes ?? [];
    expect(sent?.attributes).toEqual([kept[0], kept[2], kept[1]]);
    expect(deleteConnections(replies, { ...to, address: { family: 4 } })).toHaveLength(2);
    expect(deleteConnections(replies, { ...to, address: { family: 6 } })).toHaveLength(1);
  });

  it('are asked for by the same', () => {
    const [asked] = readTree(Buffer.from(getConnections(to)));
    expect(at(asked?.attributes ?? [], 1, 1, 2)).toEqual(['0a000001']);
    expect(at(asked?.attributes ?? [], 1, 2, 3)).toEqual(['0035']);
    expect(at(asked?.attributes ?? [], 25, 1)).toEqual([hex(u32(2 | 8 | 32))]);
    const [any] = readTree(Buffer.from(getConnections({ ...to, address: { family: 6 } })));
    expect([any?.family, at(any?.attributes ?? [], 1, 1), at(any?.attributes ?? [], 25, 1)]).toEqual([10, [], [hex(u32(8 | 32))]]);
  });

  it('are asked for by the port alone where the destination is of IPv6, for by that address kernels choose all but these', () => {
    const [asked] = readTree(Buffer.from(getConnections({ ...to, address: addressOf('fd00::1') })));
    expect([asked?.family, at(asked?.attributes ?? [], 1, 1), at(asked?.attributes ?? [], 25, 1)]).toEqual([10, [], [hex(u32(8 | 32))]]);
  });

  it('of an address are forgotten by either side that sends', () => {
    const address = { ...addressOf('10.0.0.1'), family: 4 } as const;
    const [begun, answered, ...others] = readTree(Buffer.from(encodeMessages(deleteAllConnectionsOf(address)).messages));
    expect(others).toEqual([]);
    // without a filter the kernel would forget all that it has
    expect(at(begun?.attributes ?? [], 1, 1, 1)).toEqual(['0a000001']);
    expect(at(begun?.attributes ?? [], 25, 1)).toEqual([hex(u32(1))]);
    expect(at(answered?.attributes ?? [], 2, 1, 1)).toEqual(['0a000001']);
    expect(at(answered?.attributes ?? [], 25, 2)).toEqual([hex(u32(1))]);
    expect([begun, answered].map((one) => [one?.type, one?.family])).toEqual([
      [0x102, 2],
      [0x102, 2],
    ]);
  });
});
