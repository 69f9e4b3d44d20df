import * as z from 'zod';
import { invalidOption, NacelleError, UnsupportedError } from '../../errors.js';
import { carryOut } from '../../native/host-work.js';
import { parseOptions } from '../../options/parse-options.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, planOf, Slots } from '../../plan/plan.js';
import { type Address, describe, formatMac, parseAddress, parseCidr } from '../address.js';
import { macOf } from '../bridge/host-end.js';
import { findNetwork, noNetwork, withNetworkFiles, writeNetwork } from '../bridge/network-file.js';
import { PERSIST, tunnelOf, usesOf, withNetwork } from '../bridge/network-folder.js';
import { gatewaysOf, numbersOf, peersOf, subnetsOf, type VxlanRecord, type WrittenRecord } from '../bridge/network-settings.js';
import { isAddressTaken } from '../bridge/offers.js';
import { addressAt, numberIn } from '../ipam/subnet.js';
import { isName } from '../names/member.js';
import { isOwnAddress } from '../own-addresses.js';
import { isOwnLink } from '../own-link.js';
import { mac, readable } from '../veth-options.js';
import { putNames } from './remote-names.js';
import { peerSteps, type Remote, remoteSteps } from './tunnel-plan.js';
import { familyOfPeers } from './vxlan-place.js';

/** Another host of a network, and containers on it: what `network.learn` is told. */
export interface NetworkPeer {
  /** The other host's address, at which its tunnel is reached. */
  readonly host: string;
  /** Those of a container there, or of several, in the network: '10.1.0.7', or '10.1.0.7/24' as `inspect` tells. None: the host is a peer. */
  readonly addresses: readonly string[];
  /** The MAC address of the container that has all these addresses. Default: for each the one that follows from it, as nacelle gives them. */
  readonly mac?: string | undefined;
  /** By which containers here find the one with these addresses. Default none. */
  readonly names?: readonly string[] | undefined;
  /** The host's own address in the network's first subnet: needed for a host that is new to a network with `peerGateways`. Default: it is not known. */
  readonly gateway?: string | undefined;
}

const name = z.string().refine(isName, "must be a name that can be asked for: labels of 1 to 63 bytes with '.' between, and no spaces");
const shape = z.strictObject({
  host: readable<Address>(parseAddress),
  addresses: z.array(readable<Address>((value) => (value.includes('/') ? parseCidr(value) : parseAddress(value)))).readonly(),
  mac: mac.optional(),
  names: z.array(name).readonly().optional(),
  gateway: readable<Address>(parseAddress).optional(),
});

/**
 * Notes a host, and what lives there, in what is written down of a network, and tells the network's tunnel if that is there now.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_NO_NETWORK`, `EADDRINUSE` for an address that a container has here; UnsupportedError where the
 * network is on one host; SyscallError
 */
export async function learnPeer(name: string, given: NetworkPeer): Promise<void> {
  const { host, addresses, ...of } = parseOptions(shape, given, 'peer');
  tunnelled(name, await findNetwork(name));
  await withNetwork(name, async () => {
    const remotes = await withNetworkFiles(async () => {
      const record = tunnelled(name, await findNetwork(name));
      requireFamily(record, host);
      // who tells all hosts the same tells each what is its own
      if (isOwnAddress(host)) return [];
      const gateway = newGatewayOf(name, record, host, of.gateway ?? null);
      const told = { mac: of.mac ?? null, names: (of.names ?? []).map((one) => one.toLowerCase()), host };
      const found = addresses.map(({ bytes }, place) => remoteOf(name, record, { address: describe(bytes), place, ...told }));
      await writeNetwork(name, withRemotes(record, { host, gateway }, found));
      return found;
    });
    if (isOwnAddress(host) || !isOwnLink(tunnelOf(name).name)) return;
    const slots = new Slots();
    const socket = slots.take();
    const open = { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE } as const;
    const port = tunnelOf(name);
    putNames(name, remotes);
    await carryOut(planOf({ prepare: [open, ...peerSteps(socket, port, [host]), ...remoteSteps(socket, port, remotes)] }));
  });
}

function tunnelled(name: string, record: WrittenRecord | null): VxlanRecord {
  if (record === null) throw noNetwork(name);
  if (record.driver === 'vxlan') return record;
  throw new UnsupportedError('network.learn', `the network ${name} has the driver ${record.driver}, and is on this host alone`);
}

function requireFamily(record: VxlanRecord, host: Address): void {
  const family = familyOfPeers(peersOf(record));
  if (host.family !== family) throw invalidOption('host', `is ${host.text}, and the network's hosts reach each other by IPv${family}`);
}

/**
 * What is to be noted of a host's own address. Rules that know all hosts stand as long as the network is used, so none comes to it meanwhile.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_IN_USE`
 */
function newGatewayOf(name: string, record: VxlanRecord, host: Address, given: Address | null): Address | null {
  const refused = (problem: string): NacelleError => invalidOption('gateway', problem);
  if (record.peerGateways === undefined) {
    if (given === null) return null;
    throw refused(`is ${given.text}, and the network ${name} was made without peerGateways`);
  }
  const place = record.peers.indexOf(host.text);
  if (place !== -1) {
    const known = record.peerGateways[place];
    if (given === null || given.text === known) return null;
    throw refused(`is ${given.text}, and the host ${host.text} has ${known} in the network ${name}`);
  }
  if (given === null) throw refused(`is needed: the network ${name} has peerGateways, and the host ${host.text} is new to it`);
  const [first] = subnetsOf(record);
  const number = first ? numberIn(first, given) : null;
  const { first: least, last } = numbersOf(record, { all: true });
  if (number === null || number < least || number > last) throw refused(`is ${given.text}, which no link in the network ${name} can have`);
  if (usesOf(name).some((use) => use !== PERSIST)) {
    const cure = 'Tell it before the first container, or after the last one';
    throw new NacelleError(`learn the host ${host.text} in the network ${name}, which has peerGateways: it is in use. ${cure}`, {
      code: 'ERR_IN_USE',
    });
  }
  return given;
}

interface Told {
  readonly address: Address;
  readonly place: number;
  readonly mac: Uint8Array | null;
  readonly names: readonly string[];
  readonly host: Address;
}

function remoteOf(name: string, record: VxlanRecord, { address: one, place, mac: given, names, host }: Told): Remote {
  const refused = (problem: string): NacelleError => invalidOption(`addresses[${place}]`, `is ${one.text}, ${problem}`);
  const [first] = subnetsOf(record);
  const number = subnetsOf(record)
    .map((subnet) => numberIn(subnet, one))
    .find((found) => found !== null);
  if (number === undefined || !first) throw refused(`which lies in no subnet of the network ${name}`);
  const { gateway, first: least, last } = numbersOf(record, { all: true });
  if (number < least || number > last) throw refused(`which no link in the network ${name} can have`);
  if (number === gateway) throw refused(`this host's own in the network ${name}`);
  // a lease is called by the address in the first subnet
  const lease = addressAt(first, number).text;
  if (isAddressTaken(name, lease)) {
    throw new NacelleError(`learn the address ${one.text} in the network ${name}: a container on this host has it`, { code: 'EADDRINUSE' });
  }
  const remote = { address: one, mac: given ?? macOf(addressAt(first, number)), host, names };
  const own = gatewaysOf(record).slice(0, 1).map(macOf);
  if (own.some((bridge) => formatMac(bridge) === formatMac(remote.mac))) throw invalidOption('mac', "is that of this host's bridge");
  return remote;
}

/** What is written down, with containers that are at a host now, wherever they were. */
function withRemotes(
  record: VxlanRecord,
  { host, gateway }: { readonly host: Address; readonly gateway: Address | null },
  remotes: readonly Remote[],
): VxlanRecord {
  const texts = remotes.map(({ address, mac, names }) => ({
    address: address.text,
    mac: formatMac(mac),
    host: host.text,
    names: [...names],
  }));
  const others = record.learned.filter(({ address: known }) => !texts.some((one) => one.address === known));
  const peers = record.peers.includes(host.text) ? record.peers : [...record.peers, host.text];
  const known = gateway === null ? {} : { peerGateways: [...(record.peerGateways ?? []), gateway.text] };
  return { ...record, peers, learned: [...others, ...texts], ...known };
}
