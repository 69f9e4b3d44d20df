import type { Readable, Writable } from 'node:stream';

const ignore = (): void => undefined;

/**
 * Ignores the stream's later errors: an 'error' event that nobody listens to would end Node. A stream gets this listener only once, however
 * often it is used.
 */
export function ignoreErrors(stream: Readable | Writable): void {
  stream.off('error', ignore);
  stream.on('error', ignore);
}
