import type { Descriptors, Plan } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import type { causes } from './protocol.js';

/** See {@link causes}. */
export type KillCause = (typeof causes)[number];

/** How a task ended: raw facts, to be read by pure code. */
export interface TaskEnd {
  /** The program's end as waitid(2) tells it: exited with a status, or killed by a signal. */
  readonly exit: { readonly kind: 'exited' | 'signalled'; readonly value: number };
  readonly cause: KillCause;
  /** Wall clock of the program's start, ms since the epoch; monotonic start and end, ms (process.hrtime's clock). */
  readonly startedAtMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
  /** rusage of the first process and the children that it waited for. */
  readonly usage: {
    readonly userMs: number;
    readonly systemMs: number;
    readonly maxRssBytes: number;
    readonly voluntarySwitches: number;
    readonly involuntarySwitches: number;
  };
  /** The files of `plan.reports`, `null` where one could not be read. */
  readonly reports: readonly (Uint8Array | null)[];
  /** The same files when this run began, for a program that was started again; else empty. */
  readonly reportsBefore: readonly (Uint8Array | null)[];
  /** Copies of the step `pump` that failed: their number, and errno of reading or writing. */
  readonly lostCopies: readonly { readonly copy: number; readonly whileReading: boolean; readonly errno: number }[];
  /** The call for which the program's filter had it killed: AUDIT_ARCH_* and the number. `null`: none, or it is not known. */
  readonly violation: { readonly arch: number; readonly call: number } | null;
  /** Failures of undo steps. */
  readonly undoErrors: readonly Error[];
  /** Why no other run followed, though one was due. */
  readonly notStartedAgain: Error | null;
}

/** How a run of a program ended that another one follows. */
export type RunEnd = Omit<TaskEnd, 'undoErrors' | 'notStartedAgain'>;

export interface TaskOutput {
  /** The outputs of the steps that have some (`read`, `netlink`), in the order of the steps. */
  readonly outputs: readonly Uint8Array[];
  readonly descriptors: ReadonlyMap<Slot, number>;
}

/** How a program is, as its health check tells. The place of each word is its number in `HealthStatus` of addon/shim/wire/protocol.h. */
export const healthWords = ['starting', 'healthy', 'unhealthy'] as const;
export type HealthWord = (typeof healthWords)[number];

/** What the shim knows of a task beside its state. */
export interface TaskStatus {
  /** How often the program was started again. */
  readonly restarts: number;
  /** `null`: nobody keeps watch on it. `code`: the exit status of a check; -1: it could not be run, or took too long. */
  readonly health: {
    readonly status: HealthWord;
    readonly failingStreak: number;
    readonly results: readonly {
      readonly startedAtMs: number;
      readonly endedAtMs: number;
      readonly code: number;
      readonly output: string;
    }[];
  } | null;
  /** When this run of the program began, ms since the epoch; `null` before, and where the shim is older and does not tell. */
  readonly startedAtMs: number | null;
}

/** A call that the filter of a task's program has refused, as the shim tells of it (addon/shim/modes/denials.h). */
export interface RawDenial {
  /** How many before this one were left out. */
  readonly lost: number;
  readonly killed: boolean;
  readonly errno: number;
  /** ms since the epoch. */
  readonly atMs: number;
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly call: number;
  readonly pid: number;
  readonly args: readonly bigint[];
  /** What arguments point to. */
  readonly pointedTo: readonly { readonly argument: number; readonly bytes: Uint8Array }[];
}

/** What a task's programs tried to reach and its list does not allow, as the shim tells of it (addon/shim/egress/refusals.h). */
export interface RawRefusal {
  /** '' for an address without a name. */
  readonly host: string;
  /** 4 or 16 bytes, or none. */
  readonly address: Uint8Array;
  /** 0 for a question about a name. */
  readonly port: number;
  /** ms since the epoch. */
  readonly atMs: number;
  /** How many before this one were left out. */
  readonly lost: number;
}

export interface TaskWatcher {
  /** The program has ended, and another run follows. */
  died(end: RunEnd): void;
  /** The program was started, by whoever has the task. */
  began(): void;
  /** Another run has begun. */
  ran(): void;
  health(status: HealthWord): void;
}

/** A plan that was started. Lives in the shim; ends with this environment (main thread or Worker). */
export interface Task {
  /** The first process, in Node's pid namespace; 0 where the plan has no stage. */
  readonly pid: number;
  /** Outputs of `prepare`, and the descriptors of `plan.returns`, which are now the caller's to close. */
  readonly started: TaskOutput;
  /** Lets a parked process go on. Resolves when the program runs (after execve). */
  release(): Promise<void>;
  /** Runs host steps with this task's slots; they may fill new slots. */
  call(steps: readonly Step[], options?: { descriptors?: Descriptors; returns?: readonly Slot[] }): Promise<TaskOutput>;
  /** signal 9 with `tree` kills everything; otherwise the signal goes to the first process. */
  kill(options: { cause: KillCause; signal: number; tree: boolean }): Promise<void>;
  /** Says something to those who watch the shim of a task that is kept: now, or when the task ends. At most MAX_WORDS bytes. */
  tell(words: Uint8Array, options?: { atEnd?: boolean }): void;
  /** Resolves when the tree is gone: before the undo steps where the plan `tellsEndFirst`, else with `ended`. Rejects as `ended`. */
  readonly emptied: Promise<RunEnd>;
  /** Resolves when the tree is gone and the undo steps have run. Rejects when the shim died, or sent what can't be understood. */
  readonly ended: Promise<TaskEnd>;
  /** Kills what runs and undoes; for a task without stages this is its end, and a kept one is then removed. Idempotent. */
  close(): Promise<void>;
  /**
   * Ends the program's run by the signal, and after a while by SIGKILL, and starts the program again. Resolves when it runs; rejects when the
   * task has ended instead.
   */
  again(options: { signal: number; killAfterMs: number }): Promise<void>;
  status(): Promise<TaskStatus>;
  /** Hears of the runs and of the health until the end, or until the function is called that this gives. */
  watch(watcher: TaskWatcher): () => void;
  /** Hears of each refused call, where the plan's `denials` are told; also of those that came before, as far as they are remembered. */
  hearDenials(listener: (denial: RawDenial) => void): void;
  /** Hears of each refusal, also of those that came before, as far as they are remembered. `null`: nobody does. */
  hearRefusals(listener: ((refusal: RawRefusal) => void) | null): void;
  /** Starts another plan in the same shim. */
  readonly beside: StartPlan;
  /** Keeps the event loop alive until the end. A task with stages does so from the start, one without never does. */
  ref(): void;
  unref(): void;
}

/** A plan as it travels. */
export interface EncodedPlan {
  readonly body: Uint8Array;
  /** How many slots its steps and its descriptors have. */
  readonly slots: number;
  /** For the words of a failure. */
  plan(): Plan;
}

/** Host steps as they travel. */
export interface EncodedSteps {
  readonly body: Uint8Array;
  /** How many slots they need of the task. */
  readonly slots: number;
  /** For the words of a failure. */
  steps(): readonly Step[];
}

/** The first part of a plan, waiting in the shim or under way. Keeps no event loop alive before it goes on. */
export interface Beginning {
  /** The first part failed, or the shim died: it can't go on. */
  readonly over: boolean;
  /** Lets its process be made; sending the rest does so too. */
  go(): void;
  /** Sends the rest; the promise is then that of `StartPlan`. */
  goOn(rest: Plan, descriptors: Descriptors, cancelSignal?: AbortSignal | null): Promise<Task>;
  /** Does the same with a rest that was encoded before. */
  goOnEncoded(rest: EncodedPlan, descriptors: Descriptors, cancelSignal?: AbortSignal | null): Promise<Task>;
  close(): Promise<void>;
}

/**
 * Starts a plan. Resolves when `prepare` is done and the process is parked, runs its program, or holds
 * (`pause`); for a stage that does its work and ends (`unpack`, `changes`, …) when it has begun.
 * Rejects with SyscallError when any step fails; everything is undone by then.
 *
 * When the signal is aborted before that, the task's tree is killed. The promise resolves when the tree is gone, and the cause of the
 * task's end is 'cancel'.
 */
export type StartPlan = (plan: Plan, descriptors: Descriptors, cancelSignal?: AbortSignal | null) => Promise<Task>;
