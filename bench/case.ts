import type { Effort } from './measure.js';
import type { Line } from './table.js';

/** What every case is given. */
export interface Context {
  /** A root file system of busybox. */
  readonly rootfs: string;
  /** Fewer rounds: rough numbers in a minute. */
  readonly quick: boolean;
}

/** One part of the table. */
export interface Case {
  /** For --only. */
  readonly name: string;
  measure(context: Context): Promise<Line[]>;
}

/** A peer that this machine does not have or can't run. The row says why. */
export class NotHere extends Error {
  override readonly name = 'NotHere';
}

/** Of two efforts the one that was asked for. */
export function effort({ quick }: Context, full: Effort, rough: Effort): Effort {
  return quick ? rough : full;
}
