import { invalidOption, UnsupportedError } from '../../errors.js';
import { RANGE } from '../../host/id-pool.js';
import { type IdLease, leaseIds } from '../../host/id-ranges.js';
import { writeRecord } from '../../host/journal.js';
import { type Privilege, privilege, sameIds, type UserPrivilege } from '../../host/privilege.js';
import { reapFirst } from '../../host/reap.js';
import { makeUserNamespace } from '../../host/user-namespace.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { Shim } from '../../native/shim.js';
import { allCapabilities, type CapabilityMask } from '../../plan/capability-names.js';
import type { Step } from '../../plan/steps.js';
import { type IdMap, idOutside } from '../../plan/user-maps.js';
import { turnedRound, type UserMaps } from '../../plan/userns-maps.js';
import type { ParsedOptions } from '../options/container-options.js';
import { USER_COUNTS } from '../options/profiles.js';
import { numericUser } from '../options/userns-option.js';
import type { UserNamespacePlan } from '../plan/userns.js';
import { requireIdmap } from './idmap-support.js';
import { idsInside, ownerOfJoined } from './joined-users.js';
import { mapsOf } from './maps-of.js';
import { ownCapabilities } from './own-capabilities.js';

/** The container that the user namespace is for. */
interface UsersFor {
  readonly id: string;
  /** Somebody may want to read what the container wrote to its root. */
  readonly keepsUppers: boolean;
}

/** The user namespace of a container that is about to be made. */
export interface ContainerUsers {
  readonly plan: UserNamespacePlan;
  /** `null` where its ids were not taken from the pool. */
  readonly lease: IdLease | null;
  /** Closes the descriptors of ours in the plan, and gives the ids back: once or more often. */
  readonly release: () => void;
}

/** Refuses a user namespace of the caller's choice where every container is in one of its user's. @throws UnsupportedError */
export function requireUsers({ userns }: Pick<ParsedOptions, 'userns'>, own: Privilege = privilege()): void {
  if (own.kind === 'root' || userns === 'host') return;
  throw new UnsupportedError(
    'userns',
    "this user's containers have a user namespace of their own already, which is made of all ids that this user has",
    'Leave the option out, or run as root.',
  );
}

/**
 * The user namespace of a container that shows these paths of the host as its own.
 *
 * @throws as `containerUsers`; NacelleError `ERR_INVALID_OPTION` for a `user` who is not in it
 */
export async function usersFor(
  options: ParsedOptions,
  of: { readonly id: string; readonly park: boolean },
  paths: readonly string[],
): Promise<ContainerUsers> {
  const users = await containerUsers(options, { id: of.id, keepsUppers: of.park && options.root.type === 'image' });
  if (users.plan.kind !== 'given' && users.plan.kind !== 'joined') return users;
  try {
    requireMapped(options.process.user, users.plan);
    if (users.plan.kind === 'given') await requireIdmap(paths, users.plan.fd);
    return users;
  } catch (error) {
    users.release();
    throw error;
  }
}

/** Refuses a user that is given by numbers which are none inside; of one by name only the container's files tell. */
function requireMapped(user: string | null, { uid, gid }: UserMaps): void {
  const ids = numericUser(user);
  if (ids === null) return;
  const isIn = idOutside(uid, ids.uid) !== null && (!user?.includes(':') || idOutside(gid, ids.gid) !== null);
  if (!isIn) throw invalidOption('user', `is ${user}, which is not in the container's map of ids (userns)`);
}

/**
 * Makes the user namespace that a container is put into, or finds the one that it joins.
 *
 * @throws NacelleError `ERR_NO_IDS`; UnsupportedError; SyscallError
 */
async function containerUsers(
  { userns, namespaces, process: { user }, profile }: ParsedOptions,
  { id, keepsUppers }: UsersFor,
): Promise<ContainerUsers> {
  const own = privilege();
  if (own.kind === 'user') return usersOfUser(namespaces, own);
  if (typeof namespaces.user !== 'string') {
    const { fd } = namespaces.user;
    const { mayLeaveGroups, ...maps } = await mapsOf(fd);
    if (!mayLeaveGroups) {
      const fix = 'Give it maps as root before it is used, as Namespace.create does.';
      throw new UnsupportedError('namespaces.user', 'nobody in it may change groups (/proc/PID/setgroups)', fix);
    }
    return given(maps, { fd, keepsUppers });
  }
  if (userns === 'host') return { plan: { kind: 'none' }, lease: null, release: () => undefined };
  const counts = profile === null ? {} : USER_COUNTS;
  if (typeof userns === 'object') return given({ uid: userns.uid, gid: userns.gid }, { fd: null, keepsUppers, counts });
  await reapFirst();
  const lease = await leaseIds(id);
  try {
    const kept = userns === 'keep-id' ? numericUser(user) : null;
    const maps = { uid: rangeMap(lease.start, kept?.uid), gid: rangeMap(lease.start, kept?.gid) };
    const users = await given(maps, { fd: null, keepsUppers, counts });
    const release = (): void => {
      users.release();
      lease.release();
    };
    return { ...users, lease, release };
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** Each container of an ordinary user has a user namespace of its own, or else that of the namespaces that it joins. */
async function usersOfUser(namespaces: ParsedOptions['namespaces'], own: UserPrivilege): Promise<ContainerUsers> {
  const owner = await ownerOfJoined(namespaces, own);
  if (owner === null) {
    return { plan: { kind: 'identity', uid: sameIds(own.uid), gid: sameIds(own.gid) }, lease: null, release: () => undefined };
  }
  try {
    const plan = { kind: 'joined', fd: owner.fd, ...idsInside(await mapsOf(owner.fd), own) } as const;
    return { plan, lease: null, release: () => void owner.close() };
  } catch (error) {
    await owner.close();
    throw error;
  }
}

/** @param of.fd the namespace with these maps; `null`: it is made */
async function given(
  maps: UserMaps,
  { fd, keepsUppers, counts = {} }: { fd: number | null; keepsUppers: boolean; counts?: Readonly<Record<string, number>> },
): Promise<ContainerUsers> {
  const made: number[] = [];
  const release = (): void => {
    for (const own of made.splice(0)) closeDescriptor(own);
  };
  const make = async (of: UserMaps): Promise<number> => {
    const own = await makeUserNamespace(of, { counts: of === maps ? counts : {} });
    made.push(own);
    return own;
  };
  try {
    const users = fd ?? (await make(maps));
    return { plan: { kind: 'given', fd: users, ...maps, back: keepsUppers ? await make(turnedRound(maps)) : null }, lease: null, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Ids from 0 up are those of a range, but for one that is itself: its place in the range stays empty. Pure. */
export function rangeMap(start: number, kept = 0): IdMap[] {
  const whole = { inside: 0, outside: start, count: RANGE };
  if (kept === 0) return [whole];
  const self = { inside: kept, outside: kept, count: 1 };
  if (kept >= RANGE) return [whole, self];
  const rest = { inside: kept + 1, outside: start + kept + 1, count: RANGE - kept - 1 };
  return [{ ...whole, count: kept }, self, ...(rest.count > 0 ? [rest] : [])];
}

/** Host steps of a container's task. */
export interface Claim {
  readonly made: readonly Step[];
  readonly undone: readonly Step[];
}

/** The step by which a container's shim makes its claim to the ids that were leased. It fails where the lease is gone (ENOENT). */
export function claimStep(path: string): Step {
  return { op: 'link', host: true, target: path.slice(0, path.lastIndexOf('.')), path };
}

/**
 * The step by which a container's shim gives the ids back, after the steps that remove its groups. Where one of these has failed, a process
 * that can't be killed may still have the ids: the claim then stays for the next reap, which finds out.
 */
export function giveBackStep(claim: string): Step {
  return { op: 'forget', host: true, path: claim };
}

/** Steps that make and remove a container's claim to its ids, of which a record is written first; none where none were leased for it. */
export function claimOf(lease: IdLease | null, id: string, { owner }: Pick<Shim, 'owner'>): Claim {
  if (lease === null) return { made: [], undone: [] };
  const record = writeRecord(owner, `${id}-claim`, [{ kind: 'tree', path: lease.claim }]);
  return { made: [claimStep(lease.claim)], undone: [giveBackStep(lease.claim), ...record] };
}

/** In a user namespace of its own a container may have every capability: each is one over what belongs to that namespace. */
export function heldBy({ plan }: ContainerUsers): CapabilityMask {
  return plan.kind === 'given' ? allCapabilities : ownCapabilities();
}
