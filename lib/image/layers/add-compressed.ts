import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { hasCode } from '../../errors.js';
import { addStream, type StoredLayer } from '../store/blobs.js';

/** A layer in the store, held until it is released. */
export interface MadeLayer extends StoredLayer {
  /** The digest of the uncompressed tar. */
  readonly diffId: string;
  /** Brings the blob into the store, for one that is elsewhere until somebody needs it. @throws ImageError */
  readonly bring?: () => Promise<void>;
  release(): void;
}

/** Bytes that come out of the compression at once, each a turn of the thread pool: the size changes nothing of what they are. */
const CHUNK = 256 * 1024;

/** Brings the tar of a new layer into the store, compressed. */
export async function addCompressed(plain: Readable): Promise<MadeLayer> {
  const hash = createHash('sha256');
  const gzip = createGzip({ chunkSize: CHUNK });
  const feeding = pipeline(
    plain,
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        hash.update(chunk);
        yield chunk;
      }
    },
    gzip,
  );
  const adding = addStream(gzip).catch((error: unknown) => {
    // whatever feeds the stream would else wait for ever
    gzip.destroy();
    throw error;
  });
  const [added, fed] = await Promise.allSettled([adding, feeding]);
  // when one fails it breaks the other, whose error then says no more than that
  if (added.status === 'rejected' && fed.status === 'rejected' && hasCode(fed.reason, 'ERR_STREAM_PREMATURE_CLOSE')) throw added.reason;
  if (fed.status === 'rejected') {
    if (added.status === 'fulfilled') added.value.release();
    throw fed.reason;
  }
  if (added.status === 'rejected') throw added.reason;
  return { ...added.value, diffId: `sha256:${hash.digest('hex')}` };
}
