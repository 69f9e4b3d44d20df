import { UnsupportedError } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import { maskedReason, maskOfProc, UNMASK } from '../../host/rootless-features.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { UserNamespacePlan } from '../plan/userns.js';
import type { NotEnforced } from './container-group.js';

/**
 * Whether a container has a /proc of its own. Where the outer one is masked, as inside docker, nobody but root of the machine can mount another: with
 * `onUnsupported: 'report'` the container then has the outer one. A stranger's has not, for the outer one tells of processes, mounts and the network.
 *
 * @throws UnsupportedError for a container that joins namespaces where the other one may have the outer /proc: who shares a user namespace may look
 * into its processes wherever they can be seen
 */
export async function procOf(
  { onUnsupported, namespaces, profile }: Pick<ParsedOptions, 'onUnsupported' | 'namespaces' | 'profile'>,
  { kind }: Pick<UserNamespacePlan, 'kind'>,
): Promise<{ readonly isOwn: boolean; readonly notEnforced: NotEnforced }> {
  const own = { isOwn: true, notEnforced: [] };
  const asksForOuter = onUnsupported === 'report' && namespaces.pid === 'new' && profile === null;
  if (privilege().kind === 'root' || !(asksForOuter || kind === 'joined')) return own;
  const mask = await maskOfProc();
  if (mask === null) return own;
  const reason = maskedReason(mask);
  if (kind === 'joined') throw new UnsupportedError('a namespace that is joined', reason, UNMASK);
  const seen = `it has the one around it, read-only, with what that tells of processes, mounts and the network there: ${reason}`;
  return { isOwn: false, notEnforced: [{ feature: 'a /proc of its own', reason: seen }] };
}
