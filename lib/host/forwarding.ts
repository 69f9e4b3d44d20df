import { join } from 'node:path';
import type { Step } from '../plan/steps.js';

// What makes this machine forward packets, and how it is put back. In a folder for each network namespace:
//
//   .forwarding/lock        exclusive for who changes a setting or puts it back
//   .forwarding/links/NAME  the link NAME needs it. A file counts for nothing when the link is gone, so nobody has to remove it
//   .forwarding/ipv4, ipv6  what the setting was before it was changed; it is changed after this
//   .forwarding/redirects   the same for one that the kernel changes with that of IPv4
//
// Pure.

/**
 * By the family of the packets: the setting, then those that the kernel changes with that one, so they are put back after it; each with the file
 * beside the links that has what it was.
 */
export const forwardingSettings = {
  4: [
    { path: '/proc/sys/net/ipv4/ip_forward', saved: 'ipv4' },
    { path: '/proc/sys/net/ipv4/conf/all/accept_redirects', saved: 'redirects' },
  ],
  6: [{ path: '/proc/sys/net/ipv6/conf/all/forwarding', saved: 'ipv6' }],
} as const;

/** The folder beside those of the networks in a network namespace. */
export function forwardingIn(networks: string): string {
  return join(networks, '.forwarding');
}

/** The host step that puts the settings back when no link is left that needs them. It is of the shim's own network namespace. */
export function leaveForwarding(folder: string): Step {
  const all = Object.values(forwardingSettings).flat();
  return { op: 'leave_settings', host: true, folder, saved: all.map(({ saved }) => saved), settings: all.map(({ path }) => path) };
}
