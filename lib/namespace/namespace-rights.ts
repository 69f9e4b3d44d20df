import { fstatSync, statSync } from 'node:fs';
import { hasCode, UnsupportedError } from '../errors.js';
import { containerShim } from '../host/container-shim.js';
import { isOfContainers } from '../host/containers-namespace.js';
import { privilege, sameIds, type UserPrivilege } from '../host/privilege.js';
import { makeUserNamespace } from '../host/user-namespace.js';
import { closeDescriptor } from '../native/load-addon.js';
import { ownShim, type Shim } from '../native/shim.js';
import type { IdMap } from '../plan/user-maps.js';
import { ownerOf } from './namespace-files.js';
import type { Held, ParsedCreate } from './namespace-options.js';
import type { RunRequest } from './namespace-plan.js';

/**
 * The user namespace that owns what an ordinary user makes without one: all namespaces of one shim share it, and it stays as long as this
 * process.
 */
let shared: { readonly shim: Shim; readonly fd: Promise<number> } | undefined;

/**
 * Who makes namespaces, with options in which the ids are those that the maker has, and the user namespace that is to own them; `null`: the
 * maker's.
 *
 * @throws SyscallError; UnsupportedError
 */
export async function makerOf(
  options: ParsedCreate,
): Promise<{ readonly shim: Shim; readonly options: ParsedCreate; readonly owner: number | null }> {
  const own = privilege();
  if (own.kind === 'root') return { shim: ownShim(), options, owner: null };
  const shim = await containerShim();
  if (!options.types.includes('user')) return { shim, options, owner: await sharedOwner(shim, own) };
  const [uidMap, gidMap] = [asSeenByMaker('uidMap', options.uidMap, own.uid), asSeenByMaker('gidMap', options.gidMap, own.gid)];
  return { shim, options: { ...options, uidMap, gidMap }, owner: null };
}

async function sharedOwner(shim: Shim, own: UserPrivilege): Promise<number> {
  // after the end of a shim, the next one may be root of another user namespace, and have no rights over this one
  shared = shared?.shim === shim ? shared : { shim, fd: makeUserNamespace({ uid: sameIds(own.uid), gid: sameIds(own.gid) }, { on: shim }) };
  const ours = shared;
  try {
    return await ours.fd;
  } catch (error) {
    // the next call tries again
    if (shared === ours) shared = undefined;
    throw error;
  }
}

/** A map whose outer ids are this machine's, as the maker sees it. */
function asSeenByMaker(option: string, map: readonly IdMap[] | null, own: readonly IdMap[]): IdMap[] | null {
  if (map === null) return null;
  return map.flatMap(({ inside, outside, count }) => {
    const parts: IdMap[] = [];
    // the kernel takes no line that is of two of the maker's
    for (let done = 0; done < count; ) {
      const range = own.find((range) => range.outside <= outside + done && outside + done < range.outside + range.count);
      if (range === undefined) {
        throw new UnsupportedError(
          option,
          `${outside + done} is none of the ids of this user`,
          'See /etc/subuid and /etc/subgid, or run it as root.',
        );
      }
      const part = Math.min(count - done, range.outside + range.count - outside - done);
      parts.push({ inside: inside + done, outside: range.inside + outside + done - range.outside, count: part });
      done += part;
    }
    return parts;
  });
}

/** With which rights a program joins namespaces. */
type Rights = Pick<RunRequest, 'privileged' | 'keepsGroups'>;

/** Does some work with the namespaces to join, among which is the user namespace that gives an ordinary user the right to. @throws what the work throws */
export async function withOwner<T>(namespaces: readonly Held[], work: (all: readonly Held[], rights: Rights) => Promise<T>): Promise<T> {
  const own = privilege();
  if (own.kind === 'root') return work(namespaces, { privileged: true, keepsGroups: false });
  const given = namespaces.find(({ type }) => type === 'user');
  const owner = given === undefined ? ownerOfAll(namespaces) : null;
  const all: readonly Held[] = owner === null ? namespaces : [...namespaces, { type: 'user', fd: owner }];
  const users = owner ?? given?.fd ?? null;
  try {
    // in user namespaces that others have made of one id, nobody may leave groups
    const keepsGroups = own.whyOne !== null || (users !== null && !isOfContainers(users, own));
    return await work(all, { privileged: false, keepsGroups });
  } finally {
    if (owner !== null) closeDescriptor(owner);
  }
}

/** The user namespace that owns all of these, which the caller closes; `null` where that is this process's own, or there is not one. */
function ownerOfAll(namespaces: readonly Held[]): number | null {
  const owners: number[] = [];
  let found: number | null = null;
  try {
    for (const { fd } of namespaces) owners.push(ownerOf(fd));
    const inodes = owners.map((fd) => fstatSync(fd).ino);
    if (new Set([statSync('/proc/self/ns/user').ino, ...inodes]).size === 2) found = owners[0] ?? null;
    return found;
  } catch (error) {
    // it lies outside: the kernel refuses to join it, in its own words
    if (hasCode(error, 'EPERM')) return null;
    throw error;
  } finally {
    for (const fd of owners) if (fd !== found) closeDescriptor(fd);
  }
}

/** Refuses to pin where nobody else would see it. @throws UnsupportedError */
export function requirePinning(): void {
  if (privilege().kind === 'root') return;
  const reason = 'only root mounts where others see it';
  throw new UnsupportedError(
    'Namespace.pin',
    reason,
    'Keep the handle: other processes of this user open it by /proc/PID/fd/FD. Or run as root.',
  );
}
