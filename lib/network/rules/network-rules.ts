import type { Address, Cidr } from '../address.js';
import { iif, oif } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { accept, differs, drop, equals, goTo, hasStatus, inState, masquerade, saddrIn } from '../nftables/statements.js';
import type { Chain, Table } from '../nftables/table.js';
import { addChain, addRule } from '../nftables/table-requests.js';
import { ifindex } from '../nftables/values.js';

// The rules of a network, the same in the tables of all who have containers on it: so nothing changes when one of them ends. What another
// table drops stays dropped, and what this one accepts may still be dropped by another: a packet gets through when no table drops it. Each
// packet comes to the base chains of all tables: so what these chains ask of each packet is numbers of links alone, and detached containers have one
// pair of tables together (shared-rules.ts). Pure.

/** Whose packets the rules are about. */
export interface RuledNetwork {
  /** The bridge's name. */
  readonly bridge: string;
  /** The bridge's number, which is the same whenever it is there. */
  readonly index: number;
  readonly subnets: readonly Cidr[];
  /** The machine's address in each. */
  readonly gateways: readonly Address[];
  /** Where other hosts are in the network: their own addresses in each subnet. Default: there are none. */
  readonly peerGateways?: readonly Address[];
  readonly internal: boolean;
}

/**
 * What crosses the border of a network. From outside comes nothing but answers and what was sent to a published port, so networks are apart
 * from each other; of an internal one nothing goes out. What goes out has an address of the network, and leaves the machine with the machine's
 * own. A container that reaches one of its network by a published port is answered by way of this machine.
 */
export function borderRequests(table: Table, { index, subnets, internal }: RuledNetwork): Request[] {
  const [enters, leaves]: [Chain, Chain] = [
    { table, name: 'enters' },
    { table, name: 'leaves' },
  ];
  const forward: Chain = { table, name: 'forward', base: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' } };
  const postrouting: Chain = { table, name: 'postrouting', base: { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' } };
  const bridge = ifindex(index);
  const open = internal ? [] : subnets;
  return [
    addChain(enters),
    ...(internal ? [] : [addRule(enters, inState('established', 'related'), accept), addRule(enters, hasStatus('dnat'), accept)]),
    addRule(enters, drop),
    addChain(leaves),
    // with br_netfilter a frame from one of its containers to another comes here too
    addRule(leaves, equals(oif, bridge), accept),
    ...open.map((subnet) => addRule(leaves, saddrIn(subnet), accept)),
    addRule(leaves, drop),
    addChain(forward),
    addRule(forward, equals(iif, bridge), goTo(leaves.name)),
    addRule(forward, equals(oif, bridge), goTo(enters.name)),
    ...(internal ? [] : [addChain(postrouting)]),
    ...open.map((subnet) => addRule(postrouting, saddrIn(subnet), differs(oif, bridge), masquerade)),
    ...open.map((subnet) => addRule(postrouting, saddrIn(subnet), equals(oif, bridge), hasStatus('dnat'), masquerade)),
  ];
}
