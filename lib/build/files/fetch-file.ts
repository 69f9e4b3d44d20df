import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, NacelleError } from '../../errors.js';
import { DEFAULT_LIMITS } from '../../image/formats/default-limits.js';
import { Cap, limitError } from '../../image/formats/unpack-limits.js';
import { connectionCodeOf, type RetryPolicy, retrying, StatusError } from '../../image/registry/retry.js';
import { discard, drop } from '../../image/registry/transport.js';
import { wordsOf } from '../../native/system-errors.js';
import { InstructionProblem } from '../language/build-error.js';
import type { BuildNetwork } from './build-network.js';
import { fileConnections } from './file-connections.js';
import { SpeedGuard } from './least-speed.js';
import { PlainFile, temporaryFile } from './temporary-file.js';

/** What a URL had when it was fetched. */
export interface UrlNote {
  /** As the server has sent it. */
  readonly etag: string;
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly hash: string;
  readonly size: number;
  /** Seconds since the epoch: Last-Modified, or else 0. */
  readonly mtime: number;
}

/** What a server has for a URL, as an earlier build fetched it: the server says that it is the same. */
export interface NotedFile extends Omit<UrlNote, 'etag'> {
  readonly name: string;
  readonly url: URL;
}

/** A file that was fetched, and is open. */
export interface FetchedFile extends NotedFile {
  readonly file: FileHandle;
  /** 'ALGORITHM:HEX' by the algorithm that was asked for. */
  readonly digest: string;
  /** `null`: the server has sent none, or one that is longer than any. */
  readonly etag: string | null;
}

export interface FetchOptions {
  readonly url: URL;
  readonly algorithm: 'sha256' | 'sha512';
  /** `null`: the machine's own. */
  readonly network: BuildNetwork | null;
  readonly signal: AbortSignal | undefined;
  /** What the URL had before; then the server is asked whether it has something else by now. `null`: the file is fetched whatever it is. */
  readonly known: UrlNote | null;
}

const MAX_REDIRECTS = 5;
/** As of a layer. */
const MOST_BYTES = DEFAULT_LIMITS.maxBytes;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRIES = 3;
/** A server that sends less than this is given up, as one that sends nothing. */
const LEAST_SPEED = { bytes: 1024, window: 60_000 };
const LONGEST_ETAG = 1024;
const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
/** What stands for a name that a URL doesn't have, as in BuildKit. */
const UNNAMED = '__unnamed__';

/**
 * Fetches a file into one without a name, which whoever calls this closes.
 *
 * @returns the file, or what is known of it where the server has nothing else
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; NacelleError `ERR_TIMEOUT`; what {@link BuildNetwork} needs and isn't there; the signal's reason
 */
export async function fetchFile(options: FetchOptions): Promise<FetchedFile | NotedFile> {
  const { url, signal } = options;
  const policy: RetryPolicy = { retries: RETRIES, signal };
  const name = nameOfUrl(url);
  try {
    return { ...(await retrying(policy, () => fetchOnce(options))), name };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof InstructionProblem || hasCode(error, 'ERR_IMAGE_LIMIT', 'ERR_TIMEOUT', 'ERR_UNSUPPORTED')) throw error;
    if (TIMEOUTS.has(connectionCodeOf(error)))
      throw new NacelleError(`ADD of ${url.href}: the server does not answer`, { code: 'ERR_TIMEOUT', cause: error });
    throw new InstructionProblem(`ADD of ${url.href}: ${wordsOf(error) || 'no connection'}`);
  }
}

async function fetchOnce({
  url: first,
  algorithm,
  network,
  signal,
  known,
}: FetchOptions): Promise<Omit<FetchedFile, 'name'> | Omit<NotedFile, 'name'>> {
  const connection = fileConnections(network);
  // a request that has no connection yet does not hear its signal
  const onAbort = (): void => void connection.close().catch(() => undefined);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const asked = known ? { 'if-none-match': known.etag } : {};
      const answer = await connection.get(url, {
        signal,
        headers: { 'user-agent': 'nacelle', 'accept-encoding': 'identity', ...asked },
      });
      const { statusCode: status, headers, body } = answer;
      const location = REDIRECTS.has(status) ? headers.location : undefined;
      if (location !== undefined) {
        await discard(body);
        if (redirects === MAX_REDIRECTS) throw new InstructionProblem(`ADD of ${first.href}: more than ${MAX_REDIRECTS} redirects`);
        url = redirected(String(location), url);
        continue;
      }
      const etag = etagOf(headers.etag);
      if (known && (status === 304 || (status === 200 && isSameTag(etag, known.etag)))) {
        drop(body);
        const { hash, size, mtime } = known;
        return { hash, size, mtime, url: first };
      }
      if (status !== 200) {
        drop(body);
        throw new StatusError(`the server answers ${status}`, { status, retryAfter: null, code: 'ERR_BUILD' });
      }
      if (Number(headers['content-length'] ?? 0) > MOST_BYTES) {
        drop(body);
        throw limitError(`ADD of ${first.href}: ${String(headers['content-length'])} bytes are announced, of ${MOST_BYTES} at most`);
      }
      const modified = Date.parse(String(headers['last-modified'] ?? ''));
      const mtime = Number.isNaN(modified) ? 0 : Math.max(0, Math.floor(modified / 1000));
      const file = await received(body, { algorithm, signal, what: `ADD of ${first.href}` });
      return { ...file, mtime, url: first, etag };
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await connection.close();
  }
}

async function received(
  body: Readable,
  { algorithm, signal, what }: { readonly algorithm: string; readonly signal: AbortSignal | undefined; readonly what: string },
): Promise<Pick<FetchedFile, 'file' | 'size' | 'hash' | 'digest'>> {
  const file = await temporaryFile().catch((error: unknown) => {
    drop(body);
    throw error;
  });
  try {
    const [bytes, asked] = [new Hashing('sha256'), new Hashing(algorithm)];
    const cap = new Cap(() => ({ bytes: MOST_BYTES, option: 'maxBytes' }), { what });
    const guard = new SpeedGuard(what, LEAST_SPEED);
    await pipeline([body, guard, cap, bytes, asked, new PlainFile(file)], signal ? { signal } : {});
    return { file, size: bytes.size, hash: bytes.hex, digest: `${algorithm}:${asked.hex}` };
  } catch (error) {
    await file.close();
    throw error;
  }
}

class Hashing extends Transform {
  readonly #hash;
  size = 0;
  hex = '';

  constructor(algorithm: string) {
    super();
    this.#hash = createHash(algorithm);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk);
    this.size += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.hex = this.#hash.digest('hex');
    done();
  }
}

/** @returns `null` for what is no tag to send back */
function etagOf(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && header.length <= LONGEST_ETAG && /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(header) ? header : null;
}

/** Whether two tags mean the same content (RFC 9110, section 8.8.3.2, weak comparison): some servers answer 200 to what they should answer 304 to. */
export function isSameTag(one: string | null, other: string): boolean {
  return one !== null && one.replace(/^W\//, '') === other.replace(/^W\//, '');
}

/** The name that a file gets by its URL. @throws InstructionProblem */
export function nameOfUrl(url: URL): string {
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch {
    throw new InstructionProblem(`ADD of ${url.href}: its path is malformed`);
  }
  const name = path.split('/').findLast((part) => part !== '') ?? '';
  if (name === '' || name === '.') return UNNAMED;
  if (name === '..' || name.includes('\0')) throw new InstructionProblem(`ADD of ${url.href}: its last part is no name of a file`);
  return name;
}

/**
 * Where a redirect leads: by HTTP or HTTPS, and never from HTTPS to HTTP.
 *
 * @throws InstructionProblem
 */
export function redirected(location: string, from: URL): URL {
  const shown = JSON.stringify(location.slice(0, 200));
  if (!URL.canParse(location, from.href)) throw new InstructionProblem(`${from.href}: a redirect leads to ${shown}`);
  const url = new URL(location, from);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && from.protocol === 'http:')) return url;
  throw new InstructionProblem(`${from.href}: a redirect leads to ${shown}, which is not fetched`);
}
