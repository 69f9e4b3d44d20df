import { CREATE } from '../../plan/constants.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { TerminalSize } from '../../process/options/process-types.js';
import type { LogPlan } from '../../process/streams/child-end.js';
import { groundOf, type Place } from './ground.js';

/** The terminal of a program. */
export interface TerminalPlan {
  /** For Node. */
  readonly master: Slot;
  readonly slave: Slot;
  /**
   * Steps that make it, to be run where / is the container's root and the user was looked up. The shim keeps the slave until the end of the
   * tree: the kernel tells the master's readers of an end whenever nobody has the slave open, and a program may open it again.
   */
  readonly make: readonly Step[];
}

/**
 * @param log reads the master in place of Node, from before the program runs
 * @param keepsNewlines whoever shows the terminal makes CR NL of a newline
 */
export function planTerminal(
  { columns, rows }: TerminalSize,
  slots: Slots,
  { log, keepsNewlines = false }: { readonly log?: LogPlan | undefined; readonly keepsNewlines?: boolean } = {},
): TerminalPlan {
  const [master, slave] = [slots.take(), slots.take()];
  const make: Step[] = [
    { op: 'open_terminal', out: master, columns, rows },
    ...(keepsNewlines ? [{ op: 'keep_newlines', master } as const] : []),
    { op: 'open_slave', out: slave, master },
    { op: 'give', slot: master },
    { op: 'give', slot: slave },
    { op: 'close', slot: master },
    ...(log === undefined ? [] : [logStep([master], log)]),
  ];
  return { master, slave, make };
}

/** The host step that starts a log, given the slots of what it reads. */
export function logStep(from: readonly Slot[], { folder, bytes, segments }: LogPlan): Step {
  return { op: 'log', host: true, from: [...from], folder, bytes, segments };
}

/** Steps of the process that becomes the program. `newSession`: init leads the session that the process is in. */
export function takeTerminal(terminal: TerminalPlan | null, { newSession }: { newSession: boolean }): Step[] {
  if (terminal === null) return [];
  return [...(newSession ? [{ op: 'setsid' } as const] : []), { op: 'control_terminal' }];
}

export const CONSOLE = '/dev/console';

/** Steps that make the terminal the container's console, as runc does: whoever opens that file opens the terminal. */
export function consoleSteps({ slave }: TerminalPlan, slots: Slots, { root, places }: { root: Slot; places: readonly Place[] }): Step[] {
  const mount = slots.take();
  return [
    { op: 'clone_mount', out: mount, at: slave, path: '', recursive: 0 },
    { op: 'attach', mount, root, path: CONSOLE, create: CREATE.file, ...groundOf(places, CONSOLE) },
    { op: 'close', slot: mount },
  ];
}
