import { hasPasta } from '../../host/pasta-feature.js';
import { privilege } from '../../host/privilege.js';

/** What `network: 'default'` stands for on this machine: for root a bridge, for another user pasta(1) where that user can have it, or else nothing. */
export function defaultNetwork(isRoot = privilege().kind === 'root', canHavePasta = hasPasta): 'bridge' | 'pasta' | 'none' {
  if (isRoot) return 'bridge';
  return canHavePasta() ? 'pasta' : 'none';
}
