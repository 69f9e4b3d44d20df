import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { Header, Pax } from 'tar';
import { ImageError, toError } from '../../errors.js';
import { MAX_JSON } from '../formats/image-documents.js';

const BLOCK = 512;
/** Bytes that are read at a time. */
const PIECE = 256 * 1024;
/** Bytes of an entry's names and times: far more than any writer puts there. */
const MOST_TEXT = 1 << 20;
/** Headers of an archive, those for long names included: far more than an image has files. */
const MOST_HEADERS = 100_000;

interface Entry {
  readonly kind: 'file' | 'link';
  readonly at: number;
  readonly size: number;
  /** What a link points to. */
  readonly target: string;
}

/** A tar file of plain files, read where they lie. Only headers are looked at before something is asked for. */
export class Archive {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(path: string, file: FileHandle, entries: ReadonlyMap<string, Entry>) {
    this.path = path;
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Opens an archive in which all names are expected. `null`: the archive has other names, as that of a root file system does.
   *
   * @throws ImageError when it is no archive
   */
  static async open(path: string, isExpected: (name: string) => boolean): Promise<Archive | null> {
    const file = await open(path, 'r');
    try {
      const entries = await readEntries(file, path, isExpected);
      if (entries) return new Archive(path, file, entries);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return null;
  }

  has(name: string): boolean {
    return this.#find(name) !== null;
  }

  /** Reads all of a small file. @throws ImageError when it is not there, or too large to be a document */
  async read(name: string): Promise<Buffer> {
    const { at, size } = this.#get(name);
    if (size > MAX_JSON) throw new ImageError(`${this.path}: ${name} is larger than ${MAX_JSON} bytes`);
    const bytes = Buffer.alloc(size);
    await readExactly(this.#file, bytes, at, this.path);
    return bytes;
  }

  /** A file's bytes, from byte `from` on. @throws ImageError when it is not there */
  stream(name: string, from = 0): Readable {
    const { at, size } = this.#get(name);
    if (from >= size) return Readable.from([]);
    return Readable.from(pieces(this.#file, { from: at + from, to: at + size, path: this.path }), { objectMode: false });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #get(name: string): Entry {
    const entry = this.#find(name);
    if (!entry) throw new ImageError(`${this.path} has no file ${JSON.stringify(name)}`);
    return entry;
  }

  /** Finds an entry, by a link too: old docker archives have one where two images share a layer. */
  #find(name: string): Entry | null {
    let at = posix.normalize(name);
    for (let links = 0; links < 8; links++) {
      const entry = this.#entries.get(at);
      if (!entry) return null;
      if (entry.kind === 'file') return entry;
      at = posix.normalize(posix.join(posix.dirname(at), entry.target));
    }
    return null;
  }
}

/** Reads all entries. `null` as soon as a name is not one of those expected. */
async function readEntries(file: FileHandle, path: string, isExpected: (name: string) => boolean): Promise<Map<string, Entry> | null> {
  const entries = new Map<string, Entry>();
  const { size: end } = await file.stat();
  const block = Buffer.alloc(BLOCK);
  let extended: Pax | undefined;
  let long: { path?: string; linkpath?: string } = {};
  let isFirst = true;
  if (end < BLOCK) throw new ImageError(`${path} is no tar archive: it has ${end} bytes`);
  for (let at = 0, headers = 0; at + BLOCK <= end; headers++) {
    if (headers === MOST_HEADERS) throw new ImageError(`${path} has more than ${MOST_HEADERS} headers, which no image needs`);
    await readExactly(file, block, at, path);
    const header = headerIn(block, extended, path);
    if (header.nullBlock) break;
    if (!header.cksumValid) throw new ImageError(`${path} is no tar archive${isFirst ? '' : `, or damaged at byte ${at}`}`);
    isFirst = false;
    const size = header.size ?? 0;
    if (!Number.isSafeInteger(size) || size < 0) throw new ImageError(`${path} is damaged at byte ${at}: an entry has the size ${size}`);
    const data = at + BLOCK;
    if (data + size > end) throw new ImageError(`${path} ends too early`);
    at = data + Math.ceil(size / BLOCK) * BLOCK;
    const text = async (): Promise<string> => {
      if (size > MOST_TEXT) throw new ImageError(`${path}: a header of ${size} bytes is too large`);
      const bytes = Buffer.alloc(size);
      await readExactly(file, bytes, data, path);
      return bytes.toString('utf8');
    };
    if (header.type === 'ExtendedHeader') {
      extended = Pax.parse(await text());
    } else if (header.type === 'NextFileHasLongPath') {
      long = { ...long, path: (await text()).replace(/\0.*$/s, '') };
    } else if (header.type === 'NextFileHasLongLinkpath') {
      long = { ...long, linkpath: (await text()).replace(/\0.*$/s, '') };
    } else if (header.type !== 'GlobalExtendedHeader') {
      const name = posix.normalize(long.path ?? header.path ?? '').replace(/\/$/, '');
      if (!isExpected(name)) return null;
      const target = long.linkpath ?? header.linkpath ?? '';
      const isFile = header.type === 'File' || header.type === 'OldFile' || header.type === 'ContiguousFile';
      if (isFile) entries.set(name, { kind: 'file', at: data, size, target: '' });
      else if (header.type === 'SymbolicLink') entries.set(name, { kind: 'link', at: data, size: 0, target });
      else if (header.type === 'Link')
        entries.set(name, { kind: 'link', at: data, size: 0, target: posix.relative(posix.dirname(name), target) });
      extended = undefined;
      long = {};
    }
  }
  return entries;
}

function headerIn(block: Buffer, extended: Pax | undefined, path: string): Header {
  try {
    return new Header(block, 0, extended);
  } catch (cause) {
    throw new ImageError(`${path} is no tar archive: ${toError(cause).message}`, { cause });
  }
}

/**
 * The bytes of a part of the file. This uses no stream of the file's own: each such stream leaves a listener on the file, and one that is
 * destroyed closes the file for all.
 */
async function* pieces(file: FileHandle, { from, to, path }: { from: number; to: number; path: string }): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(PIECE, to - at)), 0, Math.min(PIECE, to - at), at);
    if (bytesRead === 0) throw new ImageError(`${path} ends too early`);
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function readExactly(file: FileHandle, buffer: Buffer, at: number, path: string): Promise<void> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
  if (bytesRead < buffer.length) throw new ImageError(`${path} ends too early`);
}
