import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { type Address, describe as describeAddress } from '../../lib/network/address.js';
import { attribute } from '../../lib/network/netlink.js';
import { be32, encodeBatch, type Request } from '../../lib/network/nftables/nfnetlink.js';
import { createTable } from '../../lib/network/nftables/table-requests.js';
import { addPorts, portTableRequests } from '../../lib/network/ports/published-rules.js';
import {
  addressesOf,
  confineBridged,
  confinedAddresses,
  confinedPorts,
  confineRouted,
  fixedConfinedRequests,
} from '../../lib/network/rules/confined-rules.js';
import { borderRequests } from '../../lib/network/rules/network-rules.js';
import { guardRequests, portRequests } from '../../lib/network/rules/port-rules.js';
import { type Attribute, readTree, sentBytes, type TreeMessage } from '../fixtures/netlink-tree.js';
import { addressOf, bridgeRules, cidrOf, inetRules } from '../fixtures/nft-rules.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const { describe, it } = requires({ root: true, tools: ['nft', 'strace', 'unshare'] });
const folder = temporaryFolder();
const run = promisify(execFile);

/** What nft sends to the kernel for a ruleset, in a network namespace of its own. */
async function sentByNft(text: string): Promise<TreeMessage[]> {
  const [file, trace] = [join(folder, 'rules'), join(folder, 'trace')];
  writeFileSync(file, text);
  await run('unshare', ['-n', 'strace', '-o', trace, '-e', 'trace=sendmsg', '-e', 'write=3', 'nft', '-f', file], {
    // not with npm run test:sanitize's runtime
    env: { ...process.env, LD_PRELOAD: undefined },
  });
  return readTree(sentBytes(readFileSync(trace, 'utf8')));
}

const [NEWTABLE, NEWRULE, NEWSET, NEWSETELEM] = [0xa00, 0xa06, 0xa09, 0xa0c];
const LOOKUP = Buffer.from('lookup\0').toString('hex');

/**
 * What both must agree about. nft also tells its own notes for a listing (13: NFTA_SET_USERDATA), and numbers by which a batch may name a
 * set (NFTA_SET_ID 10, NFTA_SET_ELEM_LIST_SET_ID 4, NFTA_LOOKUP_SET_ID 4); and it wants tables that may be there already.
 */
function essence({ type, flags, family, attributes }: TreeMessage): object {
  const left = new Map([
    [NEWSET, [10, 13]],
    [NEWSETELEM, [4]],
  ]).get(type);
  const own = attributes.filter(([number]) => !left?.includes(number));
  return {
    type,
    family,
    ...(type === NEWTABLE ? {} : { flags: flags & ~4 }),
    attributes: sorted(type === NEWRULE ? own.map(withoutSetIds) : type === NEWSETELEM ? own.map(withoutCount) : own),
  };
}

/** nft counts the elements of a set (NFTA_SET_ELEM_LIST_ELEMENTS 3) by their attributes' numbers, which the kernel doesn't look at. */
function withoutCount([number, value]: Attribute): Attribute {
  return [number, number === 3 && typeof value !== 'string' ? value.map(([, element]): Attribute => [1, element]) : value];
}

function withoutSetIds([number, value]: Attribute): Attribute {
  if (typeof value === 'string') return [number, value];
  const isLookup = value.some(([, inner]) => inner === LOOKUP);
  return [
    number,
    value.map(([key, inner]) => withoutSetIds([key, isLookup && typeof inner !== 'string' ? inner.filter(([id]) => id !== 4) : inner])),
  ];
}

/** The kernel reads the attributes of a message in any order; those of a list have one number, and stay in theirs. */
function sorted(attributes: readonly Attribute[]): Attribute[] {
  return attributes
    .map(([number, value]): Attribute => [number, typeof value === 'string' ? value : sorted(value)])
    .toSorted(([a], [b]) => a - b);
}

const inOrder = (messages: readonly TreeMessage[]): string[] =>
  messages
    .filter(({ type }) => type > 0xff)
    .map((message) => JSON.stringify(essence(message)))
    .toSorted();

const sent = (requests: readonly Request[]): TreeMessage[] => readTree(Buffer.from(encodeBatch(requests).messages));
/** 16 bytes at offset 8 of the transport header: NFTA_PAYLOAD_BASE, _OFFSET and _LEN. */
const LOAD_OF_TARGET = Buffer.concat([attribute(2, be32(2)), attribute(3, be32(8)), attribute(4, be32(16))]);

describe('the bytes of rules', () => {
  it.each([
    ['inet', inetRules],
    ['bridge', bridgeRules],
  ] as const)('are those of nft in a table of the family %s', async (family, rules) => {
    const table = { family, name: 't' };
    const { text, requests } = rules(table);
    const own = readTree(Buffer.from(encodeBatch([createTable(table, { owned: true }), ...requests]).messages));
    expect(own.length).toBeGreaterThan(10);
    expect(inOrder(own)).toEqual(inOrder(await sentByNft(`table ${family} t {\nflags owner;\n${text}\n}\n`)));
  });
});

describe('the rules of a network', () => {
  const subnets = [cidrOf('10.1.0.0/24'), cidrOf('fd00:1::/64')];
  const forward = (...rules: string[]): string =>
    ['chain forward { type filter hook forward priority 0; policy accept;', ...rules, '}'].join('\n');
  const index = 2 ** 30 + 9;
  const border = (enters: string[], leaves: string[]): string => `
      chain enters {\n${[...enters, 'drop'].join('\n')}\n}
      chain leaves {\n${[`oif ${index} accept`, ...leaves, 'drop'].join('\n')}\n}
      ${forward(`iif ${index} goto leaves`, `oif ${index} goto enters`)}`;

  it.each([
    [
      'an open one',
      false,
      `${border(
        ['ct state established,related accept', 'ct status dnat accept'],
        ['ip saddr 10.1.0.0/24 accept', 'ip6 saddr fd00:1::/64 accept'],
      )}
      chain postrouting { type nat hook postrouting priority 100; policy accept;
        ip saddr 10.1.0.0/24 oif != ${index} masquerade
        ip6 saddr fd00:1::/64 oif != ${index} masquerade
        ip saddr 10.1.0.0/24 oif ${index} ct status dnat masquerade
        ip6 saddr fd00:1::/64 oif ${index} ct status dnat masquerade
      }`,
    ],
    ['an internal one', true, border([], [])],
  ] as const)('say what crosses the border of %s', async (_, internal, text) => {
    const table = { family: 'inet', name: 't' } as const;
    const requests = [
      createTable(table, { owned: true }),
      ...borderRequests(table, { bridge: 'br0', index, subnets, gateways: [], internal }),
    ];
    expect(inOrder(sent(requests))).toEqual(inOrder(await sentByNft(`table inet t {\nflags owner;\n${text}\n}\n`)));
  });

  it('lead published ports to a container', async () => {
    const table = { family: 'inet', name: 't' } as const;
    const port = (address: Address, to: string) => ({ protocol: 'tcp', address, host: 8080, to: addressOf(to), container: 80 }) as const;
    const [four, six] = [describeAddress(new Uint8Array(4)), describeAddress(new Uint8Array(16))];
    const ports = [
      port(addressOf('192.0.2.1'), '10.1.0.2'),
      port(addressOf('2001:db8::1'), 'fd00:1::2'),
      { ...port(four, '10.1.0.2'), protocol: 'udp' } as const,
      port(six, 'fd00:1::2'),
    ];
    const lead = (hook: string): string => `chain ${hook} { type nat hook ${hook} priority -100; policy accept;
      meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . ip daddr . th dport map @own4
      meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . ip6 daddr . th dport map @own6
      ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @any4
      ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @any6
    }`;
    const refuse = (...held: string[]): string =>
      held.map((one) => `${one} meta l4proto tcp reject with tcp reset\n${one} reject with icmpx port-unreachable`).join('\n');
    const text = `
      map own4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { tcp . 192.0.2.1 . 8080 : 10.1.0.2 . 80 } }
      map own6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; elements = { tcp . 2001:db8::1 . 8080 : fd00:1::2 . 80 } }
      map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { udp . 8080 : 10.1.0.2 . 80 } }
      map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; elements = { tcp . 8080 : fd00:1::2 . 80 } }
      set held4 { type inet_proto . ipv4_addr . inet_service; elements = { tcp . 192.0.2.1 . 8080 } }
      set held6 { type inet_proto . ipv6_addr . inet_service; elements = { tcp . 2001:db8::1 . 8080 } }
      set held-any4 { type inet_proto . inet_service; elements = { udp . 8080 } }
      set held-any6 { type inet_proto . inet_service; elements = { tcp . 8080 } }
      ${lead('prerouting')}
      ${lead('output')}
      chain input { type filter hook input priority 0; policy accept;
        ${refuse(
          'meta l4proto . ip daddr . th dport @held4',
          'meta l4proto . ip6 daddr . th dport @held6',
          'ip daddr != 127.0.0.0/8 meta l4proto . th dport @held-any4',
          'ip6 daddr != ::1 meta l4proto . th dport @held-any6',
        )}
      }`;
    const requests = [createTable(table, { owned: true }), ...portTableRequests(table), ...addPorts(table, ports)];
    expect(inOrder(sent(requests))).toEqual(inOrder(await sentByNft(`table inet t {\nflags owner;\n${text}\n}\n`)));
  });

  it('say what may be sent by ports', async () => {
    const table = { family: 'bridge', name: 't' } as const;
    const port = { index, mac: Uint8Array.of(2, 0x6e, 10, 1, 0, 2), addresses: [cidrOf('10.1.0.2/24')] };
    const requests = [...guardRequests(table), ...portRequests(table, { added: [port], removed: [] })];
    // nft 1.0.6 has no word for the target of a neighbour, and would have no set of addresses with that
    const [target, ...more] = requests.filter(({ attributes }) => Buffer.concat(attributes).includes(LOAD_OF_TARGET));
    expect(more).toEqual([]);
    const own = [createTable(table, { owned: true }), ...requests.filter((request) => request !== target)];
    const text = `
      map ports { type iface_index : verdict; elements = { ${index} : goto guard } }
      set macs { type iface_index . ether_addr; elements = { ${index} . 02:6e:0a:01:00:02 } }
      set ipv4 { type iface_index . ipv4_addr; elements = { ${index} . 10.1.0.2 } }
      set ipv6 { type iface_index . ipv6_addr; elements = { ${index} . fe80::6e:aff:fe01:2 } }
      chain guard {
        meta iif . ether saddr != @macs drop
        meta iif . ip saddr @ipv4 accept
        meta protocol arp meta iif . arp saddr ether != @macs drop
        meta protocol arp meta iif . arp saddr ip @ipv4 accept
        meta protocol ip6 icmpv6 type nd-router-advert drop
        meta protocol ip6 icmpv6 type nd-redirect drop
        meta protocol ip6 icmpv6 type mld2-listener-report drop
        meta iif . ip6 saddr @ipv6 accept
        drop
      }
      chain prerouting { type filter hook prerouting priority -300; policy accept;
        meta iif vmap @ports
      }`;
    expect(inOrder(sent(own))).toEqual(inOrder(await sentByNft(`table bridge t {\nflags owner;\n${text}\n}\n`)));
  });

  const routed = { family: 'inet', name: 't' } as const;
  const bridged = { family: 'bridge', name: 't' } as const;
  const confinedNetwork = {
    ...{ bridge: 'br0', index, subnets, internal: false },
    gateways: [addressOf('10.1.0.1'), addressOf('fd00:1::1')],
  };
  const confinedPort = {
    index: index + 1,
    mac: Uint8Array.of(2, 0x6e, 10, 1, 0, 2),
    addresses: [cidrOf('10.1.0.2/24'), cidrOf('fd00:1::2/64')],
  };
  const leaves = (set4: string, set6: string): string => `
    set confined_ipv4 { type iface_index . ipv4_addr; ${set4} }
    set confined_ipv6 { type iface_index . ipv6_addr; ${set6} }
    chain confined_leaves {
      ct direction reply ct state established accept
      ct status dnat drop
      oif ${index} accept
      drop
    }
    chain confined_arrives {
      ct direction reply ct state established accept
      meta nfproto ipv6 icmpv6 type nd-neighbor-solicit accept
      meta nfproto ipv6 icmpv6 type nd-neighbor-advert accept
      drop
    }
    ${[
      ['forward', 'leaves'],
      ['input', 'arrives'],
    ]
      .map(
        ([hook, to]) => `chain confined_${hook} { type filter hook ${hook} priority 0; policy accept;
          iif ${index} iif . ip saddr @confined_ipv4 goto confined_${to}
          iif ${index} iif . ip6 saddr @confined_ipv6 goto confined_${to}
        }`,
      )
      .join('\n')}`;
  const peers = (ports: string, base: string): string => `
    ${ports}
    chain confined_peers {
      meta protocol arp accept
      ${['solicit', 'advert']
        .flatMap((one) => ['ff02::/16', 'fe80::/10'].map((to) => `meta protocol ip6 icmpv6 type nd-neighbor-${one} ip6 daddr ${to} accept`))
        .join('\n')}
      ip daddr 10.1.0.1 drop
      ip6 daddr fd00:1::1 drop
      ip daddr 10.1.0.0/24 accept
      ip6 daddr fd00:1::/64 accept
      drop
    }
    chain confined_forward { type filter hook forward priority 0; policy accept;
      ${base}
    }`;
  const own4 = `elements = { ${index} . 10.1.0.2 }`;
  const own6 = `elements = { ${index} . fd00:1::2, ${index} . fe80::6e:aff:fe01:2 }`;

  it('say what confined containers may send by this machine', async () => {
    const added = addressesOf(confinedPort);
    const requests = [
      createTable(routed, { owned: true }),
      ...confineRouted(routed, confinedNetwork),
      ...confinedAddresses(routed, confinedNetwork, { added, removed: [] }),
    ];
    const text = `table inet t {\nflags owner;\n${leaves(own4, own6)}\n}\n`;
    expect(inOrder(sent(requests))).toEqual(inOrder(await sentByNft(text)));
  });

  it('say what confined containers may send to others of their network', async () => {
    const requests = [
      createTable(bridged, { owned: true }),
      ...confineBridged(bridged, confinedNetwork),
      ...confinedPorts(bridged, { added: [confinedPort], removed: [] }),
    ];
    const ports = `map confined { type iface_index : verdict; elements = { ${index + 1} : goto confined_peers } }`;
    const text = `table bridge t {\nflags owner;\n${peers(ports, 'iif vmap @confined')}\n}\n`;
    expect(inOrder(sent(requests))).toEqual(inOrder(await sentByNft(text)));
  });

  it('say the same in the tables of one confined container alone', async () => {
    const requests = fixedConfinedRequests({ routed, bridged }, confinedNetwork, [confinedPort]);
    const tables = [routed, bridged].map((table) => createTable(table, { owned: true }));
    const text = `table inet t {\nflags owner;\n${leaves(own4, own6)}\n}
      table bridge t {\nflags owner;\n${peers('', `iif ${index + 1} goto confined_peers`)}\n}\n`;
    expect(inOrder(sent([...tables, ...requests]))).toEqual(inOrder(await sentByNft(text)));
  });
});
