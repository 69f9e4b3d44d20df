import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { toError } from '../../errors.js';
import { now } from '../../native/clock.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { Collected, ProgramStreams } from '../../process/streams/program-streams.js';
import type { LogRecord } from '../options/log-types.js';
import type { RawRecord } from './log-records.js';
import { decoded, lastLines, type ParsedLogOptions, wanted } from './read-logs.js';

const NAMES = ['stdout', 'stderr'] as const;

/**
 * The logs of a container that ends with this process: what is kept for its result, and with `follow` what comes until its end, or until the
 * promise has settled.
 */
export function keptLogs(
  streams: Pick<ProgramStreams, 'collected' | 'copies'>,
  options: ParsedLogOptions,
  { encoding, until }: { encoding: Encoding; until?: Promise<unknown> },
): AsyncGenerator<LogRecord, void, undefined> {
  return decoded(rawLogs(streams, options, until), encoding);
}

async function* rawLogs(
  streams: Pick<ProgramStreams, 'collected' | 'copies'>,
  options: ParsedLogOptions,
  until: Promise<unknown> | undefined,
): AsyncGenerator<RawRecord, void, undefined> {
  const { tail, follow = false } = options;
  const isWanted = wanted(options);
  const kept = keptRecords(streams.collected);
  // these begin at the beginning, as of now
  const copies = follow ? NAMES.map((name) => ({ name, copy: streams.copies(name)[0], seen: bytesOf(kept, name) })) : [];
  const asked = kept.filter(isWanted);
  yield* tail === undefined ? asked : lastLines(asked, tail);
  for await (const record of arriving(copies, until)) if (isWanted(record)) yield record;
}

function keptRecords({ stdout, stderr }: Collected): RawRecord[] {
  const records = NAMES.flatMap(
    (stream) =>
      (stream === 'stdout' ? stdout : stderr)
        ?.timedPieces()
        .map(({ data, atMs }) => ({ stream, atMs, data: Buffer.from(data), lost: 0 })) ?? [],
  );
  return records.sort((a, b) => a.atMs - b.atMs);
}

function bytesOf(records: readonly RawRecord[], name: RawRecord['stream']): number {
  return records.reduce((sum, { stream, data }) => (stream === name ? sum + data.length : sum), 0);
}

interface Following {
  readonly name: RawRecord['stream'];
  readonly copy: Readable | undefined;
  /** Bytes at the beginning that are known already. */
  readonly seen: number;
}

/** What streams bring, in the order in which it comes. Leaving the loop destroys them. */
async function* arriving(sources: readonly Following[], until?: Promise<unknown>): AsyncGenerator<RawRecord, void, undefined> {
  const all = new PassThrough({ objectMode: true });
  const take = async ({ name, copy, seen }: Following): Promise<void> => {
    let left = seen;
    for await (const chunk of copy ?? []) {
      const data: Buffer = chunk.subarray(Math.min(left, chunk.length));
      left -= chunk.length - data.length;
      // nobody reads any more
      if (all.writableEnded) return;
      if (data.length > 0 && !all.write({ stream: name, atMs: now(), data, lost: 0 })) await once(all, 'drain');
    }
  };
  Promise.all(sources.map(take)).then(
    () => all.end(),
    (error: unknown) => all.destroy(toError(error)),
  );
  until?.then(() => all.end());
  try {
    yield* all;
  } finally {
    for (const { copy } of sources) copy?.destroy();
  }
}
