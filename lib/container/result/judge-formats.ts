import type { Encoding, Output, RunResult } from '../../process/options/process-types.js';

/** The keys of isolate's `--meta` file (isolate(1)); those that say nothing are absent, as there. */
export interface IsolateMeta {
  /** Seconds of CPU time. */
  time: number;
  /** Seconds of wall clock. */
  'time-wall': number;
  /** Peak memory of the group, KiB. */
  'cg-mem'?: number;
  'cg-oom-killed'?: 1;
  'csw-voluntary': number;
  'csw-forced': number;
  exitcode?: number;
  exitsig?: number;
  /** Killed for a limit or by a cancel. */
  killed?: 1;
  /** RE: nonzero exit. SG: signal. TO: either clock. */
  status?: 'RE' | 'SG' | 'TO';
  message?: string;
}

const KILLED: readonly string[] = ['cpu-time-limit', 'timeout', 'output-limit', 'canceled'];

/** A result in the words of isolate's `--meta`, for graders that read them. */
export function toIsolateMeta(result: RunResult<Encoding>): IsolateMeta {
  const { usage, exitCode, signalNumber } = result;
  const status = result.timedOut ? 'TO' : signalNumber !== null ? 'SG' : exitCode !== 0 ? 'RE' : null;
  return {
    time: usage.cpuTimeMs / 1000,
    'time-wall': result.durationMs / 1000,
    ...(usage.memoryPeak === null ? {} : { 'cg-mem': Math.ceil(usage.memoryPeak / 1024) }),
    ...(result.oomKilled ? { 'cg-oom-killed': 1 } : {}),
    'csw-voluntary': usage.voluntarySwitches,
    'csw-forced': usage.involuntarySwitches,
    ...(exitCode === null ? {} : { exitcode: exitCode }),
    ...(signalNumber === null ? {} : { exitsig: signalNumber }),
    ...(KILLED.includes(result.status) ? { killed: 1 } : {}),
    ...(status ? { status } : {}),
    ...(result.failed ? { message: result.reason } : {}),
  };
}

/** A result as go-judge's REST interface gives it. */
export interface GoJudgeResult<E extends Encoding = 'utf8'> {
  status:
    | 'Accepted'
    | 'Memory Limit Exceeded'
    | 'Time Limit Exceeded'
    | 'Output Limit Exceeded'
    | 'Nonzero Exit Status'
    | 'Signalled'
    | 'Dangerous Syscall';
  /** The exit code, or the number of the signal. */
  exitStatus: number;
  /** CPU time, ns. */
  time: number;
  /** Wall clock, ns. */
  runTime: number;
  /** Peak, bytes; 0 where the kernel can't tell. */
  memory: number;
  procPeak?: number;
  files: { stdout: Output<E>; stderr: Output<E> };
  error?: string;
}

const GO_JUDGE = {
  ok: 'Accepted',
  'nonzero-exit': 'Nonzero Exit Status',
  signalled: 'Signalled',
  'cpu-time-limit': 'Time Limit Exceeded',
  timeout: 'Time Limit Exceeded',
  'memory-limit': 'Memory Limit Exceeded',
  'output-limit': 'Output Limit Exceeded',
  'syscall-violation': 'Dangerous Syscall',
  canceled: 'Signalled',
} as const satisfies Record<RunResult['status'], GoJudgeResult['status']>;

const NS_PER_MS = 1e6;

/** A result with go-judge's names of statuses and fields. */
export function toGoJudgeResult<E extends Encoding>(result: RunResult<E>): GoJudgeResult<E> {
  return {
    status: GO_JUDGE[result.status],
    exitStatus: result.exitCode ?? result.signalNumber ?? 0,
    time: Math.round(result.usage.cpuTimeMs * NS_PER_MS),
    runTime: Math.round(result.durationMs * NS_PER_MS),
    memory: result.usage.memoryPeak ?? 0,
    ...(result.usage.pidsPeak === null ? {} : { procPeak: result.usage.pidsPeak }),
    files: { stdout: result.stdout, stderr: result.stderr },
    ...(result.failed ? { error: result.reason } : {}),
  };
}
