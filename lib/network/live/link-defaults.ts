/**
 * Settings below /proc/sys/net that are 0 for links which are made from now on: no router gives them addresses. Which link-local address a link
 * takes is not among them, but asked of each link (`rtnetlink.ts`, {@link ADDRESS_MODE}). Pure.
 */
export function linkDefaults(hasIpv6: boolean): string[] {
  const names = hasIpv6 ? (['accept_ra', 'autoconf', 'accept_dad'] as const) : [];
  return names.map((name) => `ipv6/conf/default/${name}`);
}

/**
 * As {@link linkDefaults}: 0 has the link-local address follow from the MAC address. The kernel takes this one under the lock of all links alone,
 * and whoever writes tries again and again without sleeping: for milliseconds, while the links of a container that has ended are removed.
 */
export const ADDRESS_MODE = 'ipv6/conf/default/addr_gen_mode';
