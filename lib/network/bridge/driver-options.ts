import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { type Address, parseAddress } from '../address.js';
import { IPVLAN_MODES, MACVLAN_MODES } from '../macvlan/child-link.js';
import { linkName, readable } from '../veth-options.js';

/** What a network's packets go through, with what is its own. */
export type DriverChoice =
  | { readonly driver: 'bridge' }
  | {
      readonly driver: 'vxlan';
      readonly vni: number;
      readonly peers: readonly Address[];
      /** One for each of the peers; `null`: they are not told. */
      readonly peerGateways: readonly Address[] | null;
      readonly parent: string | null;
    }
  | { readonly driver: 'macvlan'; readonly parent: string; readonly mode: keyof typeof MACVLAN_MODES; readonly hostAccess: boolean }
  | { readonly driver: 'ipvlan'; readonly parent: string; readonly mode: keyof typeof IPVLAN_MODES };

/** Options that not every driver has. */
export const driverShape = {
  driver: z
    .enum(['bridge', 'macvlan', 'ipvlan', 'vxlan'], { error: "must be 'bridge', 'macvlan', 'ipvlan', 'vxlan' or { cni }" })
    .optional(),
  parent: linkName.optional(),
  mode: z.string().optional(),
  hostAccess: z.boolean().optional(),
  vni: z
    .int()
    .min(1)
    .max(2 ** 24 - 1)
    .optional(),
  peers: z.array(readable<Address>(parseAddress)).readonly().optional(),
  peerGateways: z.array(readable<Address>(parseAddress)).readonly().optional(),
};

type Driver = DriverChoice['driver'];
type Given = z.output<z.ZodObject<typeof driverShape>> & {
  readonly subnet?: unknown;
  readonly range?: unknown;
  readonly internal?: unknown;
};

/** The drivers that have an option which not all have. */
const DRIVERS_OF = [
  ['parent', ['macvlan', 'ipvlan', 'vxlan']],
  ['mode', ['macvlan', 'ipvlan']],
  ['hostAccess', ['macvlan']],
  ['vni', ['vxlan']],
  ['peers', ['vxlan']],
  ['peerGateways', ['vxlan']],
  ['internal', ['bridge', 'vxlan']],
] as const satisfies readonly (readonly [keyof Given, readonly Driver[]])[];

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function readDriver(given: Given): DriverChoice {
  const { driver = 'bridge' } = given;
  for (const [option, drivers] of DRIVERS_OF) {
    const has: readonly Driver[] = drivers;
    if (given[option] === undefined || has.includes(driver)) continue;
    throw invalidOption(option, `is none of the driver ${driver}, but of ${drivers.join(' and ')}`);
  }
  return readers[driver](given);
}

const readers: Readonly<Record<Driver, (given: Given) => DriverChoice>> = {
  bridge: () => ({ driver: 'bridge' }),
  vxlan({ vni, peers = [], peerGateways = null, parent = null, subnet, range }) {
    needed('vxlan', 'subnet', subnet, 'that of the network on all of its hosts');
    needed('vxlan', 'range', range, 'the part of the subnet from which this host gives addresses, and no other does');
    const number = needed('vxlan', 'vni', vni, 'the number of the network on all of its hosts');
    if (peerGateways !== null && peerGateways.length !== peers.length) {
      throw invalidOption(
        'peerGateways',
        `has ${peerGateways.length} addresses, and peers ${peers.length}: each host has one, in the order of peers`,
      );
    }
    return { driver: 'vxlan', vni: number, peers: readPeers(peers), peerGateways, parent };
  },
  macvlan({ parent, mode = 'bridge', hostAccess = false, subnet }) {
    needed('macvlan', 'subnet', subnet, PARENTS_SUBNET);
    const known = readMode('macvlan', mode, MACVLAN_MODES);
    if (hostAccess && known !== 'bridge') {
      throw invalidOption('hostAccess', `needs the mode bridge: in the mode ${known} no child of a link reaches another`);
    }
    return { driver: 'macvlan', parent: needed('macvlan', 'parent', parent, PARENT), mode: known, hostAccess };
  },
  ipvlan({ parent, mode = 'l2', subnet }) {
    needed('ipvlan', 'subnet', subnet, PARENTS_SUBNET);
    return { driver: 'ipvlan', parent: needed('ipvlan', 'parent', parent, PARENT), mode: readMode('ipvlan', mode, IPVLAN_MODES) };
  },
};

const PARENTS_SUBNET = 'that of the network which the parent is in';
const PARENT = 'the link of this machine whose children the links of containers are';

function needed<V>(driver: Driver, option: keyof Given, value: V | undefined, what: string): V {
  if (value === undefined) throw invalidOption(option, `is needed with the driver ${driver}: ${what}`);
  return value;
}

function readMode<M extends string>(driver: Driver, mode: string, modes: Readonly<Record<M, number>>): M {
  const isKnown = (value: string): value is M => Object.hasOwn(modes, value);
  if (isKnown(mode)) return mode;
  throw invalidOption('mode', `is '${mode}', which the driver ${driver} doesn't know: ${Object.keys(modes).join(', ')}`);
}

function readPeers(peers: readonly Address[]): readonly Address[] {
  if (new Set(peers.map(({ family }) => family)).size > 1) {
    throw invalidOption('peers', 'has addresses of IPv4 and of IPv6: a tunnel goes through one of the two');
  }
  const twice = peers.find(({ text }, place) => peers.findIndex((other) => other.text === text) < place);
  if (twice) throw invalidOption('peers', `has ${twice.text} twice`);
  return peers;
}
