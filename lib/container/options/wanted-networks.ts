import type { Address } from '../../network/address.js';
import type { WantedNetwork } from '../../network/bridge/attach-network.js';
import type { Network } from '../../network/bridge/network.js';
import { HOST_NAME } from '../../network/relay/host-ports.js';
import type { NetworkOwner } from '../../network/veth-options.js';
import { isNamespace, isNetwork } from './network-handles.js';
import type { GivenNetwork } from './network-option.js';

/** The same options with a Network by its name, which is all that is taken of it: options of plain data are known again. */
export function withNamedNetwork(given: unknown): unknown {
  // what others inherit would be lost in a copy
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype || !('network' in given))
    return given;
  const { network: one } = given;
  if (typeof one !== 'object' || one === null || Array.isArray(one) || !isNetwork(one)) return given;
  return { ...given, network: one.name };
}

/** The options that say on which networks a container is. */
interface GivenNetworks {
  readonly network?: GivenNetwork;
  readonly ip?: Address | undefined;
  readonly aliases?: readonly string[] | undefined;
  readonly bandwidth?: object | undefined;
}

/** The container whose network is shared; `null` for every other kind. */
export function ownerIn(given: GivenNetwork): NetworkOwner | null {
  return typeof given === 'object' && 'namespace' in given && !isNamespace(given) ? given : null;
}

/** The networks that are named; none where the option says something else. */
export function wantedIn({ network: given, ip: address, aliases: names }: GivenNetworks): WantedNetwork[] {
  if (Array.isArray(given)) {
    return given.map((one, place) => ({
      name: nameOf(one.network),
      ip: one.ip ?? null,
      optionPrefix: `network[${place}].`,
      mac: one.mac ?? null,
      interfaceName: one.interfaceName ?? null,
      aliases: one.aliases ?? [],
    }));
  }
  if (given === undefined || given === 'none' || given === 'host' || given === 'pasta' || isNamespace(given) || ownerIn(given)) return [];
  return typeof given === 'string' || 'driver' in given
    ? [{ name: nameOf(given), ip: address ?? null, optionPrefix: '', mac: null, interfaceName: null, aliases: names ?? [] }]
    : [];
}

function nameOf(given: string | Network): string {
  return typeof given === 'string' ? given : given.name;
}

/** What is wrong with a container's places in networks. */
export function checkNetworks(
  options: GivenNetworks,
  wrong: (option: 'network' | 'ip' | 'aliases' | 'bandwidth', message: string, ...path: string[]) => void,
): void {
  const wanted = wantedIn(options);
  for (const option of ['ip', 'aliases'] as const) {
    if (options[option] === undefined || (!Array.isArray(options.network) && wanted.length > 0)) continue;
    wrong(
      option,
      Array.isArray(options.network)
        ? "can't go with a list of networks: give it there"
        : 'needs the option network: the name of a network',
    );
  }
  if (options.bandwidth !== undefined && wanted.length === 0)
    wrong('bandwidth', 'needs links of its own: the option network with networks');
  const [names, links] = [new Set<string>(), new Set<string>()];
  for (const [place, { name, interfaceName }] of wanted.entries()) {
    const link = interfaceName ?? `eth${place}`;
    if (names.has(name)) wrong('network', `has the network ${name} twice`);
    if (links.has(link)) wrong('network', `has two links ${link}`);
    names.add(name);
    links.add(link);
  }
}

/** What is wrong with ports of the caller's loopback: they are for a network namespace of the container's own. */
export function checkHostPorts(
  options: {
    readonly network?: GivenNetwork;
    readonly namespaces?: { readonly net?: unknown } | undefined;
    readonly hostPorts?: readonly number[] | undefined;
    readonly extraHosts?: Readonly<Record<string, string>> | undefined;
  },
  wrong: (option: 'hostPorts' | 'extraHosts', message: string, ...path: string[]) => void,
): void {
  const { network: given, hostPorts: ports = [], extraHosts = {} } = options;
  const net = options.namespaces?.net ?? 'new';
  if (ports.length === 0) return;
  if (given === 'host' || net === 'host') wrong('hostPorts', "can't go with the host's network, whose loopback the program has itself");
  else if (ownerIn(given)) wrong('hostPorts', "can't go with the network of another container: give it to that one");
  else if (isNamespace(given) || net !== 'new')
    wrong('hostPorts', "can't go with a Namespace, which others may have: no address is added there");
  if (HOST_NAME in extraHosts) wrong('extraHosts', `can't have ${HOST_NAME} with hostPorts, whose name it is`, HOST_NAME);
}
