import { StringDecoder } from 'node:string_decoder';
import * as z from 'zod';
import { date } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import type { Encoding } from '../../process/options/process-types.js';
import type { LogOptions, LogRecord } from '../options/log-types.js';
import type { RawRecord } from './log-records.js';
import { type LogPosition, logEnd, readSegments } from './log-segments.js';

const schema = z.strictObject({
  since: date.optional(),
  tail: z.int().min(0).optional(),
  follow: z.boolean().optional(),
  stream: z.enum(['stdout', 'stderr']).optional(),
});

export type ParsedLogOptions = z.output<typeof schema>;

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseLogOptions(options: LogOptions): ParsedLogOptions {
  return parseOptions(schema, options, 'options');
}

/** The records of a detached container's log that are asked for. */
export function readLogs(
  folder: string,
  options: ParsedLogOptions,
  { ended, encoding }: { ended: Promise<unknown>; encoding: Encoding },
): AsyncGenerator<LogRecord, void, undefined> {
  return decoded(rawLogs(folder, options, ended), encoding);
}

async function* rawLogs(folder: string, options: ParsedLogOptions, ended: Promise<unknown>): AsyncGenerator<RawRecord, void, undefined> {
  const { tail, follow = false } = options;
  const isWanted = wanted(options);
  let from: LogPosition = { segment: 0, bytes: 0 };
  if (tail !== undefined) {
    // what comes while the end is looked for is taken by whoever follows
    from = await logEnd(folder);
    const before: RawRecord[] = [];
    for await (const record of readSegments(folder, { to: from })) if (isWanted(record)) before.push(record);
    yield* lastLines(before, tail);
    if (!follow) return;
  }
  const until = follow ? ended : undefined;
  for await (const record of readSegments(folder, { from, ...(until ? { until } : {}) })) if (isWanted(record)) yield record;
}

/** Whether a record is asked for, whatever its place. */
export function wanted({ since, stream }: ParsedLogOptions): (record: RawRecord) => boolean {
  const sinceMs = since?.getTime() ?? 0;
  return (record) => (stream === undefined || record.stream === stream) && record.atMs >= sinceMs;
}

const NEWLINE = 10;

/** The end of the records that has so many lines; each stream's last line counts, whether it is ended or not. */
export function lastLines(records: readonly RawRecord[], lines: number): RawRecord[] {
  const kept: RawRecord[] = [];
  let left = lines;
  // the end of a line belongs to that line
  const isInLine = { stdout: false, stderr: false };
  for (const record of [...records].reverse()) {
    if (left === 0 && !isInLine.stdout && !isInLine.stderr) break;
    const { data, stream } = record;
    let start = data.length;
    for (; start > 0; start--) {
      const endsLine = data[start - 1] === NEWLINE;
      if (endsLine) isInLine[stream] = false;
      if (!isInLine[stream]) {
        if (left === 0) break;
        left--;
        isInLine[stream] = true;
      }
    }
    if (start < data.length) kept.push(start === 0 ? record : { ...record, data: data.subarray(start) });
  }
  return kept.reverse();
}

/** A character may lie across two records of a stream. Where the last one of a stream is cut off, one more record tells of that. */
export async function* decoded(records: AsyncIterable<RawRecord>, encoding: Encoding): AsyncGenerator<LogRecord, void, undefined> {
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  const last: { stdout?: Date; stderr?: Date } = {};
  for await (const { atMs, stream, data, lost } of records) {
    const at = new Date(atMs);
    last[stream] = at;
    yield { stream, at, data: encoding === 'utf8' ? decoders[stream].write(data) : Buffer.from(data), lost };
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const [at, rest] = [last[stream], decoders[stream].end()];
    if (at && rest !== '') yield { stream, at, data: rest, lost: 0 };
  }
}
