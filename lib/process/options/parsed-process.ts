import { constants } from 'node:buffer';
import type { Complaints } from '../../options/check-limits.js';
import type { ParsedProcess, StdioItem } from './checked-process.js';
import type { CheckedProcess } from './process-fields.js';
import type { TerminalSize } from './process-types.js';
import { SIGKILL } from './signals.js';

/** How long a tree may go on after another signal than SIGKILL, ms, where no option says it. */
export const FORCE_KILL_AFTER = 1000;

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };

/** Options of a process that can't go together. */
export function checkProcess(options: CheckedProcess, context: Complaints): void {
  const wrong = (option: keyof CheckedProcess, message: string): void => context.addIssue({ code: 'custom', path: [option], message });
  if (options.input !== undefined && options.stdin !== undefined && options.stdin[0]?.type !== 'pipe') {
    wrong('input', "can't go with stdin other than 'pipe': it is written to the pipe");
  }
  if (options.tty) {
    if (options.stderr !== undefined) wrong('stderr', "can't go with tty: a terminal is one stream, and stdout has all of it");
    if (options.stdin?.[0]?.type === 'fd') wrong('stdin', "can't be a descriptor with tty: give a stream");
  }
  const isText = options.encoding !== 'buffer' && options.buffer !== false;
  if (options.maxBuffer !== undefined && options.maxBuffer > constants.MAX_STRING_LENGTH && isText) {
    wrong('maxBuffer', `must be at most ${constants.MAX_STRING_LENGTH} bytes of text: a string holds no more. Use encoding 'buffer'`);
  }
}

/** Fills in the defaults. The options must have been checked. */
export function normaliseProcess(options: CheckedProcess, { pipesOnly = false }: { pipesOnly?: boolean } = {}): ParsedProcess {
  const pipe: readonly StdioItem[] = [{ type: 'pipe' }];
  const ignore: readonly StdioItem[] = [{ type: 'ignore' }];
  const tty = options.tty === true ? DEFAULT_SIZE : options.tty || null;
  return {
    env: options.env ?? {},
    extendEnv: options.extendEnv ?? false,
    cwd: options.cwd ?? null,
    user: options.user ?? null,
    groupAdd: options.groupAdd ?? null,
    umask: options.umask ?? 0o022,
    pipesOnly,
    stdin: options.stdin ?? (options.input === undefined && tty === null ? ignore : pipe),
    stdout: options.stdout ?? pipe,
    stderr: options.stderr ?? (tty === null ? pipe : ignore),
    tty,
    encoding: options.encoding ?? 'utf8',
    buffer: options.buffer ?? true,
    timeout: options.timeout || null,
    cpuTimeLimit: options.cpuTimeLimit || null,
    killSignal: options.killSignal ?? SIGKILL,
    forceKillAfterDelay: options.forceKillAfterDelay ?? FORCE_KILL_AFTER,
    input: options.input ?? null,
    // output that is not kept needs no limit, so it has one only when the caller asks for it
    maxBuffer: options.maxBuffer ?? (options.buffer === false ? null : 100 * 1024 ** 2),
    cancelSignal: options.cancelSignal ?? null,
    reject: options.reject ?? false,
  };
}
