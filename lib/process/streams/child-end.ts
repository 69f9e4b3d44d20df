import type { Slot } from '../../plan/steps.js';
import type { TerminalSize } from '../options/process-types.js';

/** What the program gets as one of 0, 1 and 2. */
export type ChildEnd =
  /** An end of a pipe of ours, to be given to the program's user. */
  | { readonly type: 'pipe'; readonly fd: number }
  /** A descriptor of the caller's, passed on as it is: its file keeps its owner. */
  | { readonly type: 'given'; readonly fd: number }
  /** The null device of where the program runs. */
  | { readonly type: 'null' }
  /** A file of the caller's to be read from, by its absolute path. */
  | { readonly type: 'file'; readonly path: string };

export type ChildEnds = readonly [stdin: ChildEnd, stdout: ChildEnd, stderr: ChildEnd];

/** A file of the caller's that a pump copies from or to, and the end of the program's pipe on its side. */
export interface Copy {
  /** Descriptors of Node's. */
  readonly from: number;
  readonly to: number;
  /** For error messages: the option, such as 'stdin', and the path where it is known. */
  readonly option: string;
  readonly path: string | null;
}

/** The log that takes a program's output in place of Node (addon/shim/modes/log.h). */
export interface LogPlan {
  /** The descriptor of its folder. */
  readonly folder: Slot;
  /** Our ends of the program's pipes, standard output first; none for a terminal. */
  readonly pipes: readonly Slot[];
  /** The most of a segment, and the most segments. */
  readonly bytes: number;
  readonly segments: number;
}

/** All that a plan needs to know of a program's streams. */
export interface Streams {
  readonly ends: ChildEnds;
  /** A terminal of this size, which the plan makes, takes the place of all three ends. */
  readonly terminal?: TerminalSize;
  readonly copies: readonly Copy[];
  readonly log?: LogPlan;
}
