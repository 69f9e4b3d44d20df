import ipaddr from 'ipaddr.js';
import { invalidOption } from '../../errors.js';
import { parseReference, type RegistryReference } from '../formats/reference.js';

/** A server that has a repository. */
export interface Endpoint {
  /** Host name or address, with the port: 'registry-1.docker.io', '[::1]:5000'. */
  readonly host: string;
  /** The registry whose credentials are used: 'docker.io' has others than its host's name. */
  readonly registry: string;
  /** The repository's name at the server. */
  readonly repository: string;
}

/** Servers with another name than their registry's: that of docker.io. */
const HOSTS: ReadonlyMap<string, string> = new Map([['docker.io', 'registry-1.docker.io']]);

export function endpointOf({ registry, repository }: RegistryReference): Endpoint {
  return { host: HOSTS.get(registry) ?? registry, registry, repository };
}

/** 'HOST[:PORT][/PREFIX]' as a server of the same repository. @throws NacelleError `ERR_INVALID_OPTION` */
export function mirrorOf(mirror: string, { repository }: RegistryReference): Endpoint {
  const parsed = parseReference(`${mirror}/${repository}`, 'mirrors');
  if (parsed.kind !== 'registry' || mirror.split('/')[0] !== parsed.registry)
    throw invalidOption('mirrors', `${JSON.stringify(mirror)} is no registry, as 'mirror.example' and 'localhost:5000/docker' are`);
  return endpointOf(parsed);
}

/** The host of a URL, where an IPv6 address stands in brackets, as an address has none. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Whether a name is this machine's own, so that nobody listens in between and plain HTTP does no harm. */
export function isLoopback(hostname: string): boolean {
  const name = withoutBrackets(hostname);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return ipaddr.isValid(name) && ipaddr.process(name).range() === 'loopback';
}
