import type { ShimTable } from './shim-table.js';
import type { StartPlan } from './task.js';

/** What a task needs of the connection to its shim. */
export interface Carrier {
  send(type: number, id: number, body: Uint8Array, fds?: readonly number[]): void;
  /** Each `ref` keeps the event loop alive until its `unref`. */
  ref(): void;
  unref(): void;
  forget(task: { readonly id: number }): void;
  readonly startPlan: StartPlan;
  /** What the shim knows. */
  readonly table: ShimTable;
}
