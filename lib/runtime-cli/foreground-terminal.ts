import { isatty } from 'node:tty';
import { Terminal } from '../process/streams/terminal.js';
import { connectTerminal } from '../process/terminal/connect-terminal.js';
import { usageError } from './config/runtime-error.js';

/**
 * Refuses a terminal in the foreground where the caller has none that it could be shown at.
 *
 * @param hasOwnStreams the command is done by the process that was called, and not by a planner that has other streams
 * @throws NacelleError
 */
export function requireOwnTerminal(hasOwnStreams: boolean): void {
  if (!hasOwnStreams || !isatty(0)) throw usageError('cannot allocate tty: standard input of the runtime is no terminal');
}

/** The size of the caller's terminal; 0 × 0 where its standard output is none. */
export function ownSize(): { readonly columns: number; readonly rows: number } {
  // of a stream that is no terminal Node has no size
  const { columns = 0, rows = 0 }: { readonly columns?: number; readonly rows?: number } = process.stdout;
  return { columns, rows };
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
  const connected = connectTerminal(target, { detachKeys: '' }).then(
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
