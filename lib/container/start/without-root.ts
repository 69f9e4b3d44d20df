import { UnsupportedError } from '../../errors.js';
import { lackOf, type Privilege, privilege, type UserPrivilege } from '../../host/privilege.js';
import { idOutside } from '../../plan/user-maps.js';
import type { ParsedOptions } from '../options/container-options.js';

const AS_ROOT = 'Run it as root.';

/**
 * Refuses what the container of an ordinary user can't have. To be called before anything is made. The ids of a user namespace that is joined are
 * checked later, by `usersFor`.
 *
 * @throws UnsupportedError
 */
export function requireWithoutRoot({ process, namespaces, mounts }: ParsedOptions, own: Privilege = privilege()): void {
  if (own.kind === 'root') return;
  const { uid, gid, whyOne, trouble } = own;
  if (trouble !== null) throw trouble;
  const { reason, fix } = lackOf(own);
  if (whyOne !== null && (process.groupAdd ?? []).length > 0) throw new UnsupportedError('groupAdd', reason, fix);
  const [user = '', group = '0'] = (process.user ?? '0').split(':');
  if (!isMapped(user, uid) || !isMapped(group, gid)) {
    throw new UnsupportedError(`user ${process.user}`, reason, fix);
  }
  const host = (['pid', 'cgroup'] as const).find((type) => namespaces[type] === 'host');
  if (host !== undefined) {
    const reason = "what shows the host's can be mounted by root alone";
    throw new UnsupportedError(`namespaces: { ${host}: 'host' }`, reason, AS_ROOT);
  }
  const shared = mounts.find(({ propagation }) => propagation.endsWith('shared'));
  if (shared !== undefined) {
    const reason = "mounts of a user's container are never seen on the host";
    throw new UnsupportedError(`the propagation of ${shared.target}, ${shared.propagation},`, reason, AS_ROOT);
  }
}

/** Whether an id can be one inside. Of a name only the container's files tell. */
function isMapped(id: string, map: UserPrivilege['uid']): boolean {
  if (!/^\d+$/.test(id)) return true;
  return idOutside(map, Number(id)) !== null;
}
