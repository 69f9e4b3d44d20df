import { readFileSync } from 'node:fs';
import { geteuid } from 'node:process';

/** Who listens at a socket, as the kernel tells. */
export interface Peer {
  /** 0 for a process that has no number in this pid namespace. */
  readonly pid: number;
  readonly uid: number;
}

/**
 * Why a peer can't be the systemd or the bus of this user; `null` when it can. The root of a container without root is this user for the kernel, so
 * the uid alone doesn't tell them apart: a peer must be in this pid namespace, and neither it nor the user namespace may be one below.
 */
export function strangeness({ pid, uid }: Peer): string | null {
  if (uid !== geteuid?.()) return `user ${uid}, not of this one`;
  return pid > 0 && isNotBelow(pid) ? null : 'a process in a user or pid namespace below';
}

function isNotBelow(pid: number): boolean {
  try {
    const map = readMap(pid);
    return hasOneNumber(readFileSync(`/proc/${pid}/status`, 'latin1')) && (map === readMap('self') || isOfAbove(map));
  } catch {
    // the process has ended, or /proc doesn't show it
    return false;
  }
}

/** "NSpid:" has the process's number in this pid namespace, and one more for each namespace below (proc_pid_status(5)). */
function hasOneNumber(status: string): boolean {
  return /^NSpid:\t\d+$/m.test(status);
}

/** A namespace below has all of its ids here too. One above has some that none here stand for, which the kernel shows as -1 (user_namespaces(7)). */
function isOfAbove(map: string): boolean {
  return /^\s*\d+\s+4294967295\s/m.test(map);
}

/** As it is seen from the user namespace of this process. */
function readMap(pid: number | 'self'): string {
  return readFileSync(`/proc/${pid}/uid_map`, 'latin1');
}
