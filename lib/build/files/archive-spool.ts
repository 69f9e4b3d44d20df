import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isNacelleError, NacelleError } from '../../errors.js';
import { compressionIn, decompression } from '../../image/formats/decompress.js';
import { DEFAULT_LIMITS } from '../../image/formats/default-limits.js';
import { Cap, mostBlobBytes, mostBytes } from '../../image/formats/unpack-limits.js';
import { wordsOf } from '../../native/system-errors.js';
import { letSourceGo } from '../../process/streams/held-source.js';
import { InstructionProblem } from '../language/build-error.js';
import { archiveEntries, isTarHeader } from './archive-entries.js';
import type { ArchiveEntry } from './archive-files.js';
import { decompressedBy, PROGRAM_MAGIC_BYTES, type ProgramCompression, programCompressionOf } from './confined-decoder.js';
import type { FileTree } from './file-tree.js';
import type { Warn } from './host-program.js';
import type { KnownBytes } from './known-bytes.js';
import { contentAt } from './layer-tar.js';
import { PlainFile, temporaryFile } from './temporary-file.js';

const HEADER = 512;

class NoArchive extends Error {}

/** Writes what comes into a file, once it is known to be a tar. */
class TarFile extends Writable {
  readonly #file: FileHandle;
  #start = Buffer.alloc(0);
  isTar = false;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#take(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    done(this.isTar ? null : new NoArchive());
  }

  async #take(chunk: Buffer): Promise<void> {
    if (this.isTar) return this.#file.writeFile(chunk);
    this.#start = Buffer.concat([this.#start, chunk]);
    if (this.#start.length < HEADER) return;
    if (!isTarHeader(this.#start.subarray(0, HEADER))) throw new NoArchive();
    this.isTar = true;
    await this.#file.writeFile(this.#start);
  }
}

export interface SpoolSource {
  readonly tree: FileTree;
  /** SHA-256 of files' bytes as they were before, by their paths. */
  readonly known: KnownBytes;
  readonly signal: AbortSignal | undefined;
}

/** Archives that are unpacked: without their compression, in files without a name, until they are closed. */
export class Spools {
  readonly #files: FileHandle[] = [];
  readonly #warn: Warn;

  /** @param warn as of `hostProgram`, which decompresses what nothing in Node does */
  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /**
   * What is in an archive, told by its content: a tar, as it is or compressed by gzip, bzip2, xz or zstd.
   *
   * @returns `null` for what is no archive
   * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; NacelleError `ERR_CHANGED`; UnsupportedError where xz or bzip2 is not installed
   */
  async entries(path: string, size: number, { tree, known, signal }: SpoolSource): Promise<readonly ArchiveEntry[] | null> {
    const file = await tree.open(path);
    try {
      return await this.#read(file, { path, size, what: `ADD of ${JSON.stringify(path)}`, expected: known.get(path), signal });
    } finally {
      await file.close();
    }
  }

  /** The same of a file that is open. @param what for errors */
  async entriesIn(file: FileHandle, size: number, what: string, signal: AbortSignal | undefined): Promise<readonly ArchiveEntry[] | null> {
    return this.#read(file, { path: what, size, what, expected: undefined, signal });
  }

  /**
   * What is in an archive that comes as a stream.
   *
   * @param what for errors
   * @returns `null` for what is no archive
   * @throws as `entries`, and what the stream fails with
   */
  async entriesOf(stream: Readable, what: string, signal: AbortSignal | undefined): Promise<readonly ArchiveEntry[] | null> {
    const file = await temporaryFile();
    try {
      const cap = new Cap(() => ({ bytes: mostBlobBytes(DEFAULT_LIMITS), option: 'maxBytes' }), { what });
      letSourceGo(stream);
      await pipeline([stream, cap, new PlainFile(file)], signal ? { signal } : {});
      return await this.entriesIn(file, (await file.stat()).size, what, signal);
    } finally {
      await file.close();
    }
  }

  async #read(file: FileHandle, source: Decompressing): Promise<readonly ArchiveEntry[] | null> {
    const spool = await temporaryFile();
    this.#files.push(spool);
    return (await decompressed(file, spool, { ...source, warn: this.#warn })) ? archiveEntries(spool, source, DEFAULT_LIMITS) : null;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.splice(0).map((file) => file.close()));
  }
}

interface Decompressing {
  readonly path: string;
  readonly size: number;
  readonly what: string;
  /** SHA-256 of the bytes as they were before; `undefined`: nobody has looked. */
  readonly expected: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @returns whether it is a tar */
async function decompressed(
  file: FileHandle,
  spool: FileHandle,
  { path, size, what, expected, signal, warn }: Decompressing & { readonly warn: Warn },
): Promise<boolean> {
  const hash = createHash('sha256');
  const program = await programFor(file);
  const stages = program === null ? await decompression(await compressionIn(file)) : [];
  const cap = new Cap(() => mostBytes(DEFAULT_LIMITS, size), { what: `${what}: the archive` });
  const tar = new TarFile(spool);
  const bytes = async function* (): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of contentAt(file, 0, size, path)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const source = program === null ? bytes() : decompressedBy(program, bytes(), { signal, warn });
  try {
    await pipeline([Readable.from(source, { objectMode: false }), ...stages, cap, tar], signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof NoArchive) return false;
    if (isNacelleError(error) && error.code !== 'ERR_CHILD') throw error;
    // what only begins as if it were compressed is a file as any other
    if (!tar.isTar) return false;
    throw new InstructionProblem(`${what}: the archive is damaged: ${wordsOf(error)}`);
  } finally {
    // a stream that is cut doesn't wait until its source is over
    await source.return(undefined);
  }
  if (expected !== undefined && hash.digest('hex') !== expected)
    throw new NacelleError(`read ${path}: it was changed while it was read`, { code: 'ERR_CHANGED' });
  return true;
}

async function programFor(file: FileHandle): Promise<ProgramCompression | null> {
  const start = Buffer.alloc(PROGRAM_MAGIC_BYTES);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  return programCompressionOf(start.subarray(0, bytesRead));
}
