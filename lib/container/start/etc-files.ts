import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { systemError } from '../../native/system-errors.js';
import { hostOf } from '../../network/address.js';
import type { JoinedNetworks } from '../../network/bridge/join-networks.js';
import { EGRESS_RESOLV_CONF } from '../../network/egress/egress-plan.js';
import { ownResolvConf, pluginResolvConf } from '../../network/names/resolv-conf.js';
import { HOST_ADDRESS, HOST_NAME } from '../../network/relay/host-ports.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { EtcFiles } from '../plan/default-mounts.js';

/**
 * Contents of /etc/hosts, hostname and resolv.conf in the container. With the host's network they are the host's. In networks, the
 * container's name is that of its addresses, and it asks our server of names.
 */
export function etcFiles(
  options: ParsedOptions,
  {
    hostname,
    attachments,
    names,
    dns,
    canChange,
  }: { readonly hostname: string } & Pick<JoinedNetworks, 'attachments' | 'names' | 'dns' | 'canChange'>,
): EtcFiles {
  // that of a container with links of its own may have been made before it
  const own = options.namespaces.net === 'new' || attachments.length > 0;
  const hosts = own ? ownHosts(hostname, attachments) : readOr('/etc/hosts', '127.0.0.1\tlocalhost\n');
  const extra = Object.entries(options.extraHosts).map(([name, address]) => `${address}\t${name}\n`);
  const host = options.hostPorts.length === 0 ? '' : `${HOST_ADDRESS}\t${HOST_NAME}\n`;
  const servers = options.dns.map((address) => `nameserver ${address}\n`).join('');
  return {
    hosts: hosts + host + extra.join(''),
    hostname: `${hostname}\n`,
    resolvConf:
      options.egress !== null || options.sharesEgress
        ? EGRESS_RESOLV_CONF
        : servers || resolvConf(own, { names: names ?? (options.sharesPasta ? { forwards: true } : null), dns, canChange }),
  };
}

/** Contents before the networks are joined: those of `FILES_OF_NETWORKS` are written when they are. */
export function emptyEtcFiles(hostname: string): EtcFiles {
  return { hosts: '', hostname: `${hostname}\n`, resolvConf: '' };
}

function ownHosts(hostname: string, attachments: JoinedNetworks['attachments']): string {
  const addresses = attachments.flatMap((attachment) => attachment.addresses.map(({ text }) => hostOf(text)));
  const local = addresses.length === 0 ? `localhost ${hostname}` : 'localhost';
  const named = addresses.map((address) => `${address}\t${hostname}\n`).join('');
  return `127.0.0.1\t${local}\n::1\tlocalhost ip6-localhost ip6-loopback\n${named}`;
}

function resolvConf(
  own: boolean,
  { names, dns, canChange }: Pick<JoinedNetworks, 'dns' | 'canChange'> & { readonly names: { readonly forwards: boolean } | null },
): string {
  const said = pluginResolvConf(dns);
  // of lines with one keyword the last one counts
  if (names !== null) return ownResolvConf(`${readOr('/etc/resolv.conf', '')}\n${said}`, names);
  // nobody answers there before it joins a network, and the program may read the file before
  if (canChange) return ownResolvConf('', { forwards: false });
  return own ? said : readOr('/etc/resolv.conf', '');
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
