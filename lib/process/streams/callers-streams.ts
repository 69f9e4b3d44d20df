import type { Readable, Writable } from 'node:stream';
import { types } from 'node:util';
import type { ParsedProcess } from '../options/process-options.js';
import { ignoreErrors } from './ignore-errors.js';

type Options = Pick<ParsedProcess, 'stdin' | 'stdout' | 'stderr' | 'input'>;

/** The stream or bytes that go to stdin by way of Node. */
export function sourceOf({ stdin: [item], input }: Options): ParsedProcess['input'] {
  return item?.type === 'source' ? item.stream : input;
}

/** The caller's streams; Node's own stdout and stderr are not among them. */
export function callersStreams(options: Options): (Readable | Writable)[] {
  const source = sourceOf(options);
  const sinks = [...options.stdout, ...options.stderr].flatMap((item) =>
    item.type === 'sink' && !isStandard(item.stream) ? [item.stream] : [],
  );
  return [...(isStream(source) ? [source] : []), ...new Set(sinks)];
}

/** Whether the input is a stream, Node's own or a similar one: minipass and streamx have classes of their own. */
export function isStream(input: ParsedProcess['input']): input is Readable {
  return typeof input === 'object' && input !== null && !types.isUint8Array(input);
}

/**
 * Gives a program its input, which is ended after it.
 *
 * @param onClose a listener of the stream that is the input
 */
export function feed(stdin: Writable, source: NonNullable<ParsedProcess['input']>, onClose: () => void): void {
  if (!isStream(source)) {
    stdin.end(source);
    return;
  }
  // a source that was destroyed never ends; the program would wait for more
  if (source.destroyed) {
    stdin.end();
    return;
  }
  source.pipe(stdin);
  source.on('close', onClose);
  // the source may also fail when the program has ended
  ignoreErrors(source);
}

/** Node's own outputs are never ended. */
export function isStandard(stream: Writable): boolean {
  return stream === process.stdout || stream === process.stderr;
}
