import { ImageError } from '../../errors.js';

/**
 * The largest window, in bytes, that a frame may ask a reader to keep in memory: what `zstd --ultra -21` makes. RFC 8878
 * advises readers to have 8 MiB, which is what `zstd -19` and the tools that write layers stay within.
 */
export const MAX_WINDOW = 64 * 1024 ** 2;

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** RFC 8878, 3.1.1.2.4: Block_Maximum_Size. */
const MAX_BLOCK = 128 * 1024;
const MAX_HEADER = 18;
const FRAME_START = 4;
const BLOCK_HEADER = 3;
const RLE = 1;
const COMPRESSED = 2;
const DICTIONARY_BYTES = [0, 1, 2, 4];

/** Whether bytes begin a zstd stream: a frame, or one that readers pass over. */
export function isZstd(start: Buffer): boolean {
  if (start.length < 4) return false;
  const magic = start.readUInt32LE();
  return magic === MAGIC || isSkippable(magic);
}

function isSkippable(magic: number): boolean {
  return magic - (magic % 16) === SKIPPABLE;
}

/**
 * Goes over the frames and blocks of a zstd stream (RFC 8878, 3.1) without looking into them, so that a decoder is given one at a time, and
 * nothing that it would drop without an error, allocate too much for, or take for the end.
 */
export class ZstdFrames {
  readonly #granularity: 'frame' | 'block';
  readonly #header = Buffer.alloc(MAX_HEADER);
  /** Bytes of the header that have come, and how many are needed before it can be read on. */
  #filled = 0;
  #wanted = FRAME_START;
  #inFrame = false;
  #checksum = 0;
  /** Bytes of the body that are still to come, and whether a piece ends with them. */
  #body = 0;
  #cut = false;

  /** @param granularity what a piece holds at most */
  constructor(granularity: 'frame' | 'block') {
    this.#granularity = granularity;
  }

  /**
   * The bytes of a chunk in pieces, none of which goes on past the end of a frame (or block).
   *
   * @throws ImageError for what is no zstd, a window over {@link MAX_WINDOW} (`ERR_IMAGE_LIMIT`) and a dictionary
   */
  *split(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      const count = Math.min(this.#body > 0 ? this.#body : this.#wanted - this.#filled, chunk.length - at);
      if (this.#body > 0) this.#body -= count;
      else this.#fill(chunk.subarray(at, at + count));
      at += count;
      if (this.#body > 0 || !this.#cut) continue;
      this.#cut = false;
      yield chunk.subarray(start, at);
      start = at;
    }
    if (start < chunk.length) yield chunk.subarray(start);
  }

  /** @throws ImageError when the stream ended within a frame */
  end(): void {
    if (this.#inFrame || this.#body > 0 || this.#filled > 0) throw new ImageError('the zstd stream ends within a frame');
  }

  #fill(bytes: Buffer): void {
    bytes.copy(this.#header, this.#filled);
    this.#filled += bytes.length;
    if (this.#filled < this.#wanted) return;
    const header = this.#header.subarray(0, this.#filled);
    if (this.#inFrame) this.#readBlock(header);
    else this.#readFrame(header);
  }

  /** Reads a header in parts: what has come says how long the rest is. */
  #readFrame(header: Buffer): void {
    const magic = header.readUInt32LE();
    if (isSkippable(magic)) {
      this.#wanted = 8;
      if (header.length < 8) return;
      this.#body = header.readUInt32LE(4);
      this.#cut = true;
      this.#expect(FRAME_START);
      return;
    }
    if (magic !== MAGIC) throw new ImageError('the bytes after a zstd frame are no other one: a damaged stream, or not zstd');
    this.#wanted = header.length < 5 ? 5 : headerLength(header[4] ?? 0);
    if (header.length < this.#wanted) return;
    checkFrame(header);
    this.#checksum = (header[4] ?? 0) & 0b100 ? 4 : 0;
    this.#inFrame = true;
    this.#expect(BLOCK_HEADER);
  }

  #readBlock(header: Buffer): void {
    const bits = header.readUIntLE(0, 3);
    const isLast = bits % 2 === 1;
    const type = (bits >> 1) % 4;
    const size = bits >> 3;
    if (type > COMPRESSED || size > MAX_BLOCK) throw new ImageError('a zstd block is damaged: its type or size is impossible');
    this.#inFrame = !isLast;
    this.#body = (type === RLE ? 1 : size) + (isLast ? this.#checksum : 0);
    this.#cut = isLast || this.#granularity === 'block';
    this.#expect(isLast ? FRAME_START : BLOCK_HEADER);
  }

  /** Begins a new header, of which this many bytes come first. */
  #expect(bytes: number): void {
    this.#filled = 0;
    this.#wanted = bytes;
  }
}

function headerLength(descriptor: number): number {
  const { isSingle, dictionary, contentSize } = parts(descriptor);
  return 5 + (isSingle ? 0 : 1) + dictionary + contentSize;
}

/** Frame_Header_Descriptor: how many bytes each field has. */
function parts(descriptor: number): { isSingle: boolean; dictionary: number; contentSize: number } {
  const isSingle = (descriptor & 0b100000) !== 0;
  const flag = descriptor >> 6;
  return { isSingle, dictionary: DICTIONARY_BYTES[descriptor & 0b11] ?? 0, contentSize: flag === 0 ? Number(isSingle) : 1 << flag };
}

function checkFrame(header: Buffer): void {
  const descriptor = header[4] ?? 0;
  const { dictionary, contentSize, isSingle } = parts(descriptor);
  if ((descriptor & 0b1000) !== 0) throw new ImageError('a zstd frame is damaged, or of a version that is not known');
  if (dictionary > 0) throw new ImageError('a zstd frame needs a dictionary, which is not supported');
  const window = isSingle ? contentOf(header.subarray(-contentSize)) : windowOf(header[5] ?? 0);
  if (window > MAX_WINDOW) {
    throw new ImageError(`a zstd frame wants a window of ${window} bytes, more than the ${MAX_WINDOW} that are supported`, {
      code: 'ERR_IMAGE_LIMIT',
    });
  }
}

/** Window_Descriptor: 3.1.1.1.2. */
function windowOf(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 0b111);
}

/** Frame_Content_Size, which is the window where a frame is of a single segment. */
function contentOf(field: Buffer): number {
  if (field.length === 2) return field.readUInt16LE() + 256;
  if (field.length === 8) return Number(field.readBigUInt64LE());
  return field.readUIntLE(0, field.length);
}
