import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { invalidOption, NacelleError, UnsupportedError } from '../../errors.js';
import { containersOwner } from '../../host/container-shim.js';
import { writeRecord } from '../../host/journal.js';
import { dropRecord } from '../../host/recorded.js';
import { type Address, type Cidr, hostOf } from '../address.js';
import type { CniDns } from '../cni/cni-result.js';
import { FIRST_OWN_NUMBER } from '../link-numbers.js';
import type { ParentWay } from '../macvlan/parent-way.js';
import { dnsNamesOf } from '../names/member.js';
import type { PublishedPort } from '../ports/port-mapping.js';
import { type GuardedPort, portOf } from '../rules/guarded-port.js';
import { heldRules } from '../rules/held-rules.js';
import type { NamedPort } from '../rules/own-rules.js';
import type { ParsedBandwidth } from '../traffic/bandwidth.js';
import { recordedIfb } from '../traffic/recorded-ifb.js';
import { leaseFreeAddress } from './address-lease.js';
import { hostEndName, macOf } from './host-end.js';
import { type KeptBridge, keepBridge, ruledNetwork } from './kept-bridge.js';
import { isPluginNetwork } from './network-file.js';
import { hasOwnMacs, leaveSteps, markOwnMacs, sharingUse, useOf, useRecord, useStep } from './network-folder.js';
import { gatewaysOf, type NetworkRecord, peerGatewaysOf } from './network-settings.js';
import type { Part, Parts } from './parts.js';

/** A network that a container is to be on. */
export interface WantedNetwork {
  readonly name: string;
  readonly ip: Address | null;
  /** What is before the names of its options in the caller's: 'network[0].', or ''. */
  readonly optionPrefix: string;
  readonly mac: Uint8Array | null;
  /** `null`: eth0 for the first, eth1 for the next. */
  readonly interfaceName: string | null;
  /** Names that it has in this network beside its own. */
  readonly aliases: readonly string[];
}

/** A link of a container to a network: all that is needed to make it, and nothing to be looked up. */
export type Attachment = MadeAttachment | PluggedAttachment;

/** One that the plan of the container makes. */
export type MadeAttachment = BridgedAttachment | ChildAttachment;

/** Plugins of CNI have made their links before. */
export function isMadeHere(attachment: Attachment): attachment is MadeAttachment {
  return 'port' in attachment || 'child' in attachment;
}

/** Whether all are links to bridges of this machine, which are the container's alone. */
export function areBridged(attachments: readonly Attachment[]): boolean {
  return attachments.every((one) => 'port' in one);
}

interface AttachedLink {
  readonly network: string;
  /** The end in the container. */
  readonly interface: string;
  /** Its number in the container's network namespace, which has no other links yet but the kernel's first ones. */
  readonly index: number;
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** Neighbours may remember another MAC address for its address, so they are told. A frame to all in a large network takes long. */
  readonly announces: boolean;
  /** A way out of the network for each family; none where it has none. */
  readonly gateways: readonly Address[];
  /** By which others in the network find the container. */
  readonly names: readonly string[];
}

/** A veth pair to a port of a bridge. */
export interface BridgedAttachment extends AttachedLink {
  /** The bridge's port. Its number, and its link group, are one, which nobody else has. */
  readonly port: { readonly name: string; readonly index: number };
  /** The bridge's number. */
  readonly bridge: number;
  /** By the port it reaches the others of the network alone. Default: no. */
  readonly isConfined?: boolean;
}

/** A child of one of this machine's links. */
export interface ChildAttachment extends AttachedLink {
  readonly child: ParentWay & {
    /** The link group of the child, which nobody else has. */
    readonly group: number;
  };
}

/** A link that plugins of CNI have made, which is in the container's network namespace already. */
export interface PluggedAttachment extends Omit<AttachedLink, 'index' | 'mtu' | 'announces'> {
  /** What the plugins say of names. */
  readonly dns: CniDns;
  /** Those that plugins lead to the container. */
  readonly ports: readonly PublishedPort[];
}

/** A container that is about to be made. */
export interface JoiningContainer {
  readonly id: string;
  /** The shim that makes and ends it. */
  readonly owner: string;
  readonly name: string | null;
  readonly hostname: string | null;
  /** Of each of its links. */
  readonly bandwidth: ParsedBandwidth | null;
  /** By its links it reaches the others of its networks alone: a list says what else it may connect to. */
  readonly isConfined: boolean;
  /** Its abort ends the waiting for others, with its reason. */
  readonly signal: AbortSignal | null;
  /** It is for a run that nobody has asked for yet. Default: no. */
  readonly isAhead?: boolean;
}

/** Numbers of a container's links begin here: the kernel's own first ones (lo, and of some modules) have small numbers. */
const FIRST_INDEX = 100;

interface Attached {
  readonly attachment: MadeAttachment;
  readonly isInternal: boolean;
  readonly way: KeptBridge['way'];
}

/**
 * Attaches a container to a network: a bridge that is kept, an address in it, rules for what goes through the container's port.
 *
 * @param parts what is taken for the container is added there at once
 * @throws as `keepBridge` and `leaseFreeAddress`; the signal's reason
 */
export async function attach(network: WantedNetwork, parts: Parts, of: JoiningContainer & { readonly place: number }): Promise<Attached> {
  const bridge = parts.add(await keepBridge(network.name, of.signal));
  parts.add(entered(bridge));
  const { name, ip, mac, optionPrefix } = network;
  if (mac !== null && 'parent' in bridge.way && bridge.way.mac !== null) {
    throw invalidOption(`${optionPrefix}mac`, `can't be chosen in the network ${name}: all of the driver ipvlan have the parent's`);
  }
  if (of.isConfined) requireKnownHosts(name, bridge.record);
  const { addresses } = parts.add(
    await leaseFreeAddress(name, bridge.record, { ...of, offers: bridge.offers, last: bridge.last, ip, option: `${optionPrefix}ip` }),
  );
  const link = attachedLink(network, addresses, { ...of, bridge });
  const isInternal = bridge.record.internal;
  const { way } = bridge;
  if ('parent' in way) {
    if (of.isConfined) {
      const problem = `can't go with the network ${name} of the driver ${bridge.record.driver}: no rule of this machine's sees what is sent there`;
      throw invalidOption('egress', problem);
    }
    if (of.bandwidth !== null) {
      const problem = `the network ${name} has the driver ${bridge.record.driver}: what its containers send goes through no link of this machine's own`;
      throw invalidOption('bandwidth', problem);
    }
    return { attachment: { ...link, child: { ...way, group: randomNumber() } }, isInternal, way };
  }
  const first = firstOf(addresses, name);
  const attachment = { ...link, port: { name: hostEndName(first), index: randomNumber() }, bridge: way.bridge, isConfined: of.isConfined };
  const port = { ...attachment.port, mac: attachment.mac, addresses, isConfined: of.isConfined };
  if (of.owner === containersOwner()) {
    const { rules } = way;
    // the rest is prepared meanwhile
    const done = Promise.all([rules.forget(addresses), rules.guard(port)]);
    // what is prepared may fail before anybody waits for this
    done.catch(() => undefined);
    parts.add({ ready: () => done, release: () => rules.release(port) });
  } else {
    await way.rules.forget(addresses);
    const shared = await way.shared.guard([port]);
    parts.add(heldRules(ruledNetwork(name, bridge.record), [port], { owner: of.owner, shared }));
  }
  if (of.bandwidth !== null && of.bandwidth.egress !== null) parts.add(recordedIfb(port, { ...of, keepsBridge: true }));
  return { attachment, isInternal, way };
}

/**
 * For a container with a list of where it may connect to: no other host is anything that its networks have.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function requireKnownHosts(name: string, record: NetworkRecord): void {
  if (record.driver !== 'vxlan' || peerGatewaysOf(record) !== null) return;
  const problem = `can't go with the network ${name} of the driver vxlan: it was made without peerGateways, so no rule here knows the addresses of the other hosts themselves`;
  throw invalidOption('egress', problem);
}

const OWN_PLACE = 'Give this container a place of its own in the network.';

/** Keeps the bridge of a network that another container shares, without an address of its own, and its rules, which the other one's end must not take away. */
export async function share(
  name: string,
  parts: Parts,
  of: JoiningContainer & { readonly place: number; readonly ports: readonly GuardedPort[] },
): Promise<KeptBridge> {
  if (isPluginNetwork(name)) {
    const reason = `the plugins of its network ${name} take the links away when that container ends`;
    throw new UnsupportedError("sharing a container's network", reason, OWN_PLACE);
  }
  const bridge = parts.add(await keepBridge(name, of.signal));
  if ('parent' in bridge.way) {
    const reason = `its network ${name} has the driver ${bridge.record.driver}, where nobody sees how long the address is in use`;
    throw new UnsupportedError("sharing a container's network", reason, OWN_PLACE);
  }
  parts.add(entered(bridge));
  const shared = of.ports.filter(({ network }) => network === name);
  const use = sharingUse(
    name,
    `${of.id}-${of.place}`,
    shared.map((port) => port.name),
  );
  const forget = writeRecord(of.owner, `${of.id}-network-${of.place}`, [useRecord(use)]);
  parts.add({
    steps: (slots) => ({ prepare: [useStep(use)], undo: [...leaveSteps(use, slots), ...forget] }),
    release(isHandedOver) {
      if (!isHandedOver) dropRecord(forget);
    },
  });
  const ports = shared.map(portOf);
  if (of.owner === containersOwner()) {
    const { rules } = bridge.way;
    for (const port of ports) {
      await rules.guard(port);
      parts.add({ release: () => (isLeased(name, port) ? rules.leave(port) : rules.release(port)) });
    }
  } else {
    const shared = await bridge.way.shared.guard(ports);
    parts.add(heldRules(ruledNetwork(name, bridge.record), ports, { owner: of.owner, shared }));
  }
  return bridge;
}

/** @throws NacelleError `ERR_RECORD`: a network that was written down without a subnet has no address for anybody */
function firstOf(addresses: readonly Cidr[], network: string): Cidr {
  const [first] = addresses;
  if (first) return first;
  throw new NacelleError(`join the network ${network}: what is written down of it is damaged, it has no subnet`, { code: 'ERR_RECORD' });
}

/** The container's task works where the bridge is. */
function entered({ place }: KeptBridge): Part {
  return { steps: () => ({ prepare: place.enter, undo: [] }) };
}

/** Whether the container whose port it is lives. */
function isLeased(network: string, { addresses: [first] }: NamedPort): boolean {
  return first !== undefined && existsSync(useOf(network, hostOf(first.text)).path);
}

function attachedLink(
  network: WantedNetwork,
  addresses: readonly Cidr[],
  of: JoiningContainer & { readonly bridge: KeptBridge; readonly place: number },
): AttachedLink {
  const { name, mac, interfaceName, aliases } = network;
  const { place } = of;
  const { mtu, record, way } = of.bridge;
  const first = firstOf(addresses, name);
  if (mac !== null) markOwnMacs(name);
  return {
    network: name,
    interface: interfaceName ?? `eth${place}`,
    index: FIRST_INDEX + place,
    mac: mac ?? ('parent' in way ? way.mac : null) ?? macOf(first),
    mtu,
    addresses,
    announces: record.driver !== 'bridge' || hasOwnMacs(name),
    gateways: record.internal ? [] : gatewaysOf(record),
    names: dnsNamesOf(of, aliases),
  };
}

/** For a link, and a link group, that nobody else has. */
function randomNumber(): number {
  return randomInt(FIRST_OWN_NUMBER, 2 ** 31 - 1);
}
