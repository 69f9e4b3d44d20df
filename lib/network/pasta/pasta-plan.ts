import { NETLINK_NETFILTER } from '../../plan/constants.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Cidr, describe, withPrefix } from '../address.js';
import { oifname } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { batchStep } from '../nftables/owner-table-plan.js';
import { daddrIn, differs, drop } from '../nftables/statements.js';
import type { Chain, Table } from '../nftables/table.js';
import { addChain, addRule, createTable } from '../nftables/table-requests.js';
import { ifname } from '../nftables/values.js';

// A container that reaches what this machine reaches, by a program of the machine's. Pure.
//
//   program ──▶ eth0, a tap device of the container's ──▶ pasta(1) ──▶ sockets of its own in the network namespace of the shim
//
// pasta needs no right over the machine's network, and confines itself (addon/shim/modes/pasta_process.h). It is there as long as the run.

/** The container's end. */
const INTERFACE = 'eth0';

/**
 * How pasta is called: nothing of the container's is reached from outside, nor this machine by the gateway's address. Its loopback: {@link closeLoopback}. The namespace is
 * its standard input, and its standard output is where it says that the network is there. It is root of the user namespace that owns the
 * network already.
 */
const ARGUMENTS = [
  ...['--foreground', '--quiet', '--runas', '0:0', '--pid', '/proc/self/fd/1'],
  ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none', '--no-map-gw'],
  ...['--config-net', '--ns-ifname', INTERFACE],
  ...['--no-netns-quit', '--netns', '/proc/self/fd/0'],
];

const LOOPBACK: readonly Cidr[] = [
  withPrefix(describe(Uint8Array.of(127, 0, 0, 0)), 8),
  // what is sent to no address in particular gets to the loopback as well
  withPrefix(describe(Uint8Array.of(0, 0, 0, 0)), 8),
  withPrefix(describe(new Uint8Array(16)), 128),
  withPrefix(describe(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)), 128),
  // addresses of IPv4 as those of IPv6
  withPrefix(describe(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0)), 96),
];

/**
 * Host steps that keep what is sent to the loopback's addresses from the link, ahead of pasta. A socket that is bound to the link (SO_BINDTODEVICE)
 * passes the loopback and its routes by, as what is forwarded for a container on a bridge does, and a pasta of 2023 sends on to this machine's what comes to it so.
 */
export function closeLoopback(namespace: Slot, socket: Slot): Step[] {
  return [
    { op: 'netlink_socket', host: true, out: socket, ns: namespace, protocol: NETLINK_NETFILTER },
    batchStep(socket, "keep packets to the loopback's addresses from the link", loopbackRules()),
    { op: 'close', host: true, slot: socket },
  ];
}

function loopbackRules(): Request[] {
  const table: Table = { family: 'inet', name: 'nacelle' };
  const chains = (['output', 'forward'] as const).map((hook): Chain => {
    return { table, name: hook === 'output' ? 'refused' : 'forwarded', base: { type: 'filter', hook, priority: 0, policy: 'accept' } };
  });
  return [
    createTable(table, { owned: false }),
    ...chains.flatMap((chain) => [
      addChain(chain),
      ...LOOPBACK.map((addresses) => addRule(chain, differs(oifname, ifname('lo')), daddrIn(addresses), drop)),
    ]),
  ];
}

/** Host steps that start pasta for a network namespace. `said` gets what it prints. */
export function startPasta(path: string, namespace: Slot, said: Slot): Step[] {
  return [{ op: 'start_pasta', host: true, out: said, ns: namespace, path, arguments: ARGUMENTS }];
}

/** The process waits until its network is there; from then on the shim keeps it so. */
export function awaitPasta(path: string, said: Slot): Step[] {
  return [
    { op: 'await_pasta', said, path },
    { op: 'close', slot: said },
    { op: 'close', host: true, slot: said },
    { op: 'keep_pasta', host: true },
  ];
}

/** Steps at the container's end, ahead of what ends its links: pasta keeps the namespace alive. @param path `null`: it has none */
export function stopPasta(path: string | null): Step[] {
  return path === null ? [] : [{ op: 'stop_pasta', host: true }];
}
