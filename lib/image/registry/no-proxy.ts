import ipaddr from 'ipaddr.js';
import { withoutBrackets } from './endpoint.js';

/**
 * Whether NO_PROXY has the server of a URL, as Go's clients and curl read the variable: names, which have those below them; those below alone ('.NAME',
 * '*.NAME'); addresses and networks (CIDR); any with a port; '*' for all. Pure but for the environment.
 */
export function isInNoProxy({ hostname, port, protocol }: URL, env: NodeJS.ProcessEnv = process.env): boolean {
  const host = { name: withoutBrackets(hostname).toLowerCase(), port: port || (protocol === 'https:' ? '443' : '80') };
  const entries = (env.no_proxy ?? env.NO_PROXY ?? '').toLowerCase().split(/[\s,]+/);
  return entries.some((entry) => entry !== '' && isMeant(entry, host));
}

function isMeant(entry: string, host: { readonly name: string; readonly port: string }): boolean {
  if (entry === '*') return true;
  // an IPv6 address has a port behind brackets alone
  const [, place = entry, port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (port !== undefined && port !== host.port) return false;
  return ipaddr.isValid(host.name) ? hasAddress(withoutBrackets(place), host.name) : hasName(place.replace(/^\*(?=\.)/, ''), host.name);
}

function hasAddress(place: string, host: string): boolean {
  const address = ipaddr.parse(host);
  if (ipaddr.isValid(place)) return ipaddr.parse(place).toNormalizedString() === address.toNormalizedString();
  if (!ipaddr.isValidCIDR(place)) return false;
  const [network, bits] = ipaddr.parseCIDR(place);
  return address.kind() === network.kind() && address.match(network, bits);
}

function hasName(name: string, host: string): boolean {
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}
