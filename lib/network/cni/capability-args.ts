import type { Address } from '../address.js';
import type { Conflist } from './conflist.js';

// What a container wants of the plugins of a network, by the well-known capabilities (CONVENTIONS.md of containernetworking/cni). Pure.

/** What is wanted beside a link with an address. */
export interface WantedOfPlugins {
  readonly ports: readonly { readonly container: number; readonly host: number; readonly address: string; readonly protocol: string }[];
  /** In bytes a second, with the bytes of a burst. */
  readonly bandwidth: { readonly egress: RateWanted | null; readonly ingress: RateWanted | null } | null;
  readonly ip: Address | null;
  readonly mac: string | null;
  readonly aliases: readonly string[];
  /** Name servers that the container asks. */
  readonly dns: readonly string[];
}

interface RateWanted {
  readonly rate: number;
  readonly burst: number;
}

/** Whether some plugin of a network has a capability. */
export function hasCapability({ plugins }: Pick<Conflist, 'plugins'>, name: string): boolean {
  return plugins.some(({ capabilities }) => capabilities?.[name] === true);
}

/** Capability arguments; what nobody wants has none. */
export function capabilityArgs({ ports, bandwidth, ip, mac, aliases, dns }: WantedOfPlugins): Record<string, unknown> {
  return {
    ...(ports.length === 0 ? {} : { portMappings: ports.map(portMapping) }),
    ...(bandwidth === null ? {} : { bandwidth: limitsOf(bandwidth) }),
    ...(ip === null ? {} : { ips: [ip.text] }),
    ...(mac === null ? {} : { mac }),
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(dns.length === 0 ? {} : { dns: { servers: dns } }),
  };
}

function portMapping({ container, host, address, protocol }: WantedOfPlugins['ports'][number]): object {
  return { hostPort: host, containerPort: container, protocol, hostIP: address };
}

/** In bits, and with the words of a container: `ingress` is what it receives. */
function limitsOf({ egress, ingress }: NonNullable<WantedOfPlugins['bandwidth']>): object {
  return {
    ...(ingress === null ? {} : { ingressRate: ingress.rate * 8, ingressBurst: ingress.burst * 8 }),
    ...(egress === null ? {} : { egressRate: egress.rate * 8, egressBurst: egress.burst * 8 }),
  };
}

/**
 * CNI_ARGS. An address that is asked for is there too where no plugin has the capability: host-local and static look there (CONVENTIONS.md), and
 * bridge, macvlan and tuning do for the MAC address. Plugins may refuse a key that they don't know, unless they are told not to.
 */
export function cniArgs(
  list: Pick<Conflist, 'plugins'>,
  { ip, mac }: Pick<WantedOfPlugins, 'ip' | 'mac'>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    IgnoreUnknown: '1',
    ...(ip === null || hasCapability(list, 'ips') ? {} : { IP: ip.text }),
    ...(mac === null || hasCapability(list, 'mac') ? {} : { MAC: mac }),
    ...own,
  };
}
