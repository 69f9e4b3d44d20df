import { hasIpv6 } from '../../host/ipv6.js';
import { makeNetworkNamespace } from '../../host/network-namespace.js';
import { requirePasta } from '../../host/pasta-feature.js';
import { type JoinedNetworks, joinNetworks } from '../../network/bridge/join-networks.js';
import { keepsBridge } from '../../network/bridge/kept-bridge.js';
import { DEFAULT_NETWORK, makeDefaultNetwork } from '../../network/bridge/network.js';
import { isPluginNetwork } from '../../network/bridge/network-file.js';
import { MOST_PLACES } from '../../network/live/kept-steps.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { UserNamespacePlan } from '../plan/userns.js';

/** With the network namespace that was made before the container, since plugins of CNI make links in it; `null` where the container's process makes its own. */
export interface ContainerNetworks extends JoinedNetworks {
  readonly namespace: number | null;
  /** None is joined yet: the container's run joins them. */
  readonly joinsLater: boolean;
}

/** Whether plugins of CNI make one of the networks. */
export function usesPlugins({ networks }: Pick<ParsedOptions, 'networks'>): boolean {
  return networks.some(({ name }) => !keepsBridge(name) && isPluginNetwork(name));
}

type NetworkOptions = Pick<
  ParsedOptions,
  | 'namespaces'
  | 'networks'
  | 'pasta'
  | 'userns'
  | 'sharedNetworks'
  | 'sharedGuards'
  | 'sharesEgress'
  | 'bandwidth'
  | 'ports'
  | 'name'
  | 'hostname'
  | 'dns'
  | 'egress'
  | 'process'
>;

/** Whose networks they are. */
export interface JoiningFor {
  readonly id: string;
  readonly owner: string;
  readonly users: UserNamespacePlan;
  readonly park: boolean;
  /** It is for a run that nobody has asked for yet. Default: no. */
  readonly isAhead?: boolean;
}

/**
 * The networks of a container that is about to be made, with its addresses in them.
 *
 * @throws as {@link joinNetworks} and `requirePasta`; the reason of `cancelSignal`
 */
export async function networksFor(options: NetworkOptions, of: JoiningFor): Promise<ContainerNetworks> {
  const { networks, sharedNetworks, sharedGuards: guarded, bandwidth, ports, name, hostname, dns } = options;
  const { cancelSignal: signal } = options.process;
  const { id, owner, users, park, isAhead = false } = of;
  if (networks.some(({ name }) => name === DEFAULT_NETWORK && !keepsBridge(name))) await makeDefaultNetwork(signal ?? undefined);
  const pasta = options.pasta ? requirePasta({ ofOthers: options.userns !== 'host' }) : null;
  const namespace = usesPlugins(options) ? await makeNetworkNamespace(users.kind === 'given' ? users.fd : null) : null;
  // what answers for the list of the container whose network it shares answers it too
  const asksNames = dns.length === 0 && !options.sharesEgress;
  const container = {
    ...{ id, owner, name, hostname, bandwidth, ports, guarded, dns, asksNames, signal, namespace, pasta },
    canChange: canChange(options),
    isRun: !park,
    isAhead,
    isConfined: options.egress !== null,
  };
  const joined = await joinNetworks(networks, sharedNetworks, container);
  const made = { ...joined, namespace, joinsLater: false };
  return options.egress === null ? made : { ...made, hasIpv6: hasIpv6() };
}

/** Those of one that joins its networks later: none, and what its plan has to know of links. @throws as {@link networksFor} */
export async function networksLater(options: NetworkOptions, of: JoiningFor): Promise<ContainerNetworks> {
  return { ...(await networksFor({ ...options, networks: [] }, of)), hasIpv6: hasIpv6(), joinsLater: true };
}

/** Whether the container can join and leave networks while it lives. */
function canChange({ namespaces, networks, pasta }: Pick<ParsedOptions, 'namespaces' | 'networks' | 'pasta'>): boolean {
  return namespaces.net === 'new' && !pasta && networks.length <= MOST_PLACES;
}
