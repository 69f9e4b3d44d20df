import type { TaskEnd } from '../native/task.js';
import type { RunResult, Status, Usage } from './options/process-types.js';
import { describeSignal, SIGKILL, SIGSYS, SIGXCPU, SIGXFSZ, signalName } from './options/signals.js';

/** What the groups of a program counted while it ran. */
export interface GroupEvidence {
  readonly usage: Partial<Usage>;
  /** Processes of the program's own group that the kernel killed because this group was out of memory. */
  readonly oomKills: number;
  /** Processes that the kernel killed because a group above the program's own, or the machine, was out of memory. */
  readonly oomKillsOfParent: number;
  /** Forks that a limit of processes refused. */
  readonly forksRefused: number;
}

/**
 * Our limits that can end a program; `null` where there is none. Their numbers are told in `reason`, and they tell a limit's signal from
 * one that somebody sent.
 */
export interface LethalLimits {
  /** Bytes. */
  readonly memory: number | null;
  readonly pids: number | null;
  /** Seconds of CPU time that ulimits give a process: SIGXCPU at the first, SIGKILL at the second. */
  readonly cpuSeconds: { readonly soft: number; readonly hard: number } | null;
  /** Bytes that ulimits give a file. */
  readonly fileBytes: number | null;
  /** The system call filter has an action that kills. */
  readonly filterKills: boolean;
}

export const noLimits: LethalLimits = { memory: null, pids: null, cpuSeconds: null, fileBytes: null, filterKills: false };

/** What is known of a program's end, beside what the shim tells. */
export interface Evidence extends Omit<GroupEvidence, 'usage'> {
  readonly end: Pick<TaskEnd, 'exit' | 'cause'>;
  /** CPU time of the first process and the children that it waited for. */
  readonly cpuMs: number;
  /** The stream that went past `maxBuffer`. */
  readonly overflow: { readonly stream: 'stdout' | 'stderr'; readonly maxBuffer: number } | null;
  /** The program was process 1 of a pid namespace: it can't have sent itself SIGKILL. */
  readonly processOne: boolean;
  /** The limits that the program ran with, to be told in `reason`. */
  readonly timeoutMs: number | null;
  readonly cpuTimeLimitMs: number | null;
  readonly limits: LethalLimits;
  /** The call for which its filter had it killed, in words; `null` where that is not known. */
  readonly forbiddenCall?: string | null;
}

/** The part of a RunResult that says how it ended. */
export type Verdict = Pick<
  RunResult,
  'status' | 'reason' | 'exitCode' | 'signal' | 'signalNumber' | 'failed' | 'timedOut' | 'oomKilled' | 'isCanceled' | 'isMaxBuffer'
>;

/**
 * How a program ended, from evidence alone: what nacelle killed it for, what the kernel counted, what
 * waitid(2) told. An exit code says nothing more than itself: `exit 137` is a 'nonzero-exit'.
 */
export function judge(evidence: Evidence): Verdict {
  const { exit } = evidence.end;
  const signalled = exit.kind === 'signalled';
  const { status, reason } = firstCause(evidence);
  return {
    status,
    reason,
    exitCode: signalled ? null : exit.value,
    signal: signalled ? signalName(exit.value) : null,
    signalNumber: signalled ? exit.value : null,
    failed: status !== 'ok',
    timedOut: status === 'cpu-time-limit' || status === 'timeout',
    oomKilled: evidence.oomKills > 0 || diedOfParent(evidence),
    isCanceled: status === 'canceled',
    isMaxBuffer: evidence.overflow !== null,
  };
}

function firstCause(evidence: Evidence): { status: Status; reason: string } {
  const { exit, cause } = evidence.end;
  // When we killed the program, our reason was the first cause: the shim keeps the first one, and none after the program's end.
  switch (cause) {
    case 'wall-time':
      return { status: 'timeout', reason: `killed after ${amount(evidence.timeoutMs, 'ms')} of wall time` };
    case 'cpu-time':
      return { status: 'cpu-time-limit', reason: `killed after ${amount(evidence.cpuTimeLimitMs, 'ms')} of CPU time` };
    case 'output':
      return overflowed(evidence);
    case 'cancel':
      return { status: 'canceled', reason: 'killed because cancelSignal was aborted' };
    default:
  }
  if (evidence.oomKills > 0) return { status: 'memory-limit', reason: outOfMemory(evidence) };
  if (diedOfParent(evidence)) return { status: 'memory-limit', reason: 'out of memory in a parent group' };
  // The program ended by itself before the kill for its output came.
  if (evidence.overflow) return overflowed(evidence);
  if (exit.kind === 'exited') {
    return { status: exit.value === 0 ? 'ok' : 'nonzero-exit', reason: `exited with ${exit.value}${meanwhile(evidence)}` };
  }
  if (exit.value === SIGSYS && cause === 'none' && evidence.limits.filterKills) {
    const call = evidence.forbiddenCall ? `the system call ${evidence.forbiddenCall}, which` : 'a system call that';
    return { status: 'syscall-violation', reason: `killed by SIGSYS: it made ${call} its filter forbids` };
  }
  return { status: 'signalled', reason: `killed by ${describeSignal(exit.value)}${sender(evidence)}${meanwhile(evidence)}` };
}

/** The first process itself was killed because a group above ran out of memory. */
function diedOfParent({ end: { exit, cause }, oomKillsOfParent }: Evidence): boolean {
  return oomKillsOfParent > 0 && exit.kind === 'signalled' && exit.value === SIGKILL && cause === 'none';
}

/** Who sent the signal, as far as there is evidence: the kernel tells only the signal's number. */
function sender({ end: { exit, cause }, processOne, cpuMs, limits: { cpuSeconds, fileBytes } }: Evidence): string {
  if (cause === 'caller') return ', sent by the caller';
  if (cause === 'health') return ' because it was unhealthy';
  if (cause === 'owner') return ' because its owner ended';
  const atCpu = (seconds: number): boolean => cpuMs >= seconds * 1000 * CPU_SAMPLING;
  const limit = exit.value === SIGXCPU ? cpuSeconds?.soft : exit.value === SIGKILL ? cpuSeconds?.hard : undefined;
  if (limit !== undefined && atCpu(limit)) return `: it used the ${amount(limit, 's')} of CPU time that ulimit cpu gives a process`;
  if (exit.value === SIGXFSZ && fileBytes !== null)
    return `: it wrote past the ${amount(fileBytes, 'bytes')} that ulimit fsize gives a file`;
  return exit.value === SIGKILL && processOne ? ' from outside' : '';
}

/**
 * The kernel holds a process to RLIMIT_CPU by counting the ticks that find the process running, and tells exact times at the end. What counts as
 * 1 s is 0.85 s on a busy machine, and less where neighbours wake at the ticks. A program that others send such a signal has mostly used far less.
 */
const CPU_SAMPLING = 0.5;

/** What happened to the program's processes without ending the program. */
function meanwhile({ forksRefused, oomKillsOfParent, limits: { pids } }: Evidence): string {
  if (forksRefused === 0 && oomKillsOfParent === 0) return '';
  const limit = pids === null ? 'a limit of processes' : `its limit of ${amount(pids, 'processes')}`;
  return [
    forksRefused > 0 ? `; ${limit} refused ${counted(forksRefused, 'fork', 'forks')}` : '',
    oomKillsOfParent > 0
      ? `; the kernel killed ${counted(oomKillsOfParent, 'process', 'processes')} of its group because a parent group was out of memory`
      : '',
  ].join('');
}

function overflowed({ overflow }: Evidence): { status: Status; reason: string } {
  const { stream, maxBuffer } = overflow ?? { stream: 'an output', maxBuffer: 0 };
  return { status: 'output-limit', reason: `wrote more than ${amount(maxBuffer, 'bytes')} to ${stream}` };
}

function outOfMemory({ oomKills, limits: { memory } }: Evidence): string {
  const killed = `the kernel killed ${counted(oomKills, 'process', 'processes')} of its group`;
  return `out of memory: ${killed}${memory === null ? '' : ` at the limit of ${amount(memory, 'bytes')}`}`;
}

function counted(count: number, one: string, many: string): string {
  return count === 1 ? `a ${one}` : amount(count, many);
}

function amount(value: number | null, unit: string): string {
  return value === null ? 'its limit' : `${value.toLocaleString('en-US')} ${unit}`;
}

/** Usage from what the shim tells of the processes, made better by what the container's groups counted. */
export function usageOf(process: TaskEnd['usage'], group: Partial<Usage> = {}): Usage {
  return {
    cpuTimeMs: process.userMs + process.systemMs,
    userMs: process.userMs,
    systemMs: process.systemMs,
    memoryPeak: null,
    memoryCurrent: null,
    pidsPeak: null,
    ioReadBytes: null,
    ioWriteBytes: null,
    voluntarySwitches: process.voluntarySwitches,
    involuntarySwitches: process.involuntarySwitches,
    throttledPeriods: 0,
    throttledMs: 0,
    oomKills: 0,
    pressure: null,
    network: null,
    ...group,
  };
}

/** When the program ran. `durationMs` is measured on the monotonic clock, which nobody can set. */
export function times(end: Pick<TaskEnd, 'startedAtMs' | 'startedMs' | 'endedMs'>): Pick<RunResult, 'startedAt' | 'durationMs'> {
  return { startedAt: new Date(end.startedAtMs), durationMs: end.endedMs - end.startedMs };
}
