import ipaddr from 'ipaddr.js';

/**
 * Whether NO_PROXY has a network (CIDR) that an address is in, as Go's clients and curl read it. undici itself compares names, and single
 * addresses.
 */
export function isInNoProxy(hostname: string, env: NodeJS.ProcessEnv = process.env): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (!ipaddr.isValid(host)) return false;
  const address = ipaddr.parse(host);
  return (env.no_proxy ?? env.NO_PROXY ?? '').split(/[\s,]+/).some((entry) => {
    if (!ipaddr.isValidCIDR(entry)) return false;
    const [network, bits] = ipaddr.parseCIDR(entry);
    return address.kind() === network.kind() && address.match(network, bits);
  });
}
