import { UnsupportedError } from '../../errors.js';
import { isOfContainers } from '../../host/containers-namespace.js';
import type { UserPrivilege } from '../../host/privilege.js';
import { Namespace } from '../../namespace/namespace.js';
import { type NamespaceType, namespaceTypes } from '../../plan/namespace-types.js';
import { type IdMap, idInside } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import type { ParsedOptions } from '../options/container-options.js';

// Only who has rights over a namespace may join it, and mount the file systems that show it. Those rights come with the user namespace that owns
// it: so a container that joins namespaces is in the user namespace that owns them, and has none of its own.

const MAKE_IT = "Make it with Namespace.create, or take it of one of this user's containers; or run as root.";

/**
 * The user namespace that owns the namespaces which a container of an ordinary user joins, as a handle of the caller's; `null` where it joins
 * none.
 *
 * @throws UnsupportedError for namespaces that are not of this user's containers, or not of one user namespace
 */
export async function ownerOfJoined(namespaces: ParsedOptions['namespaces'], own: UserPrivilege): Promise<Namespace | null> {
  let first: { readonly owner: Namespace; readonly type: NamespaceType } | null = null;
  for (const type of namespaceTypes) {
    const joined = namespaces[type];
    if (typeof joined === 'string') continue;
    const owner = await ownerOf(type, joined.fd, own);
    if (first === null) {
      first = { owner, type };
      continue;
    }
    await owner.close();
    if (owner.inode === first.owner.inode) continue;
    await first.owner.close();
    throw new UnsupportedError(
      `a ${type} namespace and a ${first.type} namespace, both joined,`,
      'they belong to different user namespaces, and a process has rights over those of one alone',
      "Make them in one process by Namespace.create without 'user', or with 'user' in one call, or take them of one container.",
    );
  }
  return first?.owner ?? null;
}

async function ownerOf(type: NamespaceType, fd: number, own: UserPrivilege): Promise<Namespace> {
  const joined = await Namespace.open(`/proc/self/fd/${fd}`);
  const owner = type === 'user' ? joined : await ownerInSight(joined);
  if (isOfContainers(owner.fd, own)) return owner;
  await owner.close();
  throw foreign(type);
}

async function ownerInSight(joined: Namespace): Promise<Namespace> {
  try {
    return await joined.owner();
  } catch (error) {
    throw foreign(joined.type, error);
  } finally {
    await joined.close();
  }
}

function foreign(type: NamespaceType, cause?: unknown): UnsupportedError {
  const reason = "it belongs to no user namespace of this user's containers, so they have no rights over it";
  return new UnsupportedError(`a ${type} namespace that is joined`, reason, MAKE_IT, { cause });
}

/**
 * The maps of a user namespace as the shim of this user's containers sees them. Every id has to be the same there: files that such a container
 * shares with others, and those that are copied in and out, have the owners of the shim's.
 *
 * @param maps as this process sees them
 * @throws UnsupportedError
 */
export function idsInside(maps: UserMaps, own: UserPrivilege): UserMaps {
  const same = (kind: 'uid' | 'gid'): IdMap[] =>
    maps[kind].map(({ inside, outside, count }) => {
      const [first, last] = [idInside(own[kind], outside), idInside(own[kind], outside + count - 1)];
      if (first === inside && last === inside + count - 1) return { inside, outside: inside, count };
      const reason = `its ${kind} ${inside} is another id than in other containers of this user`;
      throw new UnsupportedError('namespaces.user', reason, 'Make it with Namespace.create and no maps.');
    });
  const ids = { uid: same('uid'), gid: same('gid') };
  if ([ids.uid, ids.gid].every((map) => map.some(({ inside }) => inside === 0))) return ids;
  throw new UnsupportedError('namespaces.user', 'it has no root', 'Make it with Namespace.create and no maps.');
}
