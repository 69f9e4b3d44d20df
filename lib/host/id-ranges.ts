import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, NacelleError } from '../errors.js';
import { endOf, type Holding, hold } from '../native/host-work.js';
import { listIfThere, readIfThere } from '../native/read-if-there.js';
import { runtimeDir } from '../native/runtime-dir.js';
import { ownShim } from '../native/shim.js';
import { attempt } from '../native/system-errors.js';
import { NONE, planOf } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { idPool } from './id-pool.js';
import { recordsDir, writeRecord } from './journal.js';
import { rangeFile } from './privilege.js';
import { dropRecord, dropRecordUnlessLeft } from './recorded.js';

/** A range of ids that one container has, and no other. */
export interface IdLease {
  /** The first id, for users and groups alike. */
  readonly start: number;
  /**
   * The file that is the container's claim to the range as long as it may have processes or files. Whoever makes the container has its shim
   * make and remove it: it is there before the lease is released.
   */
  readonly claim: string;
  /** Gives the range back, but for a claim to it; to be called once the container is gone, or has its claim. Once or more often. */
  release(): void;
}

/**
 * START is a range that is being taken, with the id of the container in it; START.ID the claim of a container. A range is free when it has
 * neither.
 */
function idsFolder(): string {
  return join(runtimeDir(), 'ids');
}

/**
 * Takes a range. It is written down before it is taken, and taken by link(2), which only one can do for a name: so neither a crash nor
 * another process at the same instant leads to a range that is lost or that two have.
 *
 * @param id the container's
 * @throws NacelleError `ERR_NO_IDS`: all are taken; UnsupportedError; SyscallError
 */
export async function leaseIds(id: string): Promise<IdLease> {
  const pool = idPool({ uid: rangeFile('/etc/subuid'), gid: rangeFile('/etc/subgid') });
  attempt(`make ${idsFolder()}`, () => mkdirSync(idsFolder(), { recursive: true, mode: 0o700 }));
  const taken = new Set(listIfThere(idsFolder()).map(rangeOf));
  for (const start of pool.starts) {
    if (taken.has(String(start))) continue;
    const lease = await take(start, id);
    if (lease !== null) return lease;
  }
  throw new NacelleError(`lease ids for a container: ${pool.name} are all taken`, { code: 'ERR_NO_IDS' });
}

function rangeOf(name: string): string {
  return name.split('.', 1)[0] ?? name;
}

/** @returns `null` when somebody else was faster */
async function take(start: number, id: string): Promise<IdLease | null> {
  const path = join(idsFolder(), String(start));
  const name = `${id}-range`;
  const { owner } = ownShim();
  const forget = writeRecord(owner, name, [{ kind: 'name', path, id }]);
  // the file is no record, so whoever reaps removes it with the records
  const whole = join(recordsDir(owner), `${name}.new`);
  const undo: Step[] = [{ op: 'unlink_if', host: true, at: NONE, path, bytes: Buffer.from(id) }, ...forget];
  const prepare: Step[] = [
    { op: 'put_file', host: true, at: NONE, path: whole, bytes: Buffer.from(id) },
    { op: 'link', host: true, target: whole, path },
    { op: 'unlink', host: true, at: NONE, path: whole },
  ];
  let held: Holding;
  try {
    held = await hold(planOf({ prepare, undo }));
  } catch (error) {
    rmSync(whole, { force: true });
    dropRecordUnlessLeft(forget, error);
    if (hasCode(error, 'EEXIST')) return null;
    throw error;
  }
  const release = (): void => {
    try {
      // at once: the shim's undo then finds nothing left
      if (readIfThere(path) === id) rmSync(path, { force: true });
      dropRecord(forget);
    } catch {
      // what this process can't do now, for want of a descriptor for instance, the undo does
    } finally {
      void endOf(held.task);
    }
  };
  try {
    // whoever had the range may have made its claim since we looked
    if (listIfThere(idsFolder()).some((other) => other.startsWith(`${start}.`))) {
      release();
      return null;
    }
  } catch (error) {
    release();
    throw error;
  }
  return { start, claim: `${path}.${id}`, release };
}
