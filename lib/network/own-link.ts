import { existsSync } from 'node:fs';

/** Whether the network namespace of this process has a link of this name: the kernel shows it there, whatever is mounted on /sys. */
export function isOwnLink(name: string): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}
