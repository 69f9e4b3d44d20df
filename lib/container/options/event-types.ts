import type { TerminalSize } from '../../process/options/process-types.js';

/** How a program ended. All are `null` where nobody knows: it could not be started, or its supervisor died. */
export interface ProgramExit {
  /** `null` also for a program that a signal ended. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Also of signals without a name. */
  readonly signalNumber: number | null;
}

/** What happened, in docker's words, with what belongs to it. */
export type ContainerHappening =
  /** 'oom' comes just before 'die', when the kernel has killed a process of the container because memory ran out. */
  | { readonly type: 'create' | 'start' | 'restart' | 'oom' | 'stop' | 'pause' | 'unpause' | 'destroy' }
  | ({ readonly type: 'die' } & ProgramExit)
  /** A signal that somebody sent by `kill` or `stop`; what a time limit or a cancel sends is none. */
  | { readonly type: 'kill'; readonly signal: NodeJS.Signals | null; readonly signalNumber: number }
  /** Of the terminal of the container's own program. */
  | { readonly type: 'resize'; readonly size: TerminalSize }
  /**
   * Both come when the program runs: one that could not be run is not told. `command` ends in '…' where it is longer than 3 KiB. `execId` is
   * the `id` of the program's result.
   */
  | { readonly type: 'exec_create' | 'exec_start'; readonly execId: string; readonly command: readonly string[] }
  | ({ readonly type: 'exec_die'; readonly execId: string } & ProgramExit)
  | { readonly type: 'health_status'; readonly status: 'starting' | 'healthy' | 'unhealthy' };

/** Something that happened to a container. `type` is docker's word for it. */
export type ContainerEvent = ContainerHappening & {
  readonly id: string;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly time: Date;
  /** How many events before this one were left out, of whatever container, because the loop took them too slowly. */
  readonly lost: number;
};

export interface EventOptions {
  /** When it is aborted, the loop throws the signal's reason. */
  cancelSignal?: AbortSignal | undefined;
  /** Only of containers that have all these labels. */
  labels?: Record<string, string> | undefined;
}
