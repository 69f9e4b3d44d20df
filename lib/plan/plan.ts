import { SIGKILL } from './constants.js';
import { type Slot, type Step, stepTable } from './steps.js';

/** One process of a plan: how it is cloned, and what it does until it ends or becomes the program. */
export interface Stage {
  /** CLONE_NEW* of clone(2). */
  readonly flags: number;
  /** A cgroup v2 folder to be born in (CLONE_INTO_CGROUP). */
  readonly group?: Slot;
  /** The steps in their order. A step marked `host` is run by the shim: the process waits for it (that is the plan's `sync`). */
  readonly steps: readonly Step[];
}

/** A file that the shim reads when the tree has ended, before the undo steps: the evidence. */
export interface Report {
  readonly at: Slot;
  readonly path: string;
}

/** The clock of CPU time: a counter file of the group, in units of `nanoseconds`. */
export interface CpuClock {
  readonly limitMs: number;
  readonly at: Slot;
  readonly path: string;
  /** The word before the number (cpu.stat's `usage_usec`), '' when the file is the number alone (cpuacct.usage). */
  readonly key: string;
  /** Nanoseconds that one unit of the counter is worth. */
  readonly unit: number;
}

/** How a program is ended when a time limit is reached, or when it is cancelled. */
export interface Ending {
  /** SIGKILL goes to the whole tree at once. Another signal goes to the first process, and the tree is killed after the delay. */
  readonly signal: number;
  readonly forceKillAfterMs: number;
}

/** What belongs to a task that is kept. */
export interface Keep {
  /** The file to which the end is written before anybody hears of it. */
  readonly evidence: { readonly at: Slot; readonly path: string };
  /** Host steps when the task is closed after its end; each is tried even when one before failed. */
  readonly removal: readonly Step[];
  /** The task is closed at its end. */
  readonly auto: boolean;
}

/** When a program is started again by itself. The numbers are those of RestartOn in addon/shim/wire/plan.h. */
export const RESTART_ON = { never: 0, failure: 1, always: 2 } as const;

/** How a program is started again after its end, in the groups that it had. Its slots are those of the whole plan. */
export interface Again {
  readonly on: keyof typeof RESTART_ON;
  /** How often after failures; 0: without end. */
  readonly most: number;
  /** Before the first new run; doubled for each one that follows soon, up to the longest. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** A run that lasted so long begins the count anew. */
  readonly lastingMs: number;
  /** Whoever sends this signal, or SIGKILL, wants no other run. */
  readonly stopSignal: number;
  /** Host steps, before the first clone. */
  readonly prepare: readonly Step[];
  readonly stages: readonly Stage[];
}

/** What an unhealthy program comes to. The numbers are those of HealthThen in addon/shim/wire/plan.h. */
export const HEALTH_THEN = { none: 0, kill: 1, restart: 2 } as const;

/** A check that runs beside the program again and again. */
export interface HealthCheck {
  readonly then: keyof typeof HEALTH_THEN;
  /** Failures in a row that make the program unhealthy. */
  readonly retries: number;
  readonly intervalMs: number;
  /** While the program may be starting, failures don't count, and the interval is another. */
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  /** The file that begins with '1' or 'F' while the program stands still; '' where there is none. */
  readonly frozen: string;
  /** The shim gives it the program's pidfd and, twice, a pipe for its output: for these slots, in this order. */
  readonly plan: Plan;
  readonly given: readonly Slot[];
}

/** How the calls are answered that the filter of the step `load_call_filter` refuses by notification: see addon/shim/modes/denials.h. */
export interface Denials {
  /** The slot that the process fills, and hands to the shim by `give`. */
  readonly listener: Slot;
  /** struct sock_filter[]: its actions are the answers. */
  readonly answers: Uint8Array;
  /** What is read of a process before it is answered: `Look` of denials.h, any number of them. */
  readonly looks: Uint8Array;
  /** Those who hear of the task hear of each such call. */
  readonly told: boolean;
}

/**
 * Everything the shim has to do for one container, or for one call: plain data.
 *
 * `prepare` runs in the shim; then the first stage is cloned. Whatever fails, the tree is killed and
 * the undo steps whose preparation was reached are run, last first.
 */
export interface Plan {
  /** Host steps, before the first clone. */
  readonly prepare: readonly Step[];
  readonly stages: readonly Stage[];
  /** Host steps when the tree has ended, in this order; each is tried even when one before failed. */
  readonly undo: readonly Step[];
  readonly reports: readonly Report[];
  /** Slots whose descriptors Node gets when the plan has started. */
  readonly returns: readonly Slot[];
  /**
   * The program's mounts are undone when its end has been told, by a process beside the shim. Where more than so many bytes are left, as one of the
   * reports of these numbers tells, the end waits for that: memory that comes back later would be missing to the next program. One or two; the second
   * may be of a file that the kernel lacks.
   */
  readonly laterMounts?: { readonly reports: readonly number[]; readonly mostBytes: number };
  /** A cgroup on the unified tree: killing the tree is `cgroup.kill` there. Without it, the first process is killed. */
  readonly killGroup?: { readonly at: Slot; readonly path: string };
  readonly timeoutMs?: number;
  /** How long a stage after the first may take until its program runs, or waits at `await_start`: whoever is in its pid namespace could stop it for ever. */
  readonly setUpMs?: number;
  readonly cpuClock?: CpuClock;
  readonly ending: Ending;
  /** The task ends with its first process and leaves the rest of the tree running; this process may end before. */
  readonly leavesTree?: boolean;
  /** The task outlives the client that started it, and ends when its shim has no client any more. */
  readonly withClients?: boolean;
  /**
   * The task is over as soon as its program runs, which then goes on without the shim: it has no clocks, and nothing is undone. Whoever is
   * the subreaper above the shim (PR_SET_CHILD_SUBREAPER) becomes its parent when the shim ends.
   */
  readonly handsOver?: boolean;
  /** The end is told when the tree is gone, and what could not be undone later. Not with `keep` or `again`. */
  readonly tellsEndFirst?: boolean;
  /** Whoever hears of the task's end hears before it when each step began and ended. */
  readonly trace?: boolean;
  /** The task outlives its clients, and stays after its end, with its slots, until it is closed. */
  readonly keep?: Keep;
  /** The program may run several times; each run after the first is as this says. */
  readonly again?: Again;
  readonly health?: HealthCheck;
  readonly denials?: Denials;
  /** What those who watch hear when the program has started, and when it has ended; at most MAX_WORDS bytes. Without any they hear nothing. */
  readonly words?: Uint8Array;
}

/** A plan of these parts and nothing else; what runs is killed at once. */
export function planOf(parts: Partial<Plan>): Plan {
  return { prepare: [], stages: [], undo: [], reports: [], returns: [], ending: { signal: SIGKILL, forceKillAfterMs: 0 }, ...parts };
}

/**
 * A plan whose first part can be started before the rest is known: its last stage ends in a step `rest`, where the process waits.
 * `rest` is the whole of what the plan is from then on: its stage of that number goes on with that process, and those before have nothing to do. Slots
 * are numbered through.
 */
export interface PlanParts {
  /** `null` for a plan that can't be taken apart: then `rest` is all. */
  readonly first: Plan | null;
  readonly rest: Plan;
}

/** Whether the shim has something to do while the processes of a plan set themselves up. */
export function needsShim({ stages }: Plan): boolean {
  return stages.length > 1 || stages.some(({ steps }) => steps.some(({ host }) => host === true));
}

/** What has run when both parts have: failures are counted in these lists. `waits`: the plan as it was started, with the step `rest`. */
export function joinParts({ first, rest }: PlanParts, { waits }: { waits: boolean }): Plan {
  if (first === null) return rest;
  const at = first.stages.length - 1;
  const [begun, next] = [first.stages[at], rest.stages[at]];
  if (begun === undefined || next === undefined) return rest;
  const steps = waits ? begun.steps : begun.steps.slice(0, -1);
  return {
    ...rest,
    prepare: [...first.prepare, ...rest.prepare],
    stages: [...first.stages.slice(0, at), { ...begun, steps: [...steps, ...next.steps] }, ...rest.stages.slice(at + 1)],
  };
}

const slotFields = new Map(
  stepTable.map(({ op, fields }) => [op, fields.flatMap(([kind, name]) => (kind === 'SLOT' || kind === 'SLOTS' ? [name] : []))]),
);

/**
 * The last step of a stage: starts the next one, which has the descriptors that its steps name and no others.
 *
 * @param more those that its rest may name, which comes later
 */
export function cloneStep(stage: number, steps: readonly Step[], more: readonly Slot[] = []): Step {
  return { op: 'clone', stage, keep: [...new Set([...steps.flatMap(slotsOf), ...more])] };
}

/** The slots whose descriptors a step takes. */
export function slotsOf(step: Step): Slot[] {
  const named = (slotFields.get(step.op) ?? []).flatMap((field): Slot[] => Reflect.get(step, field));
  return named.filter((slot) => slot !== NONE);
}

/**
 * This step comes before a process is where others may trace it: a traced process could send the shim descriptors that the shim would have
 * to wait for when it closes them.
 */
export const REFUSE_DESCRIPTORS: Step = { op: 'refuse_descriptors', host: true };

/** Descriptors that travel with a plan, by slot. They are duplicated; Node's own stay open. */
export type Descriptors = ReadonlyMap<Slot, number>;

/** Numbers the slots of a plan and collects the descriptors that fill the first of them. */
export class Slots {
  #next: Slot;
  readonly #descriptors = new Map<Slot, number>();

  /** @param first the first of them */
  constructor(first: Slot = 0) {
    this.#next = first;
  }

  /** A slot that a step will fill. */
  take(): Slot {
    return this.#next++;
  }

  /** A slot filled with a descriptor of Node's. */
  give(fd: number): Slot {
    const slot = this.take();
    this.#descriptors.set(slot, fd);
    return slot;
  }

  get descriptors(): Descriptors {
    return this.#descriptors;
  }

  /** Every slot that was taken or filled until now, where the first is 0. */
  get all(): Slot[] {
    return Array.from({ length: this.#next }, (_, slot) => slot);
  }
}

/** No slot: the current folder, or nothing. */
export const NONE: Slot = -1;

/** Where a path of a step may end, whatever links there are: fields of each step that makes, mounts on or reads what a path leads to. */
export interface Ground {
  /** The mounts that hold it. */
  readonly on: readonly Slot[];
  /** All mounts that are told apart: any other counts as the one that it lies in. */
  readonly mounts: readonly Slot[];
}

/** The ground of a path on which nothing of others is mounted. */
export const ANYWHERE: Ground = { on: [], mounts: [] };
