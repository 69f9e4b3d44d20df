import { writeFileSync } from 'node:fs';
import type { Connection } from '../native/connection.js';
import { launchMappedShim, launchShim, ownShim, type Shim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { encodeIdMap } from '../plan/user-maps.js';
import { privilege, type UserPrivilege } from './privilege.js';

// Containers, images, volumes: what they are made of belongs to more users than the one who makes them. Root's own shim has the right to
// all of that. Another user's container shim is a second one, which is root of a user namespace in which these ids are.

let launching: Promise<Connection> | undefined;

/**
 * The shim that makes this process's containers, which is started when there is none.
 *
 * @throws SyscallError; UnsupportedError where this user can't have a user namespace
 */
export async function containerShim(): Promise<Shim> {
  const own = privilege();
  if (own.kind === 'root') return ownShim();
  launching ??= launchMappedShim({ writeMaps: (pid) => writeMaps(pid, own) });
  const ours = launching;
  try {
    const shim = await ours;
    if (!shim.closed) return shim;
  } catch (error) {
    // the next call tries again
    if (launching === ours) launching = undefined;
    throw error;
  }
  // it has died
  if (launching === ours) launching = undefined;
  return containerShim();
}

/** Starts a shim of its own for a detached container, as {@link launchShim}. */
export async function launchContainerShim(owner: string): Promise<Connection> {
  const own = privilege();
  if (own.kind === 'root') return launchShim(owner);
  return launchMappedShim({ detached: owner, writeMaps: (pid) => writeMaps(pid, own) });
}

/** A user may map one id, his own, where the groups can't be left (user_namespaces(7)). */
async function writeMaps(pid: number, { uid, gid }: UserPrivilege): Promise<void> {
  attempt('write the maps of a user namespace', () => {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    writeFileSync(`/proc/${pid}/gid_map`, encodeIdMap(gid));
    writeFileSync(`/proc/${pid}/uid_map`, encodeIdMap(uid));
  });
}
