/** A piece of what a program wrote, as it is in a segment. */
export interface RawRecord {
  /** ms since the epoch. */
  readonly atMs: number;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
  /** Bytes that came before this piece and could not be kept, as when the disk was full. */
  readonly lost: number;
}

const HEADER = 24;
/** Bytes of data: what the log reads at once. */
const MOST = 64 * 1024;

/**
 * Takes the records off the front of a segment's bytes; addon/shim/modes/log.h draws them. A record that is cut off is left, for its rest may
 * come. `damaged`: what follows can't be a record.
 */
export function parseRecords(bytes: Buffer): { readonly records: readonly RawRecord[]; readonly used: number; readonly damaged: boolean } {
  const records: RawRecord[] = [];
  let used = 0;
  while (bytes.length - used >= HEADER) {
    const size = bytes.readUInt32LE(used + 16);
    const stream = streamOf(bytes.readUInt32LE(used + 20));
    if (stream === null || size > MOST) return { records, used, damaged: true };
    const end = used + HEADER + size;
    if (end > bytes.length) break;
    records.push({
      atMs: Number(bytes.readBigUInt64LE(used) / 1_000_000n),
      stream,
      data: bytes.subarray(used + HEADER, end),
      lost: Number(bytes.readBigUInt64LE(used + 8)),
    });
    used = end;
  }
  return { records, used, damaged: false };
}

function streamOf(number: number): RawRecord['stream'] | null {
  if (number === 1) return 'stdout';
  return number === 2 ? 'stderr' : null;
}
