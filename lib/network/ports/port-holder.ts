import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { listIfThere, readIfThere } from '../../native/read-if-there.js';
import type { Address } from '../address.js';
import { socketsAt } from './listeners.js';

/** Who keeps a port of this machine from others, in words: 'nginx (process 123)'. What this user can't see is said so. */
export function holderOf(port: { readonly port: number; readonly address: Address; readonly protocol: 'tcp' | 'udp' }): string {
  const files = [port.protocol, `${port.protocol}6`].map((name) => `/proc/self/net/${name}`);
  const sockets = files.flatMap((path) => socketsAt(readIfThere(path) ?? '', port));
  if (sockets.length === 0) return 'a socket that is not listed: one that is bound and does not listen, or a connection that ends';
  const holders = processesWith(sockets);
  return holders.length === 0 ? 'a process that this one can not see' : holders.join(', ');
}

function processesWith(sockets: readonly number[]): string[] {
  const wanted = new Set(sockets.map((inode) => `socket:[${inode}]`));
  return listIfThere('/proc')
    .filter((name) => /^\d+$/.test(name) && hasOpen(name, wanted))
    .map((pid) => `${unlessGone(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'a program')} (process ${pid})`);
}

function hasOpen(pid: string, links: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  return unlessGone(() => readdirSync(folder), []).some((fd) => links.has(unlessGone(() => readlinkSync(`${folder}/${fd}`), '')));
}

/** Processes and their descriptors come and go meanwhile, and those of others may not be looked at. */
function unlessGone<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL')) return otherwise;
    throw error;
  }
}
