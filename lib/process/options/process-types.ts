import type { Readable, Writable } from 'node:stream';
import type { Size } from '../../options/size.js';

/** How collected output is given: decoded text, or bytes. */
export type Encoding = 'utf8' | 'buffer';
export type Output<E> = E extends 'buffer' ? Uint8Array : string;

/**
 * Where one of the three standard streams goes.
 *
 * - `'pipe'`: a pipe to Node, a stream there
 * - `'inherit'`: Node's own
 * - `'ignore'`: /dev/null
 * - a number: that descriptor of Node's
 * - a stream: its descriptor where it has one, else piped through Node
 * - a file: read from, or written to (made with mode 0644; `append` keeps what is there)
 * - a list, for outputs: each place gets all of the output
 */
export type Stdio =
  | 'pipe'
  | 'inherit'
  | 'ignore'
  | number
  | Readable
  | Writable
  | { file: string; append?: boolean | undefined }
  | readonly Stdio[];

/** What a program is run with, wherever it is run. */
export interface ProcessOptions<E extends Encoding = 'utf8'> {
  /** Variables; `undefined` removes one that would come from elsewhere. */
  env?: Record<string, string | undefined> | undefined;
  /** Start from Node's own environment. Default false: only PATH, HOME, HOSTNAME, the image's and yours. */
  extendEnv?: boolean | undefined;
  /**
   * Absolute. Default: the image's, else '/'. In a container a missing folder is made, and the user owns it. A folder that exists keeps its
   * owner: with `image: 'host'` it can be one that this machine has too. Below /tmp, which is empty there, every folder is new.
   */
  cwd?: string | undefined;
  /** 'name', 'uid', 'user:group' or a uid; names are looked up in the container's own files. Default: the image's, else root. */
  user?: string | number | undefined;
  /**
   * Groups that the program is in beside those that its user is in by the container's own files (docker's `--group-add`): gids, which need
   * not be in these files, and names, which must. `Cgroup.run` and `Namespace.run` look names up in the host's files, or those of the mount
   * namespace. Default none; of `container.exec` the container's.
   *
   * A SyscallError tells of what can't be: E2BIG for more than 256 groups in all, which is nacelle's own bound; ENOENT for a name that is
   * not there; EINVAL for a name where /etc/group is no regular file.
   */
  groupAdd?: readonly (string | number)[] | undefined;
  /** Default 0o022. */
  umask?: number | undefined;
  /** Default 'ignore', or 'pipe' with `input`. */
  stdin?: Stdio | undefined;
  /** Default 'pipe'. */
  stdout?: Stdio | undefined;
  /** Default 'pipe'. */
  stderr?: Stdio | undefined;
  /** Default 'utf8'. */
  encoding?: E | undefined;
  /**
   * Default true: the result keeps what the program writes to its pipes. False: it does not, and output that nobody reads from the streams
   * is thrown away; then `maxBuffer` has no default.
   */
  buffer?: boolean | undefined;
  /** Limit of wall clock time, ms. 0 is no limit. The shim keeps it, so that a blocked event loop can't stretch it. */
  timeout?: number | undefined;
  /** Limit of the CPU time of the whole tree, ms. 0 is no limit. The shim keeps it. */
  cpuTimeLimit?: number | undefined;
  /** The signal that a time limit or a cancel sends. Default SIGKILL, to the whole tree; another signal goes to the first process. */
  killSignal?: NodeJS.Signals | undefined;
  /** How long after a `killSignal` other than SIGKILL the tree is killed, ms. Default 1,000. */
  forceKillAfterDelay?: number | undefined;
}

/** The size of a terminal in characters, each from 1 to 65,535. */
export interface TerminalSize {
  columns: number;
  rows: number;
}

/** A terminal for a program in a container. */
export interface TerminalOptions {
  /**
   * A pseudo-terminal (pty(7)) of the container's own /dev/pts is the program's stdin, stdout and stderr, and its controlling terminal.
   * `true` is one of 80 columns and 24 rows. Default false.
   *
   * Then `stdout` has all that is written, and `stderr` can't be given. `stdin` is by default 'pipe'; when it ends, or after `input`, the
   * terminal's end-of-file character is sent. TERM is 'xterm' where nobody says what it is.
   */
  tty?: boolean | TerminalSize | undefined;
}

/** What belongs to a call that waits for the program's end. */
export interface CallOptions {
  /** Written to stdin, which is then closed. */
  input?: string | Uint8Array | Readable | undefined;
  /** Limit of each of stdout and stderr, bytes. Default '100m'. When one goes past it, the tree is killed: status 'output-limit'. */
  maxBuffer?: Size | undefined;
  /** Its abort ends the program, or the work that is done before the program runs: status 'canceled'. */
  cancelSignal?: AbortSignal | undefined;
  /** `true`: a program that fails rejects with ContainerRunError. Default false: what it did is in the result. */
  reject?: boolean | undefined;
}

/** How a program is run in something that confines it no further. */
export interface ProgramOptions<E extends Encoding = 'utf8'> extends ProcessOptions<E>, CallOptions {}

/** Pressure stall information, PSI (Linux 4.20). */
export interface Pressure {
  cpu: PressureOf | null;
  memory: PressureOf | null;
  io: PressureOf | null;
}

export interface PressureOf {
  some: PressureShare;
  /** `null` where the kernel doesn't tell it (cpu before Linux 5.13). */
  full: PressureShare | null;
}

/** Share of the time in which tasks stalled, in percent over the last 10, 60 and 300 s, and the total in ms. */
export interface PressureShare {
  avg10: number;
  avg60: number;
  avg300: number;
  totalMs: number;
}

/** What a tree of processes used. `null` where the kernel or the container's groups can't tell. */
export interface Usage {
  /** CPU time of the whole tree where a group counted it, else of the first process and the children that it waited for. */
  cpuTimeMs: number;
  userMs: number;
  systemMs: number;
  /** Bytes. */
  memoryPeak: number | null;
  /** Bytes. */
  memoryCurrent: number | null;
  pidsPeak: number | null;
  ioReadBytes: number | null;
  ioWriteBytes: number | null;
  voluntarySwitches: number;
  involuntarySwitches: number;
  throttledPeriods: number;
  throttledMs: number;
  /** Processes of the group that the kernel killed for want of memory. */
  oomKills: number;
  pressure: Pressure | null;
  /**
   * Of each link in the network namespace but lo, by its name there. `stats()` alone tells them, while the program runs or is parked: the
   * links go with the namespace. `null` where that is this machine's, or has gone. Who shares a container's network sees that one's links.
   */
  network: Record<string, LinkStats> | null;
}

/** Since the link was made, as `ip -s link` counts. */
export interface LinkStats {
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxErrors: number;
  readonly txErrors: number;
  readonly rxDropped: number;
  readonly txDropped: number;
}

/** The first cause that ended a program. */
export type Status =
  | 'ok'
  | 'nonzero-exit'
  | 'signalled'
  | 'cpu-time-limit'
  | 'timeout'
  | 'memory-limit'
  | 'output-limit'
  | 'syscall-violation'
  | 'canceled';

/** How a program ended. A field is missing or null where there is no such information. */
export interface RunResult<E extends Encoding = 'utf8'> {
  id: string;
  command: string[];
  /**
   * The first cause that ended the program, judged from evidence. It is 'memory-limit' also when the group's limit killed any process in
   * the group, whatever process 1 then returned.
   */
  status: Status;
  /** One sentence with the evidence: 'killed after 1,000 ms of wall time'. */
  reason: string;
  exitCode: number | null;
  /** `null` also for a signal without a name (real-time ones): see `signalNumber`. */
  signal: NodeJS.Signals | null;
  signalNumber: number | null;
  /** `status` is not 'ok'. */
  failed: boolean;
  /** `timeout` or `cpuTimeLimit` ended the program. */
  timedOut: boolean;
  oomKilled: boolean;
  isCanceled: boolean;
  isMaxBuffer: boolean;
  /** Empty where the stream went elsewhere, and with `buffer: false`. */
  stdout: Output<E>;
  stderr: Output<E>;
  /** By path: the files that `copyOut` named, or that lie in a folder that it named. */
  files: Record<string, Uint8Array>;
  /**
   * What `copyOut` named, or what lies below that, and could not be read: for example a link, a file that the user may not read, or one
   * that is too big.
   */
  notCopied: { path: string; reason: string }[];
  startedAt: Date;
  /** From the program's start to the end of its tree. */
  durationMs: number;
  /** How long it took to make the sandbox. */
  setupMs: number;
  usage: Usage;
  /** With `onUnsupported: 'report'`: what was left out. */
  notEnforced: { feature: string; reason: string }[];
}

/**
 * A program that runs: a promise of its result, with its streams. Iterating gives the lines of its stdout, as {@link lines} does.
 *
 * The promise rejects when the program could not be run; with `reject: true` also when it failed.
 */
export type Execution<E extends Encoding = 'utf8'> = Promise<RunResult<E>> &
  AsyncIterable<string> & {
    /** The program's pid in Node's pid namespace. Rejects when the program never ran. */
    readonly pid: Promise<number>;
    /** `null` unless the option `stdin` is 'pipe'. */
    readonly stdin: Writable | null;
    /**
     * A copy of what the program writes, from its beginning on; the result has the output all the same. The program waits for a slow
     * reader: destroy the stream when you have seen enough. `null` where the output goes elsewhere.
     */
    readonly stdout: Readable | null;
    /** As {@link stdout}. */
    readonly stderr: Readable | null;
    /**
     * The lines of an output (default 'stdout') from its beginning on, while they come: decoded as UTF-8, without the '\n' or '\r\n' at
     * their end. 'all': of both, in the order in which they came here. Each iteration is a copy of its own, for which the program waits.
     *
     * When the promise rejects, the loop throws that error at the end of the program, and the rejection counts as handled. Leaving the loop
     * before that lets the program go on.
     *
     * @throws NacelleError in the loop: `ERR_STATE` when the output goes elsewhere
     */
    lines(from?: 'stdout' | 'stderr' | 'all'): AsyncIterable<string>;
    /**
     * SIGKILL, the default, goes to the whole tree, another signal to the first process. The call waits until the program runs; after the
     * program's end it does nothing.
     */
    kill(signal?: NodeJS.Signals | number): Promise<void>;
    /**
     * Changes the size of the program's terminal, and tells the processes in its foreground (SIGWINCH). The call waits until the program
     * runs.
     *
     * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_STATE` when the program has no terminal (option `tty`), or has ended; SyscallError
     */
    resize(size: TerminalSize): Promise<void>;
  };
