import * as z from 'zod';
import type { Namespace } from '../../namespace/namespace.js';
import { type Address, parseAddress } from '../../network/address.js';
import type { Network } from '../../network/bridge/network.js';
import { networkName } from '../../network/bridge/network-options.js';
import { aliases } from '../../network/names/aliases.js';
import { linkName, mac, type NetworkOwner, readable } from '../../network/veth-options.js';
import { handle } from '../../options/common-schemas.js';
import { isNamespace, isNetwork } from './network-handles.js';

/** A container's place in a network. */
export interface NetworkAttachment {
  /** By its name, or as it was made. */
  readonly network: Network | string;
  /** An address of one of the network's subnets. Default: the next that is free. */
  readonly ip?: string | undefined;
  /** Default: one that follows from the address. */
  readonly mac?: string | undefined;
  /** 1 to 15 bytes. Default: eth0 for the first network, eth1 for the next. */
  readonly interfaceName?: string | undefined;
  /** Names by which others in this network find it, beside its own. */
  readonly aliases?: readonly string[] | undefined;
}

const network = handle<Network>(isNetwork, 'a Network');

export const ip = readable<Address>(parseAddress);

const MOST_HOST_PORTS = 256;

export const hostPorts = z
  .array(z.int().min(1).max(65535))
  .max(MOST_HOST_PORTS)
  .refine((ports) => new Set(ports).size === ports.length, 'must have each port once')
  .readonly();

const attachment = z.strictObject({
  network: z.union([networkName, network]),
  ip: ip.optional(),
  mac: mac.optional(),
  interfaceName: linkName.refine((name) => name !== 'lo', "is the loopback's name").optional(),
  aliases: aliases.optional(),
});

const word = z.string().superRefine((value, context) => {
  if (value === 'none' || value === 'host' || value === 'pasta') return;
  const parsed = networkName.safeParse(value);
  if (!parsed.success) context.addIssue(`must be 'none', 'host', 'pasta' or the name of a network, not ${JSON.stringify(value)}`);
});

/** @param namespace, container the schemas of handles that have a network namespace */
export function networkSchema(namespace: z.ZodType<Namespace, Namespace>, container: z.ZodType<NetworkOwner, NetworkOwner>) {
  return z
    .union([word, namespace, container, network, z.array(attachment).min(1)], {
      error: "must be 'none', 'host', 'pasta', the name of a network, a Network, a list of places in networks, a Namespace or a Container",
    })
    .refine((value) => !isNamespace(value) || value.type === 'net', "must be a Namespace of type 'net'");
}

export type GivenNetwork = z.output<ReturnType<typeof networkSchema>> | undefined;
