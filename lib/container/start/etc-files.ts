import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { systemError } from '../../native/system-errors.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { EtcFiles } from '../plan/default-mounts.js';

/** Contents of /etc/hosts, hostname and resolv.conf in the container. With the host's network they are the host's. */
export function etcFiles(options: ParsedOptions, hostname: string): EtcFiles {
  const own = options.namespaces.net === 'new';
  const hosts = own
    ? `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`
    : readOr('/etc/hosts', '127.0.0.1\tlocalhost\n');
  const extra = Object.entries(options.extraHosts).map(([name, address]) => `${address}\t${name}\n`);
  const servers = options.dns.map((address) => `nameserver ${address}\n`).join('');
  return {
    hosts: hosts + extra.join(''),
    hostname: `${hostname}\n`,
    resolvConf: servers || (own ? '' : readOr('/etc/resolv.conf', '')),
  };
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
