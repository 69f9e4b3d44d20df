import { NacelleError } from '../errors.js';
import type { Encoding, Output, RunResult, Status, Usage } from './types.js';

const TAIL = 2000;

/** With `reject: true`: a program failed. Has all fields of its RunResult; `code` is `ERR_RUN_FAILED`. */
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
  declare readonly startedAt: Date;
  declare readonly durationMs: number;
  declare readonly setupMs: number;
  declare readonly usage: Usage;
  declare readonly notEnforced: { feature: string; reason: string }[];

  constructor(result: RunResult<E>) {
    super(messageOf(result), { code: 'ERR_RUN_FAILED' });
    Object.assign(this, result);
  }
}

/** The command, why it failed, and the end of what it wrote to stderr. */
function messageOf(result: RunResult<Encoding>): string {
  const stderr = typeof result.stderr === 'string' ? result.stderr.trimEnd() : '';
  const tail = stderr.length > TAIL ? `…${stderr.slice(-TAIL)}` : stderr;
  return `run ${result.command.join(' ')}: ${result.reason}${tail ? `\n${tail}` : ''}`;
}
