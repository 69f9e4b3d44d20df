import { existsSync } from 'node:fs';

/** Whether the kernel has IPv6: nothing of it can be set where it was left out, or was not loaded (`ipv6.disable=1`). */
export function hasIpv6(): boolean {
  isThere ||= existsSync('/proc/sys/net/ipv6');
  return isThere;
}

/** Once it is there it stays: the module can't be unloaded. */
let isThere = false;
