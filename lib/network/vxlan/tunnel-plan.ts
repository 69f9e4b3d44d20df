import type { Slot, Step } from '../../plan/steps.js';
import type { Address } from '../address.js';
import { addTunnelPeer, openPort, setFdbEntry, setNeighbour, setTunnelEntry } from '../rtnetlink.js';
import { request } from '../veth-plan.js';
import { newVxlan, type Tunnel } from './vxlan-link.js';

// A network of several hosts is a bridge on each, and one port of it that leads to the others: a tunnel. Pure.

/** The port of a network's bridge that leads to other hosts. */
export interface TunnelPort {
  readonly name: string;
  readonly index: number;
  /** The bridge's number, which is the link group of both. */
  readonly bridge: number;
}

/** A container on another host. */
export interface Remote {
  readonly address: Address;
  readonly mac: Uint8Array;
  readonly host: Address;
  /** By which others find it. */
  readonly names: readonly string[];
}

/** @param of.peers the other hosts: what is for nobody whom the tunnel knows goes to each of them, once */
export function tunnelSteps(
  socket: Slot,
  port: TunnelPort,
  of: Tunnel & { readonly mtu: number; readonly peers: readonly Address[]; readonly remotes: readonly Remote[] },
): Step[] {
  const { name, index, bridge } = port;
  const link = { name, index, group: bridge, mtu: of.mtu, master: bridge, up: true };
  return [
    request(socket, `make the tunnel ${name} with the number ${of.vni}`, newVxlan(link, of)),
    request(socket, `set up the port ${name}`, openPort(index)),
    ...peerSteps(socket, port, of.peers),
    ...remoteSteps(socket, port, of.remotes),
  ];
}

/** Steps that may be done again. */
export function peerSteps(socket: Slot, { name, index }: TunnelPort, peers: readonly Address[]): Step[] {
  return peers.map((host) => request(socket, `tell ${name} of the host ${host.text}`, addTunnelPeer(index, host)));
}

/**
 * Steps that may be done again, also when the container has moved: frames for it go to its host alone, and this host's bridge answers who asks
 * for its MAC address.
 */
export function remoteSteps(socket: Slot, { name, index, bridge }: TunnelPort, remotes: readonly Remote[]): Step[] {
  return remotes.flatMap(({ address, mac, host }) => [
    request(socket, `tell the bridge that ${address.text} is behind ${name}`, setFdbEntry(index, mac)),
    request(socket, `tell ${name} that ${address.text} is on the host ${host.text}`, setTunnelEntry(index, mac, host)),
    request(socket, `tell the bridge the MAC address of ${address.text}`, setNeighbour(bridge, address, mac)),
  ]);
}
