import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { hasCode } from '../../errors.js';
import { recordOwners, recordsDir, writeBeside } from '../../host/journal.js';
import { readIfThere } from '../../native/read-if-there.js';
import { shimFolder } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';

// How the processes of an ordinary user find the network namespace that has the bridges of all of them: its holder, a shim, has written
// beside its records which process is there.

/** The holder of an ordinary user's networks: a shim, and a process in the network namespace. */
export interface Holder {
  /** The name of the shim as an owner. */
  readonly id: string;
  /** The process in the network namespace, as processes outside see it. */
  readonly pid: number;
  /** The inode number of the network namespace. */
  readonly namespace: number;
}

const noteSchema = z.object({ pid: z.int().positive(), namespace: z.int().positive() });

function noteFile(id: string): string {
  return join(recordsDir(id), 'networks');
}

/** Lets others find a holder; the note goes with its shim. @throws SyscallError */
export function noteHolder({ id, pid, namespace }: Holder): void {
  writeBeside(noteFile(id), JSON.stringify({ pid, namespace }));
}

/** The folder where the holder's shim serves. */
export function holderFolder(id: string): string {
  return shimFolder(id);
}

/**
 * The holders that are there: one, but where it was killed while others went on with its network namespace, or where two processes of one user have
 * different ids.
 */
export function findHolders(): Holder[] {
  return recordOwners().flatMap((id) => {
    const holder = readNote(id);
    return holder !== null && isThere(holder) ? [holder] : [];
  });
}

function readNote(id: string): Holder | null {
  try {
    const text = readIfThere(noteFile(id));
    return text === null ? null : { id, ...noteSchema.parse(JSON.parse(text)) };
  } catch {
    // without a note that can be understood another holder does as well
    return null;
  }
}

/** Whether the process is in the namespace: the number may be another's by now. */
export function isThere({ pid, namespace }: Holder): boolean {
  return namespaceOf(pid, 'net') === namespace;
}

/** The inode number of a process's namespace; `null` for one that has ended, or that this user may not look at. */
export function namespaceOf(pid: number, type: 'net' | 'user'): number | null {
  return attempt(`look at the ${type} namespace of process ${pid}`, () => {
    try {
      return statSync(`/proc/${pid}/ns/${type}`).ino;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) return null;
      throw error;
    }
  });
}
