import { allOf, NacelleError } from '../errors.js';
import { monotonicMs } from '../native/clock.js';
import { binding, closeDescriptor, streamOf } from '../native/load-addon.js';
import { nativeError } from '../native/system-errors.js';
import type { KillCause, RunEnd, Task, TaskEnd } from '../native/task.js';
import { unlessAborted } from './abort.js';
import type { ParsedProcess } from './options/process-options.js';
import type { Encoding, RunResult, TerminalSize } from './options/process-types.js';
import { SIGKILL, signalNumber } from './options/signals.js';
import { type Evidence, type GroupEvidence, judge, type LethalLimits, times, usageOf } from './result.js';
import { ContainerRunError } from './run-error.js';
import type { Copy, Streams } from './streams/child-end.js';
import { outputOf } from './streams/collect.js';
import { PipeSource } from './streams/pipe-source.js';
import type { ProgramStreams } from './streams/program-streams.js';
import { Stdio } from './streams/stdio.js';
import { TerminalStreams } from './streams/terminal-streams.js';
import { cleanupMessage, undoneLater } from './undone-later.js';

/** What is known of a program beside its own options. */
export interface ProgramFacts {
  readonly id: string;
  readonly command: readonly string[];
  /** The program is process 1 of a pid namespace, without an init of ours. */
  readonly processOne: boolean;
  readonly limits: LethalLimits;
  readonly notEnforced: RunResult['notEnforced'];
  /** Names a call for which a filter kills; for a program that may have such a filter. */
  readonly describeCall?: (call: NonNullable<TaskEnd['violation']>) => string;
  /** Decodes the plan's reports: what its groups counted. */
  readGroup(end: Pick<TaskEnd, 'reports' | 'reportsBefore'>): GroupEvidence;
}

/** Facts of a program without groups of its own. */
export const noGroup: ProgramFacts['readGroup'] = () => ({ usage: {}, oomKills: 0, oomKillsOfParent: 0, forksRefused: 0 });

/** What `copyOut` brings. */
type CopiedOut = Pick<RunResult, 'files' | 'notCopied'>;

interface WaitOptions {
  readonly readFiles?: () => Promise<CopiedOut>;
  readonly isTidiedLater?: boolean;
}

/**
 * One program from its plan to its result: standard streams, cancel, output limit. What makes it a container is in
 * the plan alone.
 */
export class Program<E extends Encoding = Encoding> {
  readonly streams: ProgramStreams;
  readonly #options: ParsedProcess;
  #facts: ProgramFacts | null = null;
  #task: Task | null = null;
  #overflow: Evidence['overflow'] = null;
  #copies: readonly Copy[] = [];
  #error: Error | null = null;
  #setupMs = 0;
  /** When the caller asked for the program. */
  readonly #callMs = monotonicMs();
  #forgetCancel: (() => void) | null = null;

  /** @param streams default those that the options name */
  constructor(options: ParsedProcess, streams?: ProgramStreams) {
    this.#options = options;
    this.streams = streams ?? streamsOf(options);
  }

  get encoding(): Encoding {
    return this.#options.encoding;
  }

  /** The pid of the first process; 0 when the program was cancelled before there was one. */
  get pid(): number {
    return this.#task?.pid ?? 0;
  }

  /** The program's cancel, for work that is done after its end, such as `copyOut`. */
  get cancelling(): { readonly cancelSignal: AbortSignal | null; readonly graceMs: number } {
    return { cancelSignal: this.#options.cancelSignal, graceMs: this.#options.forceKillAfterDelay };
  }

  /**
   * Opens its streams.
   *
   * @param options.isConfined something confines the program, so a stream must give it no more than the stream's use
   * @throws as {@link Stdio.open}; the reason of `cancelSignal`
   */
  async open(options: { isConfined: boolean }): Promise<Streams> {
    const streams = await unlessAborted(
      this.#options.cancelSignal,
      () => this.streams.open(options),
      () => this.streams.close(),
    );
    this.#copies = streams.copies;
    return streams;
  }

  /**
   * To be called when the plan with these streams was sent: the message has duplicates of the descriptors, and our copies would keep the
   * program's pipes open.
   */
  async sent(facts: ProgramFacts, starting: Promise<Task>): Promise<Task> {
    this.#facts = facts;
    this.streams.sent();
    this.#task = await starting;
    this.#setupMs = monotonicMs() - this.#callMs;
    return this.#task;
  }

  /**
   * To be called with the descriptor of the terminal's master, which is the program's from then on; with none when there is no terminal, or
   * when the program was cancelled before there was one.
   */
  connect(master: number | undefined): void {
    if (master !== undefined) this.streams.terminal?.connect(master);
  }

  /** @throws NacelleError `ERR_STATE` when there is no terminal, or no more; SyscallError */
  resize(size: TerminalSize): void {
    const { terminal } = this.streams;
    if (terminal === null) {
      throw new NacelleError("change the size of the terminal: the program has none. Give it one by 'tty'", { code: 'ERR_STATE' });
    }
    if (!terminal.resize(size)) {
      throw new NacelleError('change the size of the terminal: the program does not run', { code: 'ERR_STATE' });
    }
  }

  /** To be called when the program runs: from then on its streams flow, and a cancel ends it. */
  begin(): void {
    const kill = (cause: KillCause, signal = this.#options.killSignal): void => {
      this.#kill(cause, signal).catch((error: Error) => this.#fail(error));
    };
    this.streams.begin({
      onOverflow: (stream) => {
        this.#overflow ??= { stream, maxBuffer: this.#options.maxBuffer ?? 0 };
        kill('output');
      },
      onError: (error) => {
        this.#fail(error);
        // without this stream nothing that the program does is of use to anybody
        kill('caller', SIGKILL);
      },
    });
    const { cancelSignal } = this.#options;
    if (!cancelSignal) return;
    const cancel = (): void => kill('cancel');
    if (cancelSignal.aborted) cancel();
    else cancelSignal.addEventListener('abort', cancel, { once: true });
    this.#forgetCancel = () => cancelSignal.removeEventListener('abort', cancel);
  }

  /** Lets a parked program run. */
  async release(): Promise<void> {
    const callMs = monotonicMs();
    await this.#task?.release();
    this.#setupMs += monotonicMs() - callMs;
    this.begin();
  }

  /** SIGKILL, the default, goes to the whole tree, another signal to the first process. */
  async kill(signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
    await this.#kill('caller', signalNumber(signal));
  }

  async #kill(cause: KillCause, signal: number): Promise<void> {
    await this.#task?.kill({ cause, signal, tree: signal === SIGKILL });
  }

  /**
   * Waits for the program's end. Gives the result, or throws the error that `reject: true` asks for. `readFiles` runs when the tree is
   * gone, before the result is made. With `isTidiedLater` the result waits for nothing that is undone after the end.
   */
  async wait(options: WaitOptions = {}): Promise<RunResult<E>> {
    const result = await this.#result(options);
    if (this.#options.reject && result.failed) throw new ContainerRunError<E>(result);
    return result;
  }

  async #result({ readFiles, isTidiedLater = false }: WaitOptions): Promise<RunResult<E>> {
    const [task, facts] = [this.#task, this.#facts];
    if (!task || !facts) throw new TypeError('the program was not started');
    try {
      const end = await task.emptied;
      const { stdout, stderr } = await this.streams.settle();
      // the shim undoes what it has made meanwhile
      const made = this.#makeResult(facts, end, {
        stdout: outputOf<E>(stdout, this.#encoding()),
        stderr: outputOf<E>(stderr, this.#encoding()),
      });
      const { undoErrors, notStartedAgain } = await (isTidiedLater ? undoneLater(task.ended, facts.command) : task.ended);
      const cleanupError = allOf(undoErrors);
      if (notStartedAgain) throw notStartedAgain;
      const streamError = this.#error ?? this.#copyError(end);
      if (cleanupError && !streamError) {
        const message = cleanupMessage(facts.command, cleanupError);
        throw new NacelleError(message, { code: 'ERR_CLEANUP', cause: cleanupError, cleanupError });
      }
      const result = readFiles === undefined ? made : { ...made, ...(await readFiles()) };
      if (streamError) throw new ContainerRunError<E>(result, { cause: streamError, ...(cleanupError ? { cleanupError } : {}) });
      return result;
    } finally {
      this.#forgetCancel?.();
      this.streams.close();
    }
  }

  #fail(error: Error): void {
    this.#error ??= error;
  }

  /** The error for a file that the pump could not read or write. */
  #copyError({ lostCopies: [lost] }: RunEnd): Error | null {
    if (!lost) return null;
    const { option, path } = this.#copies[lost.copy] ?? { option: 'the streams', path: null };
    const file = path ?? `the file that ${option} is`;
    return nativeError(`${lost.whileReading ? 'read' : 'write'} ${file}`, lost.whileReading ? 'read' : 'write', lost.errno, path);
  }

  #encoding(): E {
    // the options were checked against the same type that E was taken from
    return this.#options.encoding as E;
  }

  #makeResult(facts: ProgramFacts, end: RunEnd, output: Pick<RunResult<E>, 'stdout' | 'stderr'>): RunResult<E> {
    const { usage, ...group } = facts.readGroup(end);
    const { timeout, cpuTimeLimit } = this.#options;
    return {
      id: facts.id,
      command: [...facts.command],
      ...judge({
        end,
        cpuMs: end.usage.userMs + end.usage.systemMs,
        overflow: this.#overflow,
        processOne: facts.processOne,
        timeoutMs: timeout,
        cpuTimeLimitMs: cpuTimeLimit,
        limits: facts.limits,
        forbiddenCall: end.violation === null ? null : (facts.describeCall?.(end.violation) ?? null),
        ...group,
      }),
      ...output,
      files: {},
      notCopied: [],
      ...times(end),
      setupMs: this.#setupMs,
      usage: usageOf(end.usage, usage),
      notEnforced: facts.notEnforced,
    };
  }
}

function streamsOf(options: ParsedProcess): ProgramStreams {
  if (options.tty !== null) return new TerminalStreams(options, options.tty);
  return new Stdio(
    options,
    () => binding().pipe(),
    closeDescriptor,
    streamOf,
    (fd) => new PipeSource(fd),
  );
}
