import type { Step } from '../../plan/steps.js';
import { type Address, hostOf, knownAddress } from '../address.js';
import type { MadeAttachment } from '../bridge/attach-network.js';
import { bridgeOf } from '../bridge/network-folder.js';
import type { HeldBorder } from '../rules/held-rules.js';

/** The networks of a container as they can be changed while it lives: plain data, which other processes can read. */
export interface LinksRecord {
  /** The network namespace with the bridges, by its inode number. */
  readonly namespace: number;
  /** The host name that was asked for. */
  readonly hostname: string | null;
  /** The container asks about names at 127.0.0.11. */
  readonly asksNames: boolean;
  /** It has a list of where it may connect to. What an older version has written down lacks this. */
  readonly isGuided?: boolean;
  /** It had such a list, and can have one again. Absent: none was lifted. */
  readonly isLifted?: boolean;
  /** Its file of names is there, and the server of names answers it; false until its first network. */
  readonly isMember: boolean;
  /** The kernel has IPv6. */
  readonly hasIpv6: boolean;
  /** A privileged program ran in the container beside its own. Absent: none did. */
  readonly hadRights?: boolean;
  /** In the order in which it has joined them: the default route goes through the first one that has a gateway, for each family. */
  readonly list: readonly LinkRecord[];
}

/** A link of a container. */
export interface LinkRecord {
  readonly network: string;
  /** What the network is called where names are asked for: its bridge. */
  readonly bridge: string;
  readonly isInternal: boolean;
  /** Tells the container's links apart. */
  readonly place: number;
  /** Its name in the container, and its number. */
  readonly interface: string;
  readonly index: number;
  /** Bytes. */
  readonly mtu: number;
  /** This machine's end; `null` for a child of one of its links. */
  readonly port: { readonly name: string; readonly index: number } | null;
  /** The link group in the container's network namespace of a child; `null` for a link with an end on this machine. */
  readonly group: number | null;
  /** A way out of the network for each family. */
  readonly gateways: readonly string[];
  /** In CIDR notation. What an older version has written down lacks them. */
  readonly addresses?: readonly string[];
  /** Where the container's own task holds its border. `null`: the process that has made the container does. Absent: an older version has made the link. */
  readonly border?: HeldBorder | null;
  /** Host steps that end the limit of what it sends, where that came after the container. */
  readonly limit: readonly Step[];
  /** Host steps that give back what the container has of the network. */
  readonly leave: readonly Step[];
}

export function linkRecord(attachment: MadeAttachment, of: Pick<LinkRecord, 'place' | 'isInternal' | 'leave' | 'border'>): LinkRecord {
  const { network, interface: name, index, mtu, gateways, addresses } = attachment;
  return {
    ...of,
    limit: [],
    network,
    bridge: bridgeOf(network).name,
    interface: name,
    index,
    mtu,
    port: 'port' in attachment ? attachment.port : null,
    group: 'child' in attachment ? attachment.child.group : null,
    gateways: gateways.map(({ text }) => hostOf(text)),
    addresses: addresses.map(({ text }) => text),
  };
}

/** A default route of a container. */
export interface Route {
  /** The number of the link. */
  readonly index: number;
  readonly gateway: Address;
}

/** The default routes: for each family through the first link that has a gateway. */
export function routesOf(links: readonly { readonly index: number; readonly gateways: readonly Address[] }[]): Route[] {
  const all = links.flatMap(({ index, gateways }) => gateways.map((gateway) => ({ index, gateway })));
  const firsts = ([4, 6] as const).map((family) => all.find(({ gateway }) => gateway.family === family));
  return firsts.filter((route) => route !== undefined);
}

/** As {@link routesOf}, of links as they are written down. */
export function recordedRoutes(links: readonly LinkRecord[]): Route[] {
  return routesOf(links.map(({ index, gateways }) => ({ index, gateways: gateways.map(knownAddress) })));
}
