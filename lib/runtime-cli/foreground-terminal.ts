import type { Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { Deferred } from '../native/deferred.js';
import type { TerminalSize } from '../process/options/process-types.js';
import { Terminal } from '../process/streams/terminal.js';
import { connectTerminal } from '../process/terminal/connect-terminal.js';
import { enterRawMode } from '../process/terminal/raw-mode.js';
import { callerTerminal } from './caller/caller-terminal.js';
import { usageError } from './config/runtime-error.js';

/**
 * Refuses a terminal in the foreground where the caller has none that it could be shown at.
 *
 * @param hasOwnStreams the command is done by the process that was called, and not by a planner that has other streams
 * @throws NacelleError
 */
export function requireOwnTerminal(hasOwnStreams: boolean): void {
  const own = hasOwnStreams ? callerTerminal() : null;
  if (own === null) throw usageError('cannot allocate tty: the runtime has no terminal');
  own.close();
}

/** The size of the caller's terminal: that of its output, which may be another one than that of its input. */
export function ownSize(): TerminalSize {
  // of a stream that is no terminal Node has no size
  const { columns, rows }: { readonly columns?: number; readonly rows?: number } = process.stdout;
  if (columns !== undefined && rows !== undefined) return { columns, rows };
  const own = callerTerminal();
  try {
    return own?.size() ?? { columns: 0, rows: 0 };
  } finally {
    own?.close();
  }
}

/** A program's terminal that is shown at the caller's own, which is in raw mode meanwhile. */
export interface ShownTerminal {
  /** Shows what is left, when the program has ended, and gives the caller's terminal back. @throws what the caller's streams fail with */
  end(): Promise<void>;
}

/**
 * Copies between the caller's terminal and a program's until the program has ended: what is typed goes there as it is, and a change of size too.
 *
 * @param master the program's terminal, which is closed at the end
 * @param pid of the program
 */
export function showTerminal(master: number, pid: number): ShownTerminal {
  const terminal = new Terminal();
  terminal.connect(master);
  const resize = async (size: { columns: number; rows: number }): Promise<void> => void terminal.resize(size);
  const target = { pid, stdin: terminal.input, stdout: terminal.output, resize };
  // no keys end it: what is typed is the program's
  const shown = isatty(0) ? connectTerminal(target, { detachKeys: '' }) : copyStreams(target);
  const connected = shown.then(
    () => null,
    (error: unknown) => ({ error }),
  );
  return {
    end: async () => {
      terminal.output.drain();
      const failed = await connected;
      terminal.close();
      if (failed !== null) throw failed.error;
    },
  };
}

/** A program's terminal, and what gives it a size. */
interface CopiedTerminal {
  readonly stdin: Writable;
  readonly stdout: Readable;
  resize(size: TerminalSize): Promise<void>;
}

/**
 * Does what {@link connectTerminal} does, where standard input is no terminal: what comes there is typed, what is written goes to standard output, and the caller's
 * terminal, wherever it is, is raw meanwhile. The end of standard input is not that of what is typed, as with runc.
 *
 * @throws what the caller's streams fail with: the program goes on, and what it writes is dropped
 */
async function copyStreams({ stdin, stdout, resize }: CopiedTerminal): Promise<void> {
  const own = callerTerminal();
  const restore = own === null ? () => undefined : enterRawMode(own.fd);
  // a size that the program can't get any more does not matter
  const follow = (): void => void resize(ownSize()).catch(() => undefined);
  process.on('SIGWINCH', follow);
  const over = new Deferred<void>();
  const callers: readonly (Readable | Writable)[] = [process.stdin, process.stdout];
  for (const stream of [...callers, stdout]) stream.on('error', over.reject);
  try {
    stdout.on('close', over.resolve).on('end', over.resolve).pipe(process.stdout, { end: false });
    process.stdin.pipe(stdin, { end: false });
    await over.promise;
  } finally {
    process.off('SIGWINCH', follow);
    for (const stream of callers) stream.off('error', over.reject);
    stdout.unpipe(process.stdout);
    stdout.resume();
    process.stdin.unpipe(stdin);
    process.stdin.destroy();
    restore();
    own?.close();
  }
}
