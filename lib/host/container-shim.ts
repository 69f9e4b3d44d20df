import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { NacelleError, SyscallError, toError, UnsupportedError } from '../errors.js';
import type { Connection } from '../native/connection.js';
import { forClone } from '../native/hints.js';
import { launchMappedShim, launchShim, type MappedLaunch, ownShim, type Shim, startShimAhead } from '../native/shim.js';
import { findUserNamespace, noteUserNamespace } from './containers-namespace.js';
import { privilege, type UserPrivilege } from './privilege.js';
import { writeMaps } from './write-maps.js';

// Containers, images, volumes: what they are made of belongs to more users than the one who makes them. Root's own shim has the right to
// all of that. Another user's container shim is a second one, which is root of a user namespace in which these ids are.

let launching: Promise<Connection> | undefined;
let latest: Connection | undefined;

/** Has root's shim started while options are checked and a container is planned: a copy of its executable is made, and it says that it serves. */
export function startAhead(): void {
  if (privilege().kind === 'root') startShimAhead();
}

/**
 * The shim that makes this process's containers, which is started when there is none.
 *
 * @throws SyscallError; UnsupportedError where this user can't have a user namespace
 */
export async function containerShim(): Promise<Shim> {
  const own = privilege();
  if (own.kind === 'root') return ownShim();
  launching ??= launchMapped(own);
  const ours = launching;
  try {
    const shim = await ours;
    latest = shim;
    if (!shim.closed) return shim;
  } catch (error) {
    // the next call tries again
    if (launching === ours) launching = undefined;
    throw error;
  }
  // the shim has died
  if (launching === ours) launching = undefined;
  return containerShim();
}

/** The owner's name of the shim that {@link containerShim} has given last. @throws NacelleError: there was none */
export function containersOwner(): string {
  if (privilege().kind === 'root') return ownShim().owner;
  if (latest === undefined) throw new NacelleError('no shim makes containers yet', { code: 'ERR_INTERNAL' });
  return latest.owner;
}

/** Who removes what containers have left: where there can be no container any more, this process's own shim does. */
export async function removalShim(): Promise<Shim> {
  try {
    return await containerShim();
  } catch (error) {
    if (error instanceof UnsupportedError) return ownShim();
    throw error;
  }
}

/** Starts a shim of its own for a detached container, as {@link launchShim}. */
export async function launchContainerShim(owner: string): Promise<Connection> {
  const own = privilege();
  if (own.kind === 'root') return launchShim(owner);
  return launchMapped(own, owner);
}

/** Starts a shim that is root of a user namespace. @throws UnsupportedError where the machine refuses that; as `writeMaps` of what is asked for */
export async function launchInUsers(how: MappedLaunch): Promise<Connection> {
  try {
    return await launchMappedShim(how);
  } catch (error) {
    const [code] = error instanceof SyscallError ? [error.code] : [];
    if (code !== 'EPERM' && code !== 'ENOSPC' && code !== 'EACCES') throw error;
    const cause = toError(error);
    throw new UnsupportedError('a container without root', cause.message, forClone(constants.errno[code]), { cause });
  }
}

/** @throws the trouble with the user's ids; SyscallError; as `writeMaps` */
async function launchMapped(own: UserPrivilege, detached?: string): Promise<Connection> {
  if (own.trouble !== null) throw own.trouble;
  const joined = findUserNamespace(own);
  try {
    const shim = await launchInUsers({ detached, joined: joined ?? undefined, writeMaps: (pid) => writeMaps(pid, own) });
    try {
      noteUserNamespace(shim.owner, shim.pid);
      return shim;
    } catch (error) {
      shim.close();
      throw error;
    }
  } finally {
    if (joined !== null) closeSync(joined);
  }
}
