import { type HostRecord, recordSteps, writeRecord } from '../host/journal.js';
import { dropRecord } from '../host/recorded.js';
import { ownerName } from '../native/shim.js';
import type { Step } from '../plan/steps.js';

/** A record of what a container's task is about to make. */
export interface Noted {
  /** The steps that write it down, before all that it tells of. */
  readonly write: readonly Step[];
  /** The task's last steps. */
  readonly forget: readonly Step[];
  /** Removes what is written down, where no task has these steps. */
  drop(): void;
}

/**
 * Notes what a container's task makes. Where this process's shim keeps a bridge it has a record, and so the folder of records: there it writes
 * this one too. Elsewhere it is written here, at once.
 *
 * @param of.keepsBridge this process keeps a bridge for the container
 */
export function noteOf(of: { readonly owner: string; readonly keepsBridge: boolean }, id: string, records: readonly HostRecord[]): Noted {
  const { owner, keepsBridge } = of;
  if (keepsBridge && owner === ownerName()) return { ...recordSteps(owner, id, records), drop: () => undefined };
  const forget = writeRecord(owner, id, records);
  return { write: [], forget, drop: () => dropRecord(forget) };
}
