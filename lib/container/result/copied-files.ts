import { constants } from 'node:os';
import { errnoName, errnoWords } from '../../native/system-errors.js';
import type { RunResult } from '../../process/options/process-types.js';

/** What came out of a container, and what did not. */
export type CopiedOut = Pick<RunResult, 'files' | 'notCopied'>;

const DONE = 0;
const FILE = 1;
const { EFBIG } = constants.errno;
const SAME_NAME = 'another file has this name when both are read as UTF-8';

/**
 * Reads the records of addon/shim/steps/copy_out.h.
 *
 * @param failure why the records end before the last path; `null` when they don't
 */
export function readCopied(bytes: Buffer, paths: readonly string[], { max, failure }: { max: number; failure: string | null }): CopiedOut {
  const files = new Map<string, { name: Buffer; content: Uint8Array }>();
  const refused = new Map<string, string>();
  const reader = new Records(bytes);
  let done = 0;
  while (done < paths.length) {
    const record = reader.next();
    if (record === null) break;
    if (record === DONE) {
      done++;
      continue;
    }
    const path = record.name.toString();
    const other = files.get(path)?.name;
    if (record.kind === FILE && record.error === 0 && (other?.equals(record.name) ?? true)) files.set(path, record);
    // when two of the paths lead to the same file, one entry is enough
    else if (!other?.equals(record.name)) refused.set(path, other ? SAME_NAME : reasonOf(record, max));
  }
  for (const path of paths.slice(done).filter((path) => !files.has(path)))
    refused.set(path, failure ?? 'the process that read it said nothing of it');
  return {
    files: Object.fromEntries([...files].map(([path, { content }]) => [path, content])),
    notCopied: [...refused].map(([path, reason]) => ({ path, reason })),
  };
}

function reasonOf({ error, words }: FileRecord | RefusedRecord, max: number): string {
  if (error === 0) return words;
  if (error !== EFBIG) return `${errnoName(error)} (${errnoWords(error)})`;
  const limit = `copyOutMax, ${max.toLocaleString('en-US')} bytes`;
  return words === ''
    ? `there is more than ${limit}`
    : `it has ${Number(words).toLocaleString('en-US')} bytes, more than is left of ${limit}`;
}

interface FileRecord {
  readonly kind: 1;
  readonly name: Buffer;
  readonly content: Uint8Array;
  readonly error: number;
  readonly words: '';
}

interface RefusedRecord {
  readonly kind: 2;
  readonly name: Buffer;
  readonly error: number;
  readonly words: string;
}

/** One record after the other; `null` at the end, and where the last one is cut off. */
class Records {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): 0 | FileRecord | RefusedRecord | null {
    const kind = this.#take(1)?.readUInt8();
    if (kind === undefined) return null;
    if (kind === DONE) return DONE;
    const name = this.#sized();
    if (name === null) return null;
    return kind === FILE ? this.#file(name) : this.#refused(name);
  }

  #file(name: Buffer): FileRecord | null {
    const size = this.#take(8)?.readBigUInt64LE();
    const content = size === undefined ? null : this.#take(Number(size));
    const error = content === null ? undefined : this.#take(4)?.readInt32LE();
    return content === null || error === undefined ? null : { kind: FILE, name, content, error, words: '' };
  }

  #refused(name: Buffer): RefusedRecord | null {
    const error = this.#take(4)?.readInt32LE();
    const words = error === undefined ? null : this.#sized();
    return error === undefined || words === null ? null : { kind: 2, name, error, words: words.toString() };
  }

  #sized(): Buffer | null {
    const size = this.#take(4)?.readUInt32LE();
    return size === undefined ? null : this.#take(size);
  }

  #take(size: number): Buffer | null {
    const end = this.#at + size;
    if (end > this.#bytes.length) return null;
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}
