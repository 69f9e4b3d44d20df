import { privilege } from '../../host/privilege.js';
import { ownProc } from '../../host/rootless-features.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { NotEnforced } from './container-group.js';

/**
 * Whether a container has a /proc of its own. Where the outer one is masked, as inside docker, nobody but root of the machine can mount another: with
 * `onUnsupported: 'report'` the container then has the outer one.
 */
export async function procOf({
  onUnsupported,
  namespaces,
}: Pick<ParsedOptions, 'onUnsupported' | 'namespaces'>): Promise<{ readonly isOwn: boolean; readonly notEnforced: NotEnforced }> {
  const own = { isOwn: true, notEnforced: [] };
  if (onUnsupported === 'error' || namespaces.pid !== 'new' || privilege().kind === 'root') return own;
  const { available, reason } = await ownProc();
  if (available) return own;
  const seen = `it has the one around it, read-only, with the names and arguments of the processes there: ${reason}`;
  return { isOwn: false, notEnforced: [{ feature: 'a /proc of its own', reason: seen }] };
}
