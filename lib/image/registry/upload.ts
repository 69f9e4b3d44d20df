import { Readable } from 'node:stream';
import { ImageError } from '../../errors.js';
import type { Descriptor } from '../formats/image-documents.js';
import { failureOf } from './registry-failure.js';
import { nameIn, type Repository, scopeOf } from './repository.js';
import { pauseOrThrow, retrying, StatusError } from './retry.js';
import { discard, type HttpResponse } from './transport.js';

/** A blob that is to be pushed. */
export interface Upload {
  readonly blob: Descriptor;
  /** Opens bytes of the blob, `end` exclusive. */
  readonly open: (start: number, end: number) => Promise<Readable>;
  /** Another repository of the same registry that has the blob, as far as we know. */
  readonly from?: string | undefined;
  /** Larger blobs travel in parts of this many bytes. */
  readonly chunkSize: number;
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

const EMPTY = { 'content-length': '0' };
const OCTETS = { 'content-type': 'application/octet-stream' };

/** A blob that was sent in parts did not arrive: the registry takes blobs only in one piece. */
class StalledError extends ImageError {}

/**
 * Brings a blob to a repository, unless it is there. The registry takes it from the other repository by a mount; else it is sent whole by
 * one PUT, or in parts when it is large (distribution specification, "Pushing blobs").
 *
 * @throws ImageError
 */
export async function pushBlob(repository: Repository, upload: Upload): Promise<'exists' | 'pushed'> {
  const { blob, chunkSize } = upload;
  if (await repository.hasBlob(blob.digest)) return 'exists';
  if (blob.size <= chunkSize) return pushWhole(repository, upload);
  for (let sessions = 0; ; sessions++) {
    try {
      return await pushParts(repository, upload);
    } catch (error) {
      if (error instanceof StalledError) return pushWhole(repository, upload);
      const isForgotten = error instanceof StatusError && error.status === 404;
      if (!isForgotten || sessions >= repository.policy.retries) throw error;
      // perhaps only the last answer was lost
      if (await repository.hasBlob(blob.digest)) return 'pushed';
    }
  }
}

function pushWhole(repository: Repository, upload: Upload): Promise<'exists' | 'pushed'> {
  return retrying(repository.policy, async () => {
    const session = await begin(repository, upload);
    if (session === null) return 'exists';
    try {
      await finish(repository, upload, session.place, 0);
    } catch (error) {
      repository.policy.signal?.throwIfAborted();
      if (!(await repository.hasBlob(upload.blob.digest))) throw forgotten(error) ?? error;
    }
    return 'pushed';
  });
}

async function pushParts(repository: Repository, upload: Upload): Promise<'exists' | 'pushed'> {
  const session = await retrying(repository.policy, () => begin(repository, upload));
  if (session === null) return 'exists';
  const place = await sendParts(repository, upload, session);
  await retrying(repository.policy, () => finish(repository, upload, place, upload.blob.size));
  return 'pushed';
}

interface Session {
  /** Where the next request of the session goes. */
  readonly place: URL;
  /** Bytes: no part but the last may be smaller. */
  readonly minimum: number;
}

/** Begins a session; `null`: the blob was mounted. */
async function begin(repository: Repository, { blob, from }: Upload): Promise<Session | null> {
  const what = nameIn('push', repository.endpoint, blob.digest);
  const mounted = from === undefined ? null : await mount(repository, blob.digest, from);
  if (mounted?.status === 201) return null;
  if (mounted?.status === 202) return sessionOf(mounted, what);
  // the blob may not be taken from there, or the registry knows no mounts: go on as if no mount had been asked for
  const answer = await repository.request({ method: 'POST', at: 'blobs/uploads/', headers: EMPTY });
  if (answer.status !== 202) throw await failureOf(answer, what);
  await discard(answer.body);
  return sessionOf(answer, what);
}

async function mount(repository: Repository, digest: string, from: string): Promise<HttpResponse | null> {
  const query = new URLSearchParams({ mount: digest, from });
  const scope = `${repository.scope} ${scopeOf(from, 'pull')}`;
  try {
    const answer = await repository.request({ method: 'POST', at: `blobs/uploads/?${query}`, scope, headers: EMPTY });
    await discard(answer.body);
    return answer;
  } catch (error) {
    if (error instanceof StatusError) return null;
    throw error;
  }
}

function sessionOf({ headers, url }: HttpResponse, what: string): Session {
  return { place: placeOf(headers.location, url, what), minimum: Number(headers['oci-chunk-min-length'] ?? 0) || 0 };
}

function placeOf(location: string | undefined, from: URL, what: string): URL {
  if (location !== undefined && URL.canParse(location, from.href)) return new URL(location, from);
  throw new ImageError(`${what}: the registry names no place for the upload`);
}

/** The statuses of a part that was taken: 202, but ECR says 201, others 204. */
const TAKEN = new Set([201, 202, 204]);

/**
 * Sends the parts one after the other. A part that was cut is sent again from where the registry says that it stopped.
 *
 * @returns where the upload is to be finished
 */
async function sendParts(repository: Repository, upload: Upload, { place: first, minimum }: Session): Promise<URL> {
  const { blob, chunkSize, open, onBytes } = upload;
  const what = nameIn('push', repository.endpoint, blob.digest);
  const size = Math.max(chunkSize, minimum);
  let place = first;
  let at = 0;
  let furthest = 0;
  for (let failures = 0; at < blob.size; ) {
    const start = at;
    const end = Math.min(start + size, blob.size);
    try {
      const body = async (): Promise<Readable> => counted(await open(start, end), start, onBytes);
      const headers = { ...OCTETS, 'content-length': String(end - start), 'content-range': `${start}-${end - 1}` };
      const answer = await repository.request({ method: 'PATCH', at: place, headers, body });
      if (!TAKEN.has(answer.status)) throw await failureOf(answer, what);
      await discard(answer.body);
      place = placeOf(answer.headers.location, answer.url, what);
      at = Math.min(endOf(answer.headers.range) ?? end, end);
      if (at <= start) throw new StalledError(`${what}: the registry took nothing from byte ${start} on`);
      // bytes that a registry loses again and again are no progress
      if (at > furthest) failures = 0;
      furthest = Math.max(furthest, at);
    } catch (error) {
      if (!(error instanceof StatusError && error.status === 416)) await pauseOrThrow(error, failures++, repository.policy);
      else if (failures++ >= repository.policy.retries) throw error;
      const asked = place;
      ({ place, at } = await retrying(repository.policy, () => standOf(repository, asked, what)));
    }
  }
  return place;
}

/** How many bytes the registry has got. */
async function standOf(repository: Repository, place: URL, what: string): Promise<{ place: URL; at: number }> {
  const answer = await repository.request({ method: 'GET', at: place });
  if (answer.status !== 204 && answer.status !== 202) throw await failureOf(answer, what);
  await discard(answer.body);
  const { location, range } = answer.headers;
  return { place: location === undefined ? place : placeOf(location, answer.url, what), at: endOf(range) ?? 0 };
}

/** The end of a range: with '0-99', 100 bytes are there. The specification has no way to say 0; registries say '0-0' then, or nothing. */
function endOf(range: string | string[] | undefined): number | null {
  const [, last] = /^(?:bytes=)?0-(\d+)$/.exec(String(range ?? '')) ?? [];
  if (last === undefined) return null;
  return last === '0' ? 0 : Number(last) + 1;
}

/** Closes the session, with what is left of the blob from `at` on. */
async function finish(repository: Repository, { blob, open, onBytes }: Upload, place: URL, at: number): Promise<void> {
  const what = nameIn('push', repository.endpoint, blob.digest);
  const url = new URL(place);
  url.searchParams.set('digest', blob.digest);
  const body = async (): Promise<Readable | Uint8Array> =>
    at < blob.size ? counted(await open(at, blob.size), at, onBytes) : Buffer.alloc(0);
  const headers = { ...OCTETS, 'content-length': String(blob.size - at) };
  const answer = await repository.request({ method: 'PUT', at: url, headers, body });
  if (answer.status !== 201) throw await failureOf(answer, what);
  await discard(answer.body);
}

function counted(bytes: Readable, from: number, onBytes: Upload['onBytes']): Readable {
  let at = from;
  const passed = Readable.from(
    (async function* () {
      for await (const chunk of bytes as AsyncIterable<Buffer>) {
        at += chunk.length;
        onBytes?.(at);
        yield chunk;
      }
    })(),
    { objectMode: false },
  );
  // a generator that has not begun would not close the stream
  return passed.once('close', () => bytes.destroy());
}

/** The error for a session that the registry has forgotten, as a temporary failure: the session is begun anew. */
function forgotten(error: unknown): StatusError | null {
  const isGone = error instanceof StatusError && error.status === 404;
  return isGone ? new StatusError(error.message, { status: 503, retryAfter: 0, code: error.code }) : null;
}
