import { invalidOption, NacelleError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { type Address, type Cidr, formatMac, hostOf, parseMac } from '../address.js';
import { type PluggedContainer, plugContainer } from '../cni/attachments.js';
import { capabilityArgs, cniArgs, hasCapability, type WantedOfPlugins } from '../cni/capability-args.js';
import { addressesOf, type CniDns, type CniResult, defaultGateways, interfaceIn, linksOutside } from '../cni/cni-result.js';
import { chainOf } from '../cni/plugin-network.js';
import { dnsNamesOf } from '../names/member.js';
import type { AskedPort } from '../ports/join-ports.js';
import type { PublishedPort } from '../ports/port-mapping.js';
import { bucketFor, type ParsedBandwidth } from '../traffic/bandwidth.js';
import type { JoiningContainer, PluggedAttachment, WantedNetwork } from './attach-network.js';
import { keepForwarding } from './forward-packets.js';
import { findNetwork, noNetwork } from './network-file.js';
import type { PluginRecord } from './network-settings.js';
import type { Parts } from './parts.js';

/** A network of plugins, with its place among those of the container. */
interface PlacedNetwork {
  readonly place: number;
  readonly wanted: WantedNetwork;
  readonly record: PluginRecord;
}

interface Plugging extends JoiningContainer {
  readonly ports: readonly AskedPort[];
  /** Name servers that the container asks. */
  readonly dns: readonly string[];
  /** A descriptor of its network namespace, which is closed when the container is detached; `null`: no network of plugins is wanted. */
  readonly namespace: number | null;
}

/**
 * Has plugins attach a container to those of its networks that plugins make, one after the other.
 *
 * @param parts what is taken for the container is added there at once
 * @returns the links, by their places among the networks
 * @throws NacelleError `ERR_INVALID_OPTION` for what no plugin of a network does, `ERR_CNI_RESULT` when plugins don't do what was asked for; CniError;
 * SyscallError; the signal's reason
 */
export async function attachPlugins(
  wanted: readonly WantedNetwork[],
  parts: Parts,
  of: Plugging,
): Promise<ReadonlyMap<number, PluggedAttachment>> {
  if (of.namespace === null) return new Map();
  const container = parts.add(await plugContainer({ ...of, namespace: of.namespace }));
  const placed = await placedNetworks(wanted);
  // before any plugin is run
  const asked = placed.map((one) => ({ ...one, want: wantOf(one, portsFor(one, placed, wanted, of.ports), of) }));
  const attachments = new Map<number, PluggedAttachment>();
  for (const one of asked) attachments.set(one.place, await attachOne(container, one, of));
  return attachments;
}

async function placedNetworks(wanted: readonly WantedNetwork[]): Promise<PlacedNetwork[]> {
  const placed: PlacedNetwork[] = [];
  for (const [place, one] of wanted.entries()) {
    const record = await findNetwork(one.name);
    if (record === null) throw noNetwork(one.name);
    if (record.driver === 'cni') placed.push({ place, wanted: one, record });
  }
  return placed;
}

/** The ports that the plugins of a network lead to the container: those of the first one that can, unless there is a network of nacelle's own. */
function portsFor(
  { place }: PlacedNetwork,
  placed: readonly PlacedNetwork[],
  wanted: readonly WantedNetwork[],
  ports: readonly AskedPort[],
): PublishedPort[] {
  const [first] = ports;
  if (first === undefined || placed.length < wanted.length) return [];
  const able = placed.find(({ record }) => hasCapability(record.list, 'portMappings'));
  if (!able) throw invalidOption(first.option, `needs a network that leads ports on: no plugin here has the capability portMappings`);
  return able.place === place ? ports.map(settled) : [];
}

/** Nobody holds a port for plugins, so that nobody could find out that one is free. */
function settled({ option, container, host, address, protocol }: AskedPort): PublishedPort {
  if (host === null || host.first !== host.last) {
    throw invalidOption(option, "needs one port of this machine's, by its number: plugins don't choose a free one");
  }
  return { container, host: host.first, address: address.text, protocol };
}

function wantOf(
  { wanted, record }: PlacedNetwork,
  ports: readonly PublishedPort[],
  of: Plugging,
): WantedOfPlugins & { ports: readonly PublishedPort[] } {
  const { bandwidth, dns } = of;
  if (bandwidth !== null && !hasCapability(record.list, 'bandwidth')) {
    throw invalidOption('bandwidth', `is nothing that a plugin of the network ${wanted.name} limits: none has the capability bandwidth`);
  }
  const mac = wanted.mac === null ? null : formatMac(wanted.mac);
  return { ports, bandwidth: ratesOf(bandwidth), ip: wanted.ip, mac, aliases: wanted.aliases, dns };
}

function ratesOf(bandwidth: ParsedBandwidth | null): WantedOfPlugins['bandwidth'] {
  if (bandwidth === null) return null;
  const of = (rate: number | null) => (rate === null ? null : { rate, burst: bucketFor(rate).burst });
  return { egress: of(bandwidth.egress), ingress: of(bandwidth.ingress) };
}

async function attachOne(
  container: PluggedContainer,
  { place, wanted, record, want }: PlacedNetwork & { readonly want: ReturnType<typeof wantOf> },
  of: Plugging,
): Promise<PluggedAttachment> {
  const name = wanted.interfaceName ?? `eth${place}`;
  const request = {
    ...{ network: wanted.name, store: storeRoot(), chain: chainOf(record), interface: name },
    ...{ args: cniArgs(record.list, want, record.args), capabilities: capabilityArgs(want) },
  };
  const { result } = await container.attach(request, of.signal);
  const addresses = addressesOf(result, name);
  const mac = macIn(result, name);
  requireAsked(wanted, { addresses, mac });
  // a plugin that needs packets to be forwarded has found that on where a bridge of ours is, which may go before its link
  await keepForwarding(linksOutside(result));
  return {
    network: wanted.name,
    interface: name,
    mac: mac ?? NO_MAC,
    addresses,
    gateways: defaultGateways(result),
    names: dnsNamesOf(of, wanted.aliases),
    dns: result.dns,
    ports: want.ports,
  };
}

/** Of a link without one, as a tunnel. */
const NO_MAC = new Uint8Array(6);

function macIn(result: CniResult, name: string): Uint8Array | null {
  const mac = interfaceIn(result, name)?.mac ?? null;
  const parsed = mac === null ? null : parseMac(mac);
  return typeof parsed === 'string' ? null : parsed;
}

/** Plugins may leave out what they don't know: whoever asked for it must not believe it done. */
function requireAsked(
  { name, ip, mac }: WantedNetwork,
  given: { readonly addresses: readonly Cidr[]; readonly mac: Uint8Array | null },
): void {
  const has = (address: Address): boolean => given.addresses.some(({ text }) => hostOf(text) === address.text);
  const refused = (what: string, got: string): NacelleError =>
    new NacelleError(`attach a container to the network ${name}: its plugins gave ${got}, and not ${what}, which was asked for`, {
      code: 'ERR_CNI_RESULT',
    });
  if (ip !== null && !has(ip)) throw refused(`the address ${ip.text}`, given.addresses.map(({ text }) => text).join(' and ') || 'none');
  if (mac === null) return;
  const got = given.mac === null ? 'none' : formatMac(given.mac);
  if (got !== formatMac(mac)) throw refused(`the MAC address ${formatMac(mac)}`, got);
}

/** What the plugins of a container's networks say of names, as one. */
export function dnsOf(attachments: Iterable<PluggedAttachment>): CniDns {
  const all = [...attachments].map(({ dns }) => dns);
  const of = (what: keyof CniDns): string[] => [...new Set(all.flatMap((dns) => dns[what]))];
  return { nameservers: of('nameservers'), search: of('search'), options: of('options') };
}
