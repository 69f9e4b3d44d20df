import type { Readable, Writable } from 'node:stream';
import { types } from 'node:util';
import type { ParsedProcess } from '../options/process-options.js';

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

/** Node's own outputs are never ended. */
export function isStandard(stream: Writable): boolean {
  return stream === process.stdout || stream === process.stderr;
}
