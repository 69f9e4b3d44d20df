import { NacelleError } from '../errors.js';
import type { Encoding, Output, RunResult, Status, Usage } from './options/process-types.js';

const TAIL = 2000;

/**
 * With `reject: true`: a program failed; `code` is `ERR_RUN_FAILED`. With or without it: a stream or file that the caller gave for one of
 * the program's streams failed, and `cause` tells why; `code` is `ERR_STREAM`, and the program was killed. The error has all fields of the
 * RunResult.
 */
export class ContainerRunError<E extends Encoding = Encoding> extends NacelleError implements RunResult<E> {
  override readonly name = 'ContainerRunError';
  declare readonly id: string;
  declare readonly command: string[];
  declare readonly status: Status;
  declare readonly reason: string;
  declare readonly exitCode: number | null;
  declare readonly signal: NodeJS.Signals | null;
  declare readonly signalNumber: number | null;
  declare readonly failed: boolean;
  declare readonly timedOut: boolean;
  declare readonly oomKilled: boolean;
  declare readonly isCanceled: boolean;
  declare readonly isMaxBuffer: boolean;
  declare readonly stdout: Output<E>;
  declare readonly stderr: Output<E>;
  declare readonly files: Record<string, Uint8Array>;
  declare readonly notCopied: { path: string; reason: string }[];
  declare readonly startedAt: Date;
  declare readonly durationMs: number;
  declare readonly setupMs: number;
  declare readonly usage: Usage;
  declare readonly notEnforced: { feature: string; reason: string }[];

  constructor(result: RunResult<E>, streamFailure?: { cause: Error; cleanupError?: Error }) {
    super(messageOf(result, streamFailure?.cause), { code: streamFailure ? 'ERR_STREAM' : 'ERR_RUN_FAILED', ...streamFailure });
    Object.assign(this, result);
  }
}

/** The command, why it failed, and the end of what it wrote to stderr. */
function messageOf(result: RunResult<Encoding>, streamError?: Error): string[] {
  const stderr = typeof result.stderr === 'string' ? result.stderr.trimEnd() : '';
  const tail = stderr.length > TAIL ? `…${stderr.slice(-TAIL)}` : stderr;
  const why = streamError ? `one of its streams failed: ${streamError.message}` : result.reason;
  return [`run ${result.command.join(' ')}: ${why}`, ...(tail ? tail.split('\n') : [])];
}
