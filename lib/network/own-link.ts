import { existsSync } from 'node:fs';
import { privilege } from '../host/privilege.js';
import { readIfThere } from '../native/read-if-there.js';
import { networksFile } from './holder/networks-place.js';

/** Whether the network namespace of this process has a link of this name: the kernel shows it there, whatever is mounted on /sys. */
export function isOwnLink(name: string): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}

/** Whether the network namespace with the bridges has a link of this name. */
export function isNetworksLink(name: string): boolean {
  if (privilege().kind === 'root') return isOwnLink(name);
  const path = networksFile('dev');
  const text = path === null ? '' : (readIfThere(path) ?? '');
  return text.split('\n').some((line) => line.trimStart().startsWith(`${name}:`));
}
