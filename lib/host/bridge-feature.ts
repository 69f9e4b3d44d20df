import { UnsupportedError } from '../errors.js';
import { type Feature, lacking } from './feature.js';
import { type Privilege, privilege } from './privilege.js';

const REASON = "a bridge in the machine's network namespace can be made by root alone";
const FIX = "Run it as root, or use network 'none' or 'host'.";

/** Whether this user can have networks with bridges. @param namespaces whether there are network namespaces */
export function bridgeFeature(namespaces: Feature): Feature {
  return privilege().kind === 'root' ? namespaces : lacking(REASON, FIX);
}

/** @param what the network, in the caller's words @throws UnsupportedError for a user who can't have bridges */
export function requireBridges(what: string, own: Privilege = privilege()): void {
  if (own.kind !== 'root') throw new UnsupportedError(what, REASON, FIX);
}
