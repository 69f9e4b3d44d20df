import { closeSync, constants, openSync } from 'node:fs';
import { isatty, WriteStream } from 'node:tty';
import { hasCode } from '../../errors.js';
import type { TerminalSize } from '../../process/options/process-types.js';

/** The terminal of whoever calls the runtime. */
export interface CallerTerminal {
  readonly fd: number;
  size(): TerminalSize;
  close(): void;
}

/**
 * The caller's terminal: that of its standard streams, or the one that controls its session though all streams lead elsewhere (tty(4)), as runc looks for it;
 * `null`: it has none.
 */
export function callerTerminal(): CallerTerminal | null {
  // where keys are typed first; of the others that of standard error, as runc has it
  const [own] = [0, 2, 1].filter((fd) => isatty(fd));
  const opened = own === undefined ? controllingTerminal() : null;
  const fd = own ?? opened;
  if (fd === null) return null;
  return { fd, size: () => sizeOf(fd), close: () => opened !== null && closeSync(opened) };
}

function controllingTerminal(): number | null {
  try {
    return openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, 'ENXIO', 'ENOENT', 'EACCES', 'EIO')) return null;
    throw error;
  }
}

function sizeOf(fd: number): TerminalSize {
  if (fd === 1 || fd === 2) return windowOf(fd === 1 ? process.stdout : process.stderr);
  // Node opens the terminal anew for it
  const stream = new WriteStream(fd);
  try {
    return windowOf(stream);
  } finally {
    stream.destroy();
  }
}

function windowOf(stream: Pick<WriteStream, 'getWindowSize'>): TerminalSize {
  const [columns, rows] = stream.getWindowSize();
  return { columns, rows };
}
