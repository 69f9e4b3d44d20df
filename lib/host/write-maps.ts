import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { UnsupportedError } from '../errors.js';
import { attempt } from '../native/system-errors.js';
import { encodeIdMap, type IdMap } from '../plan/user-maps.js';
import { findProgram } from './programs.js';
import type { UserIds } from './subordinate-ids.js';

const run = promisify(execFile);

/** How long newuidmap(1) may take, in ms: where users are in a directory of the network, it asks that. */
const PATIENCE = 30_000;

/**
 * Writes the maps of a process's user namespace, as its owner, an ordinary user.
 *
 * @throws SyscallError; UnsupportedError with what newuidmap(1) says
 */
export async function writeMaps(pid: number, { uid, gid, whyOne }: UserIds): Promise<void> {
  if (whyOne === null) {
    await Promise.all([byProgram('newuidmap', pid, uid), byProgram('newgidmap', pid, gid)]);
    return;
  }
  attempt('write the maps of a user namespace', () => {
    // who maps one id can't leave groups: a group can be what forbids access (CVE-2014-8989)
    writeFileSync(`/proc/${pid}/setgroups`, 'deny');
    writeFileSync(`/proc/${pid}/gid_map`, encodeIdMap(gid));
    writeFileSync(`/proc/${pid}/uid_map`, encodeIdMap(uid));
  });
}

/**
 * Writes the maps of a process's user namespace, whatever they are, as its owner: what is not this user's own id alone takes newuidmap(1) or newgidmap(1).
 *
 * @param own this user and group
 * @throws SyscallError; UnsupportedError with what these programs say
 */
export async function writeAnyMaps(
  pid: number,
  { uid, gid }: Pick<UserIds, 'uid' | 'gid'>,
  own: { readonly uid: number; readonly gid: number },
): Promise<void> {
  if (isOwnAlone(gid, own.gid))
    attempt('write the map of groups of a user namespace', () => {
      writeFileSync(`/proc/${pid}/setgroups`, 'deny');
      writeFileSync(`/proc/${pid}/gid_map`, encodeIdMap(gid));
    });
  else await byProgram('newgidmap', pid, gid);
  if (isOwnAlone(uid, own.uid))
    attempt('write the map of users of a user namespace', () => writeFileSync(`/proc/${pid}/uid_map`, encodeIdMap(uid)));
  else await byProgram('newuidmap', pid, uid);
}

/** A map of this id alone, which its owner may write. */
export function isOwnAlone([first, ...more]: readonly IdMap[], own: number): boolean {
  return more.length === 0 && first?.count === 1 && first.outside === own;
}

async function byProgram(name: string, pid: number, map: readonly IdMap[]): Promise<void> {
  const args = [pid, ...map.flatMap(({ inside, outside, count }) => [inside, outside, count])].map(String);
  try {
    await run(findProgram(name) ?? name, args, { timeout: PATIENCE, env: {} });
  } catch (cause) {
    const said = typeof cause === 'object' && cause !== null ? String(Reflect.get(cause, 'stderr') ?? '').trim() : '';
    const fix = `It must be set-user-id root, and on a mount without nosuid: see ls -l ${findProgram(name) ?? name}.`;
    throw new UnsupportedError('subordinate ids', said === '' ? `${name} failed` : said, fix, { cause });
  }
}

/** Whether a process's user namespace has exactly these maps, as this process sees them. */
export function hasMaps(pid: number, { uid, gid }: UserIds): boolean {
  return isMap(`/proc/${pid}/uid_map`, uid) && isMap(`/proc/${pid}/gid_map`, gid);
}

function isMap(path: string, map: readonly IdMap[]): boolean {
  const text = attempt(`read ${path}`, () => readFileSync(path, 'utf8'));
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/).join(' '));
  return lines.join('\n') === Buffer.from(encodeIdMap(map)).toString();
}
