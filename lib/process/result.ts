import type { TaskEnd } from '../native/task.js';
import { describeSignal, SIGKILL, SIGSYS, signalName } from './signals.js';
import type { RunResult, Status, Usage } from './types.js';

/** What is known of a program's end, beside what the shim tells. */
export interface Evidence {
  readonly end: Pick<TaskEnd, 'exit' | 'cause'>;
  /** Processes of its own group that the kernel killed for want of memory, since the start. */
  readonly oomKills: number;
  /** A group above it, or the machine, ran out of memory meanwhile. */
  readonly oomInParent: boolean;
  /** The stream that went past `maxBuffer`. */
  readonly overflow: 'stdout' | 'stderr' | null;
  /** The program was process 1 of a pid namespace: it can't have sent itself SIGKILL. */
  readonly processOne: boolean;
  /** The limits it ran with: for the words. */
  readonly timeoutMs: number | null;
  readonly cpuTimeLimitMs: number | null;
  readonly memoryBytes: number | null;
  readonly maxBuffer: number;
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
  const { exit, cause } = evidence.end;
  const signalled = exit.kind === 'signalled';
  const oomInParent = evidence.oomInParent && signalled && exit.value === SIGKILL && cause === 'none';
  const { status, reason } = firstCause(evidence, oomInParent);
  return {
    status,
    reason,
    exitCode: signalled ? null : exit.value,
    signal: signalled ? signalName(exit.value) : null,
    signalNumber: signalled ? exit.value : null,
    failed: status !== 'ok',
    timedOut: status === 'time-limit' || status === 'wall-time-limit',
    oomKilled: evidence.oomKills > 0 || oomInParent,
    isCanceled: status === 'cancelled',
    isMaxBuffer: evidence.overflow !== null,
  };
}

function firstCause(evidence: Evidence, oomInParent: boolean): { status: Status; reason: string } {
  const { exit, cause } = evidence.end;
  // What we killed it for was the first cause: the shim keeps the first, and none after the program's end.
  switch (cause) {
    case 'wall-time':
      return { status: 'wall-time-limit', reason: `killed after ${amount(evidence.timeoutMs, 'ms')} of wall time` };
    case 'cpu-time':
      return { status: 'time-limit', reason: `killed after ${amount(evidence.cpuTimeLimitMs, 'ms')} of CPU time` };
    case 'output':
      return overflowed(evidence);
    case 'cancel':
      return { status: 'cancelled', reason: 'killed because cancelSignal was aborted' };
    default:
  }
  if (evidence.oomKills > 0) return { status: 'memory-limit', reason: outOfMemory(evidence) };
  if (oomInParent) return { status: 'memory-limit', reason: 'out of memory in a parent group' };
  // It ended by itself before the kill for its output came.
  if (evidence.overflow) return overflowed(evidence);
  if (exit.kind === 'exited') {
    return exit.value === 0 ? { status: 'ok', reason: 'exited with 0' } : { status: 'nonzero-exit', reason: `exited with ${exit.value}` };
  }
  if (exit.value === SIGSYS && cause === 'none') {
    return { status: 'syscall-violation', reason: 'killed by SIGSYS: it made a system call that its filter forbids' };
  }
  return { status: 'signalled', reason: `killed by ${describeSignal(exit.value)}${sender(evidence)}` };
}

function sender({ end: { exit, cause }, processOne }: Evidence): string {
  if (cause === 'caller') return ', sent by the caller';
  if (cause === 'owner') return ' because its owner ended';
  return exit.value === SIGKILL && processOne ? ' from outside' : '';
}

function overflowed({ overflow, maxBuffer }: Evidence): { status: Status; reason: string } {
  return { status: 'output-limit', reason: `wrote more than ${amount(maxBuffer, 'bytes')} to ${overflow ?? 'an output'}` };
}

function outOfMemory({ oomKills, memoryBytes }: Evidence): string {
  const killed = `the kernel killed ${oomKills === 1 ? 'a process' : `${oomKills} processes`} of its group`;
  return `out of memory: ${killed}${memoryBytes === null ? '' : ` at the limit of ${amount(memoryBytes, 'bytes')}`}`;
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
    ...group,
  };
}

/** When it ran: `durationMs` on a clock that nobody sets. */
export function times(end: Pick<TaskEnd, 'startedAtMs' | 'startedMs' | 'endedMs'>): Pick<RunResult, 'startedAt' | 'durationMs'> {
  return { startedAt: new Date(end.startedAtMs), durationMs: end.endedMs - end.startedMs };
}
