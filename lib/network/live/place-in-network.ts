import * as z from 'zod';
import { handle } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { type Address, parseAddress } from '../address.js';
import type { WantedNetwork } from '../bridge/attach-network.js';
import { aliases } from '../names/aliases.js';
import { linkName, mac, type NetworkOwner, readable } from '../veth-options.js';

/** Of `network.connect`: the container's place in the network. */
export interface NetworkConnectOptions {
  /** An address of one of the network's subnets. Default: the next that is free. */
  readonly ip?: string | undefined;
  /** Default: one that follows from the address. */
  readonly mac?: string | undefined;
  /** 1 to 15 bytes. Default: the first of eth0, eth1, … that the container has none of by its networks. */
  readonly interfaceName?: string | undefined;
  /** Names by which others in this network find it, beside its own. */
  readonly aliases?: readonly string[] | undefined;
}

/** A container whose networks can change: a `Container`. */
export interface NetworkedContainer extends NetworkOwner {
  readonly id: string;
  /** @internal */
  joinNetwork?(network: WantedNetwork): Promise<void>;
  /** @internal */
  leaveNetwork?(name: string): Promise<void>;
}

const schema = z.strictObject({
  ip: readable<Address>(parseAddress).optional(),
  mac: mac.optional(),
  interfaceName: linkName.refine((name) => name !== 'lo', "is the loopback's name").optional(),
  aliases: aliases.optional(),
});

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseConnectOptions(name: string, options: NetworkConnectOptions): WantedNetwork {
  const { ip = null, mac: address = null, interfaceName = null, aliases: names = [] } = parseOptions(schema, options, 'options');
  return { name, ip, optionPrefix: '', mac: address, interfaceName, aliases: names };
}

type Changeable = Required<Pick<NetworkedContainer, 'joinNetwork' | 'leaveNetwork'>>;

const container = handle<Changeable>((value) => 'joinNetwork' in value && 'leaveNetwork' in value, 'a Container');

/** @throws NacelleError `ERR_INVALID_OPTION` for what is no container */
export function parseContainer(given: NetworkedContainer): Changeable {
  return parseOptions(container, given, 'container');
}
