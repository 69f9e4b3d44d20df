import { Buffer } from 'node:buffer';
import { constants } from 'node:os';
import { watchDescriptor } from './load-addon.js';
import { nativeError } from './system-errors.js';

const READ_SIZE = 4096;

/** What comes through a pipe, as text. */
export interface HeardPipe {
  /** All of it, when nobody has the pipe open for writing any more, or {@link close} was called. */
  readonly text: Promise<string>;
  /** Hears nothing more. */
  close(): void;
}

/**
 * Reads a pipe in the event loop, without the modules of streams and of the network: to load these takes Node longer than a command of `nacelle-oci` that
 * waits for a few bytes should.
 *
 * @param fd the addon's (`binding().pipe`, `adoptDescriptor`), and closed here
 */
export function hearPipe(fd: number): HeardPipe {
  const bytes = Buffer.allocUnsafe(READ_SIZE);
  const parts: Buffer[] = [];
  let settle: (error?: Error) => void = () => undefined;
  const all = new Promise<string>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve(Buffer.concat(parts).toString()) : reject(error));
  });
  const pipe = watchDescriptor(fd, () => {
    const size = pipe.read(bytes);
    if (size > 0) parts.push(Buffer.from(bytes.subarray(0, size)));
    else if (size !== -constants.errno.EAGAIN) end(size < 0 ? nativeError('read a pipe', 'read', -size) : undefined);
  });
  function end(error?: Error): void {
    pipe.close();
    settle(error);
  }
  pipe.ref();
  pipe.watch(true, false);
  return { text: all, close: () => end() };
}
