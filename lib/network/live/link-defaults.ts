/**
 * Settings below /proc/sys/net that are 0 for links which are made from now on: no router gives them addresses, and the link-local one follows from
 * the MAC address. Pure.
 */
export function linkDefaults(hasIpv6: boolean): string[] {
  const names = hasIpv6 ? (['accept_ra', 'autoconf', 'accept_dad', 'addr_gen_mode'] as const) : [];
  return names.map((name) => `ipv6/conf/default/${name}`);
}
