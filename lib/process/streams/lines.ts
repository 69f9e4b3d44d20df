import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { NacelleError, toError } from '../../errors.js';

/** The longest line, in characters: a program that never ends its line must not fill Node's memory. */
const LONGEST = 100 * 1024 ** 2;

/**
 * The lines of streams while they come, of several in the order in which they come. The streams are destroyed when the loop is left.
 *
 * @throws NacelleError `ERR_LINE_TOO_LONG`; what a stream fails with
 */
export function linesOf(streams: readonly Readable[]): AsyncGenerator<string, void, undefined> {
  const [first, ...others] = streams;
  return first && others.length === 0 ? linesIn(first) : merged(streams);
}

async function* linesIn(stream: Readable): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder('utf8');
  let pieces: string[] = [];
  let length = 0;
  const keep = (piece: string): void => {
    pieces.push(piece);
    length += piece.length;
    if (length > LONGEST) {
      throw new NacelleError(`read the lines of a program: one has more than ${LONGEST.toLocaleString('en-US')} characters`, {
        code: 'ERR_LINE_TOO_LONG',
      });
    }
  };
  const take = (last: string): string => {
    keep(last);
    const line = pieces.join('');
    pieces = [];
    length = 0;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  };
  for await (const chunk of stream) {
    const parts = decoder.write(chunk).split('\n');
    const rest = parts.pop() ?? '';
    for (const part of parts) yield take(part);
    if (rest !== '') keep(rest);
  }
  const rest = take(decoder.end());
  if (rest !== '') yield rest;
}

async function* merged(streams: readonly Readable[]): AsyncGenerator<string, void, undefined> {
  const all = new PassThrough({ objectMode: true });
  const copy = async (stream: Readable): Promise<void> => {
    for await (const line of linesIn(stream)) if (!all.write(line)) await once(all, 'drain');
  };
  Promise.all(streams.map(copy)).then(
    () => all.end(),
    (error: unknown) => all.destroy(toError(error)),
  );
  try {
    yield* all;
  } finally {
    for (const stream of streams) stream.destroy();
  }
}
