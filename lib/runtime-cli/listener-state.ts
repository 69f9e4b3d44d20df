import type { SeccompListener } from '../security/oci-profile/parsed-profile.js';
import { OCI_VERSION } from './create-facts.js';

/**
 * What is sent with the listener of a filter (config-linux.md, "The Container Process State"), cut where the number of the process stands, which the shim knows
 * first. Pure.
 *
 * @param state the container's state as JSON, cut at the same number where that is the container's too
 */
export function listenerState({ metadata }: SeccompListener, [begin = '', ...rest]: readonly string[]): string[] {
  const known = JSON.stringify({ ociVersion: OCI_VERSION, fds: ['seccompFd'], metadata });
  const parts = [`${known.slice(0, -1)},"pid":`, `,"state":${begin}`, ...rest];
  return parts.map((part, index) => (index === parts.length - 1 ? `${part}}` : part));
}
