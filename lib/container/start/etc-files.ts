import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { systemError } from '../../native/system-errors.js';
import type { Attachment } from '../../network/bridge/join-networks.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { EtcFiles } from '../plan/default-mounts.js';

/**
 * Contents of /etc/hosts, hostname and resolv.conf in the container. With the host's network they are the host's. In networks, the
 * container's name is that of its addresses, and the name servers are the host's, where a default route leads out.
 */
export function etcFiles(
  options: ParsedOptions,
  { hostname, attachments }: { readonly hostname: string; readonly attachments: readonly Attachment[] },
): EtcFiles {
  const own = options.namespaces.net === 'new';
  const hosts = own ? ownHosts(hostname, attachments) : readOr('/etc/hosts', '127.0.0.1\tlocalhost\n');
  const extra = Object.entries(options.extraHosts).map(([name, address]) => `${address}\t${name}\n`);
  const servers = options.dns.map((address) => `nameserver ${address}\n`).join('');
  return {
    hosts: hosts + extra.join(''),
    hostname: `${hostname}\n`,
    resolvConf: servers || resolvConf(own, attachments),
  };
}

function ownHosts(hostname: string, attachments: readonly Attachment[]): string {
  const addresses = attachments.flatMap((attachment) => attachment.addresses.map(hostOf));
  const local = addresses.length === 0 ? `localhost ${hostname}` : 'localhost';
  const named = addresses.map((address) => `${address}\t${hostname}\n`).join('');
  return `127.0.0.1\t${local}\n::1\tlocalhost ip6-localhost ip6-loopback\n${named}`;
}

function resolvConf(own: boolean, attachments: readonly Attachment[]): string {
  if (!own) return readOr('/etc/resolv.conf', '');
  const leadsOut = attachments.some(({ gateways }) => gateways.length > 0);
  return leadsOut ? reachableServers(readOr('/etc/resolv.conf', '')) : '';
}

/** A resolv.conf without servers at the host's loopback, which can't be reached from another network namespace. Pure. */
export function reachableServers(text: string): string {
  return text.replace(/^nameserver[ \t]+(?:127\.|::1(?![0-9a-f:]))[^\n]*(?:\n|$)/gim, '');
}

function hostOf({ text }: { readonly text: string }): string {
  return text.slice(0, text.indexOf('/'));
}

/** A host without the file is no error: the container gets what it would get without it, `otherwise`. */
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return otherwise;
    throw systemError(`read ${path}`, error);
  }
}
