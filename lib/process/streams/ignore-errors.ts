import type { Readable, Writable } from 'node:stream';

const ignore = (): void => undefined;

/** What fails from now on is nobody's business, and an error that nobody hears would end Node. Once, however often a stream is used. */
export function ignoreErrors(stream: Readable | Writable): void {
  stream.off('error', ignore);
  stream.on('error', ignore);
}
