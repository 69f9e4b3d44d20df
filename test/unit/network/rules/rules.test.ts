import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNacelleError } from '../../../../lib/errors.js';
import { describe as addressFrom } from '../../../../lib/network/address.js';
import { refusalOf } from '../../../../lib/network/bridge/open-forward.js';
import { advertisedLinks } from '../../../../lib/network/ipam/routes.js';
import { iifname, ipSaddr, oifname } from '../../../../lib/network/nftables/fields.js';
import type { DroppingChain } from '../../../../lib/network/nftables/forward-policies.js';
import { parseRules } from '../../../../lib/network/nftables/forward-rules.js';
import { chainsFrom, dropsAll, letsThrough } from '../../../../lib/network/nftables/forward-walk.js';
import { encodeBatch, encodeRequest, type Request } from '../../../../lib/network/nftables/nfnetlink.js';
import {
  accept,
  counter,
  daddrIn,
  differs,
  drop,
  equals,
  family,
  goTo,
  hasStatus,
  inSet,
  inState,
  jump,
  protocol,
  reject,
  returns,
  type Statement,
  saddrIn,
  saddrNotIn,
  startsWith,
  verdictOf,
} from '../../../../lib/network/nftables/statements.js';
import type { Chain, Table } from '../../../../lib/network/nftables/table.js';
import { addRule } from '../../../../lib/network/nftables/table-requests.js';
import { ifindex, ifname } from '../../../../lib/network/nftables/values.js';
import {
  addressesOf,
  confineBridged,
  confinedAddresses,
  confinedPorts,
  fixedConfinedRequests,
} from '../../../../lib/network/rules/confined-rules.js';
import { confineHeld, freeHeld, heldRules } from '../../../../lib/network/rules/held-rules.js';
import { PortBatches } from '../../../../lib/network/rules/port-batches.js';
import { linkLocalOf, portRequests } from '../../../../lib/network/rules/port-rules.js';
import { Slots } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';
import { addressOf, cidrOf } from '../../../fixtures/nft-rules.js';

const mac = Uint8Array.of(2, 0x6e, 10, 1, 0, 2);
const port = { index: 2 ** 30, mac, addresses: [cidrOf('10.1.0.2/24'), cidrOf('fd00:1::2/64')] };
const network = { bridge: 'ncl-1', index: 2 ** 30 + 9, subnets: [cidrOf('10.1.0.0/24')], gateways: [], internal: false };

/** A port with so many addresses of each family. */
const somePort = (four: number, six: number) =>
  fc
    .record({
      index: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      mac: fc.uint8Array({ minLength: 6, maxLength: 6 }),
      bytes: fc.tuple(
        ...Array.from({ length: four + six }, (_, at) =>
          fc.uint8Array(at < four ? { minLength: 4, maxLength: 4 } : { minLength: 16, maxLength: 16 }),
        ),
      ),
    })
    .map(({ bytes, ...one }) => ({ ...one, addresses: bytes.map(addressFrom) }));

describe('a port', () => {
  it('is guarded by the same bytes, whether they are made for it or for others of its shape before', () => {
    const batches = new PortBatches({ family: 'bridge', name: 'nacelle-1' });
    const counts = fc.nat({ max: 2 });
    const ports = fc.tuple(counts, counts).chain(([four, six]) => fc.array(somePort(four, six), { maxLength: 3 }));
    fc.assert(
      fc.property(ports, ports, (added, removed) => {
        const { names, messages } = encodeBatch(portRequests({ family: 'bridge', name: 'nacelle-1' }, { added, removed }));
        const batch = batches.of({ added, removed });
        expect(batch.names).toEqual(names);
        expect(Buffer.from(batch.messages).equals(messages)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('has the link-local address that the kernel makes of its MAC address', () => {
    expect(linkLocalOf(mac).text).toBe('fe80::6e:aff:fe01:2');
    expect(linkLocalOf(Uint8Array.of(0, 1, 2, 3, 4, 5)).text).toBe('fe80::201:2ff:fe03:405');
  });

  it('is guarded and forgotten by the same keys, those that go before those that come: one may take the number of another', () => {
    const other = { ...port, index: 2 ** 30 + 1 };
    const words = portRequests({ family: 'bridge', name: 't' }, { added: [port], removed: [other] }).map((request) => request.words);
    expect(words).toEqual([
      ...['ports', 'macs', 'ipv4', 'ipv6'].map((name) => `delete from the set ${name}`),
      ...['macs', 'ipv4', 'ipv6', 'ports'].map((name) => `add to the set ${name}`),
    ]);
  });

  it.each([0, -1, 1.5, 2 ** 31])('can not have the number %s', (index) => {
    expect(() => ifindex(index)).toThrow(RangeError);
  });
});

describe('a confined port', () => {
  const [routed, bridged]: [Table, Table] = [
    { family: 'inet', name: 't' },
    { family: 'bridge', name: 't' },
  ];
  const words = (requests: Request[]): string[] => requests.map((request) => request.words);
  const bytes = (requests: Request[]): string => Buffer.concat(requests.map((request) => encodeRequest(request))).toString('hex');
  const own = addressesOf(port);

  it('is known by each of its addresses, and by the one that its link gives itself', () => {
    expect(own.map(({ text }) => text)).toEqual(['10.1.0.2', 'fd00:1::2', 'fe80::6e:aff:fe01:2']);
  });

  it('takes over an address that another had: what goes is deleted before the same comes', () => {
    const change = { added: own, removed: own };
    expect(words(confinedAddresses(routed, network, change))).toEqual([
      ...['ipv4', 'ipv6'].map((kind) => `delete from the set confined_${kind}`),
      ...['ipv4', 'ipv6'].map((kind) => `add to the set confined_${kind}`),
    ]);
    expect(confinedAddresses(routed, network, { added: [], removed: [] })).toEqual([]);
  });

  it('is added and deleted by the same key', () => {
    const [added, removed] = [
      confinedPorts(bridged, { added: [port], removed: [] }),
      confinedPorts(bridged, { added: [], removed: [port] }),
    ];
    expect([words(added), words(removed)]).toEqual([['add to the set confined'], ['delete from the set confined']]);
    const key = ifindex(port.index).bytes;
    for (const requests of [added, removed]) expect(bytes(requests)).toContain(Buffer.from(key).toString('hex'));
  });

  it('has no rule of its own where it comes and goes, and one where it stays', () => {
    const base = (requests: Request[]): string[] => words(requests).filter((one) => one === 'add a rule to the chain confined_forward');
    expect(base(confineBridged(bridged, network))).toHaveLength(1);
    const others = [port, { ...port, index: port.index + 1 }];
    const [one, two] = [[port], others].map((ports) => base(fixedConfinedRequests({ routed, bridged }, network, ports)).length);
    expect(two).toBe((one ?? 0) + 1);
  });

  it('is not let to the address of the machine, whose subnet it reaches', () => {
    const gateways = [addressOf('10.1.0.1')];
    const peers = (requests: Request[]): number => words(requests).filter((one) => one.endsWith('the chain confined_peers')).length;
    expect(peers(confineBridged(bridged, { ...network, gateways }))).toBe(peers(confineBridged(bridged, network)) + 1);
  });

  it('is not let to the address of any router among several hosts, by which IPv6 reaches one of them', () => {
    const subnets = [cidrOf('fd00:1::/64')];
    const bytesOf = (request: Request): string => Buffer.from(encodeRequest(request)).toString('hex');
    const anycast = bytesOf(addRule({ table: bridged, name: 'confined_peers' }, daddrIn(cidrOf('fd00:1::/128')), drop));
    const has = (more: object): boolean =>
      confineBridged(bridged, { ...network, subnets, ...more })
        .map(bytesOf)
        .includes(anycast);
    expect([has({ peerGateways: [addressOf('fd00:1::9')] }), has({})]).toEqual([true, false]);
  });
});

describe('the rules that a container’s own shim holds', () => {
  const holders: { id: string; slot: number }[] = [];
  const of = { owner: 'owner', shared: { fd: 77, note: async (holder: (typeof holders)[number]) => void holders.push(holder) } };

  it('are in tables that it holds with others, by a socket that it keeps, and that is noted once it has it', async () => {
    const slots = new Slots();
    const held = heldRules(network, [port], of);
    const { prepare, undo, returns } = held.steps(slots);
    expect(prepare.map(({ op }) => op)).toEqual(['netlink_socket']);
    expect(undo.map(({ op }) => op)).toEqual(['close', 'close']);
    const [slot = -1] = returns;
    expect([...slots.descriptors]).toEqual([[slot, 77]]);
    expect(holders).toEqual([]);
    await held.note();
    expect(holders).toEqual([{ id: 'owner', slot }]);
  });

  it('have the border of a confined port from the beginning', () => {
    const { prepare } = heldRules(network, [{ ...port, isConfined: true }], of).steps(new Slots());
    expect(prepare.map(({ op }) => op)).toEqual(['netlink_socket', 'netlink_batch']);
  });

  it('have the border in tables of its own, which one step makes, whatever was there, and another removes', () => {
    const held = heldRules(network, [port], of);
    expect(held.border()).toBeNull();
    held.steps(new Slots());
    const border = held.border();
    if (border === null) throw new Error('there is none');
    const names = (step: Step): readonly string[] => (step.op === 'netlink_batch' ? step.names : []);
    const none = ['have', 'delete', 'have', 'delete'].map((does) => `${does} the table ${border.table}`);
    expect(names(freeHeld(border, network))).toEqual(none);
    const made = names(confineHeld(border, network, port));
    expect(made.slice(0, 6)).toEqual([...none, `create the table ${border.table}`, `create the table ${border.table}`]);
    expect(made.length).toBeGreaterThan(6);
  });
});

describe('the links that a router has told a default route of', () => {
  const line = (to: string, length: string, flags: string, link: string): string =>
    `${to} ${length} ${'0'.repeat(32)} 00 ${'f'.repeat(32)} 00000400 00000001 00000000 ${flags} ${link}`;
  const all = '0'.repeat(32);

  it('are those with its mark, once each', () => {
    const told = '00450003';
    const text = [
      line(all, '00', told, 'eth0'),
      line(all, '00', told, 'eth0'),
      line(all, '00', '00000003', 'eth1'),
      line(`fd${'0'.repeat(30)}`, '40', '00040001', 'eth2'),
      line(all, '00', '00240200', 'lo'),
    ];
    expect(advertisedLinks(`${text.join('\n')}\n`)).toEqual(['eth0']);
    expect(advertisedLinks('')).toEqual([]);
  });
});

describe('rules of others', () => {
  const table: Table = { family: 'inet', name: 't' };
  const [base, user, lost]: [Chain, Chain, Chain] = [
    { table, name: 'FORWARD' },
    { table, name: 'user' },
    { table, name: 'lost' },
  ];
  const read = (...requests: Request[]) => parseRules(Buffer.concat(requests.map((request) => encodeRequest(request)))) ?? [];
  const opens = (...requests: Request[]): boolean => letsThrough('ncl-1', read(...requests), chainsFrom('FORWARD', read(...requests)));
  const [comes, goes] = [equals(iifname, ifname('ncl-1')), startsWith(oifname, 'ncl-')];

  it.each([
    ['one for each way', true, [addRule(base, comes, accept), addRule(base, goes, accept)]],
    ['one for all', true, [addRule(base, counter, accept)]],
    [
      'in a chain that all come to',
      true,
      [addRule(base, counter, jump('user')), addRule(user, comes, counter, accept), addRule(user, goes, accept)],
    ],
    ['chains in a circle', false, [addRule(base, jump('user')), addRule(user, goTo('FORWARD'))]],
    ['none', false, []],
    ['one way alone', false, [addRule(base, comes, accept)]],
    ['another link', false, [addRule(base, equals(iifname, ifname('ncl-12')), accept), addRule(base, goes, accept)]],
    ['a shorter name', false, [addRule(base, equals(iifname, ifname('ncl-')), accept), addRule(base, goes, accept)]],
    ['not this link', false, [addRule(base, differs(iifname, ifname('ncl-1')), accept), addRule(base, goes, accept)]],
    ['a drop', false, [addRule(base, comes, drop), addRule(base, goes, accept)]],
    ['a condition more', false, [addRule(base, comes, protocol('tcp'), accept), addRule(base, goes, accept)]],
    ['a chain that some come to', false, [addRule(base, comes, jump('user')), addRule(user, comes, accept), addRule(user, goes, accept)]],
    ['a chain that nobody comes to', false, [addRule(lost, accept)]],
  ] as const)('let packets through or not: %s', (_, is, requests) => {
    expect(opens(...requests)).toBe(is);
  });

  const packets = { link: 'ncl-1', subnets: [cidrOf('10.1.0.0/24'), cidrOf('fd00:1::/64')] };
  const drops = (ofFamily: 4 | 6, ...requests: Request[]): boolean => dropsAll('FORWARD', read(...requests), packets, ofFamily);
  const set = { table, name: 's', key: ['ifname'] } as const;
  const hosts = { table, name: 'hosts', key: ['ipv4_addr'] } as const;
  const links = { table, name: 'links', key: ['ifname'], data: 'verdict' } as const;
  const first = (...before: readonly Statement[]): Request => addRule(base, ...before);
  const end = first(reject('admin-prohibited'));

  it.each([
    ['nothing', false, []],
    ['a rejection of all', true, [end]],
    ['a drop of all', true, [first(counter, drop)]],
    ['a drop of the link', true, [first(startsWith(iifname, 'ncl-'), drop)]],
    ['a drop of a longer name', false, [first(equals(iifname, ifname('ncl-12')), drop)]],
    ['what lets the link through before', false, [first(comes, accept), end]],
    ['what lets it through too late', true, [end, first(comes, accept)]],
    ['what lets another link through', true, [first(equals(iifname, ifname('lo')), accept), end]],
    ['what lets all but another link through', false, [first(differs(iifname, ifname('lo')), accept), end]],
    ['what lets the link to some places through', false, [first(comes, equals(oifname, ifname('eth0')), accept), end]],
    ['what drops the link to some places', false, [first(comes, equals(oifname, ifname('eth0')), drop)]],
    ['what lets all to some places through', true, [first(equals(oifname, ifname('eth0')), accept), end]],
    ['answers', true, [first(inState('established', 'related'), accept), first(hasStatus('dnat'), accept), end]],
    ['new connections', false, [first(inState('new', 'established'), accept), end]],
    ['new connections of the link', false, [first(inState('new'), comes, protocol('tcp'), accept), end]],
    ['the subnet', false, [first(saddrIn(cidrOf('10.1.0.0/24')), accept), end]],
    ['a subnet around it', false, [first(saddrIn(cidrOf('10.0.0.0/9')), accept), end]],
    ['a part of it', false, [first(saddrIn(cidrOf('10.1.0.0/25')), accept), end]],
    ['a part in its middle', false, [first(saddrIn(cidrOf('10.1.0.64/26')), accept), end]],
    ['a host of it', false, [first(saddrIn(cidrOf('10.1.0.7/32')), accept), end]],
    ['a set of hosts', false, [first(inSet([ipSaddr], hosts), accept), end]],
    ['what drops a host of it', false, [first(saddrIn(cidrOf('10.1.0.7/32')), drop)]],
    ['what drops all but a part of it', false, [first(saddrNotIn(cidrOf('10.1.0.64/26')), drop)]],
    ['what drops all but another subnet', true, [first(saddrNotIn(cidrOf('10.2.0.64/26')), drop)]],
    ['a host elsewhere', true, [first(saddrIn(cidrOf('10.2.0.7/32')), accept), end]],
    ['another subnet', true, [first(saddrIn(cidrOf('10.2.0.0/24')), accept), end]],
    ['all but another subnet', false, [first(saddrNotIn(cidrOf('10.2.0.0/24')), accept), end]],
    ['a subnet to which it is sent', true, [first(daddrIn(cidrOf('10.1.0.0/24')), accept), end]],
    ['the other family', true, [first(family('ip6'), accept), end]],
    ['this family', false, [first(family('ip'), accept), end]],
    ['a set of links', false, [first(inSet([iifname], set), accept), end]],
    ['a map of links', false, [first(verdictOf([iifname], links)), end]],
    ['a map of where it goes', true, [first(verdictOf([oifname], links)), end]],
    ['a chain that drops', true, [first(jump('user')), addRule(user, drop)]],
    ['a chain that drops all but the link', false, [first(jump('user')), addRule(user, comes, returns), addRule(user, drop)]],
    ['a chain that some of the link come to', false, [first(comes, protocol('tcp'), jump('user')), addRule(user, drop)]],
    ['one that lets them through', false, [first(comes, protocol('tcp'), jump('user')), end, addRule(user, accept)]],
    ['a chain that does not come back', false, [first(goTo('user')), end]],
    ['chains in a circle', false, [first(jump('user')), addRule(user, jump('FORWARD'))]],
  ] as const)('drop all of the packets of a link or not: %s', (_, is, requests) => {
    expect(drops(4, ...requests)).toBe(is);
  });

  it('drop the packets of one family, and not those of the other', () => {
    const of6 = [first(saddrIn(cidrOf('fd00:1::/64')), accept), end];
    expect([drops(4, ...of6), drops(6, ...of6)]).toEqual([true, false]);
  });

  it.each([
    ['fd00:1::/64', false],
    ['fd00:1::7/128', false],
    ['fd00:1::8000:0:0:0/66', false],
    ['fd00:1::/68', false],
    ['fd00:1:0:1::7/128', true],
  ] as const)('let packets of IPv6 from %s through, and drop all else', (from, is) => {
    expect(drops(6, first(saddrIn(cidrOf(from)), accept), end)).toBe(is);
  });

  it('are read from whatever bytes there are, or refused', () => {
    const whole = Buffer.concat([encodeRequest(addRule(base, comes, accept)), encodeRequest(addRule(user, jump('lost')))]);
    const damaged = fc.tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length)).map(([at, byte, end]) => {
      const bytes = Buffer.from(whole);
      bytes[at] = byte;
      return bytes.subarray(0, end);
    });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        try {
          parseRules(bytes);
        } catch (error) {
          expect(isNacelleError(error)).toBe(true);
        }
      }),
    );
  });

  it('are opened in the way that their owner expects', () => {
    const chain = { family: 'ip', table: 'filter', name: 'FORWARD', type: 'filter', hook: 'forward', priority: 0, policy: 'drop' } as const;
    const lines = (...chains: readonly DroppingChain[]): string[] | undefined => refusalOf(chains).split('Type: ')[1]?.split('; ');
    const docker = { ...chain, reached: ['FORWARD', 'DOCKER-USER'] };
    expect(lines(docker)).toEqual(['iptables -I DOCKER-USER -i ncl-+ -j ACCEPT', 'iptables -I DOCKER-USER -o ncl-+ -j ACCEPT']);
    expect(lines({ ...chain, family: 'ip6', reached: ['FORWARD'] })?.[0]).toBe('ip6tables -I FORWARD -i ncl-+ -j ACCEPT');
    const inet = { ...chain, family: 'inet', reached: ['FORWARD'] } as const;
    const words = [
      `nft insert rule inet filter FORWARD iifname '"ncl-*"' accept`,
      `nft insert rule inet filter FORWARD oifname '"ncl-*"' accept`,
    ];
    expect(lines(inet)).toEqual(words);
    const firewalld = { ...inet, table: 'firewalld', name: 'filter_FORWARD', policy: 'accept' } as const;
    const zone = '--zone=trusted --add-interface=ncl-+';
    expect(lines(firewalld)).toEqual([`firewall-cmd ${zone}`, `firewall-cmd --permanent ${zone}`]);
    // the zone opens more than the way through
    expect(refusalOf([docker, firewalld])).toMatch(
      / opens all ports of this machine itself to the containers: docs\/networks\.md .*\. Type: iptables /,
    );
    expect(refusalOf([docker, inet])).not.toContain('zone');
    // one alone would let nothing through
    expect(lines(docker, inet)).toHaveLength(4);
    expect(refusalOf([docker, inet])).toContain('the chain FORWARD of the table ip filter and the chain FORWARD of the table inet filter.');
  });
});
