import { privilege } from '../../host/privilege.js';
import { findProgram } from '../../host/programs.js';

/** What `network: 'default'` stands for on this machine: for root a bridge, for another user pasta(1) where that is installed, or else nothing. */
export function defaultNetwork(
  isRoot = privilege().kind === 'root',
  hasProgram = (name: string): boolean => findProgram(name) !== null,
): 'bridge' | 'pasta' | 'none' {
  if (isRoot) return 'bridge';
  return hasProgram('pasta') ? 'pasta' : 'none';
}
