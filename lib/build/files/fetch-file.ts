import { createHash } from 'node:crypto';
import { lookup as resolveName } from 'node:dns';
import type { FileHandle } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import ipaddr from 'ipaddr.js';
import { isNacelleError } from '../../errors.js';
import { Cap, DEFAULT_LIMITS } from '../../image/formats/unpack-limits.js';
import { isLoopback } from '../../image/registry/endpoint.js';
import { isInNoProxy } from '../../image/registry/no-proxy.js';
import { type RetryPolicy, retrying, StatusError } from '../../image/registry/retry.js';
import { discard, drop, proxies } from '../../image/registry/transport.js';
import { requireDependency } from '../../native/own-module.js';
import { wordsOf } from '../../native/system-errors.js';
import { InstructionProblem } from '../language/build-error.js';
import { PlainFile, temporaryFile } from './temporary-file.js';

/** A file that was fetched, and is open. */
export interface FetchedFile {
  readonly name: string;
  readonly size: number;
  /** Seconds since the epoch: Last-Modified, or else 0. */
  readonly mtime: number;
  readonly file: FileHandle;
  /** SHA-256 of the bytes. */
  readonly hash: string;
  /** 'ALGORITHM:HEX' by the algorithm that was asked for. */
  readonly digest: string;
  readonly url: URL;
}

export interface FetchOptions {
  readonly url: URL;
  readonly algorithm: 'sha256' | 'sha512';
  /** This machine itself may be reached, as it may be by programs of RUN that have its network. */
  readonly reachesHost: boolean;
  readonly signal: AbortSignal | undefined;
}

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const RETRIES = 3;
/** ms without a connection, and without a byte. */
const CONNECT_TIMEOUT = 30_000;
const TIMEOUT = 120_000;
/** What stands for a name that a URL doesn't have, as in BuildKit. */
const UNNAMED = '__unnamed__';

/**
 * Fetches a file into one without a name, which whoever calls this closes.
 *
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; the signal's reason
 */
export async function fetchFile(options: FetchOptions): Promise<FetchedFile> {
  const { url, signal } = options;
  const policy: RetryPolicy = { retries: RETRIES, signal };
  try {
    return await retrying(policy, () => fetchOnce(options));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof InstructionProblem || (isNacelleError(error) && error.code === 'ERR_IMAGE_LIMIT')) throw error;
    throw new InstructionProblem(`ADD of ${url.href}: ${wordsOf(error) || 'no connection'}`);
  }
}

async function fetchOnce({ url: first, algorithm, reachesHost, signal }: FetchOptions): Promise<FetchedFile> {
  const connection = connect(reachesHost);
  // a request that has no connection yet does not hear its signal
  const onAbort = (): void => void connection.close().catch(() => undefined);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const { status, headers, body } = await connection.get(url, signal);
      const location = REDIRECTS.has(status) ? headers.location : undefined;
      if (location !== undefined) {
        await discard(body);
        if (redirects === MAX_REDIRECTS) throw new InstructionProblem(`ADD of ${first.href}: more than ${MAX_REDIRECTS} redirects`);
        url = redirected(String(location), url);
        continue;
      }
      if (status !== 200) {
        drop(body);
        throw new StatusError(`the server answers ${status}`, { status, retryAfter: null, code: 'ERR_BUILD' });
      }
      const modified = Date.parse(String(headers['last-modified'] ?? ''));
      const mtime = Number.isNaN(modified) ? 0 : Math.max(0, Math.floor(modified / 1000));
      return { ...(await received(body, { algorithm, signal, what: `ADD of ${first.href}` })), name: nameOfUrl(first), mtime, url: first };
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
    const cap = new Cap(() => ({ bytes: DEFAULT_LIMITS.maxBytes, option: 'maxBytes' }), { what });
    await pipeline([body, cap, bytes, asked, new PlainFile(file)], signal ? { signal } : {});
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

/** Whether an address means something on this machine or its links alone, so that a program in a network of its own would not reach the same here. */
export function isOfThisMachineAlone(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (['loopback', 'linkLocal', 'unspecified'].includes(parsed.range())) return true;
  const inside = parsed.kind() === 'ipv6' ? ipv4Inside(parsed.toByteArray()) : null;
  return inside !== null && isOfThisMachineAlone(inside);
}

/** The IPv4 address that a translator or a tunnel would reach by an IPv6 address: 64:ff9b::/96 (RFC 6052), 2002::/16 (RFC 3056), ::/96 (RFC 4291). */
function ipv4Inside(bytes: readonly number[]): string | null {
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return bytes.slice(2, 6).join('.');
  const prefix = Buffer.from(bytes.slice(0, 12)).toString('hex');
  return prefix === '0064ff9b0000000000000000' || /^0+$/.test(prefix) ? bytes.slice(12).join('.') : null;
}

const refused = (name: string): InstructionProblem =>
  new InstructionProblem(`${name} counts on this machine or its links alone: ADD reaches it with the network 'host'`);

/** Looks a name up, as Node does. */
const lookupElsewhere: LookupFunction = (name, options, done) => {
  resolveName(name, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? [];
    if (error || !first) done(error ?? new Error(`${name} has no address`), '', 0);
    else if (addresses.some(({ address }) => isOfThisMachineAlone(address))) done(refused(name), '', 0);
    else if (options.all) done(null, addresses);
    else done(null, first.address, first.family);
  });
};

/** Connections for one file: those to proxies of the environment, and direct ones. */
function connect(reachesHost: boolean) {
  const undici = requireDependency('undici');
  const common = { headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT };
  const direct = new undici.Agent({
    ...common,
    connect: { timeout: CONNECT_TIMEOUT, ...(reachesHost ? {} : { lookup: lookupElsewhere }) },
  });
  const proxied = new undici.EnvHttpProxyAgent({ ...common, connect: { timeout: CONNECT_TIMEOUT }, ...proxies() });
  const isProxied = ({ protocol, hostname }: URL): boolean => {
    if (isLoopback(hostname)) return false;
    const { httpProxy, httpsProxy } = proxies();
    return (protocol === 'https:' ? httpsProxy : httpProxy) !== '' && !isInNoProxy(hostname);
  };
  return {
    async get(url: URL, signal: AbortSignal | undefined) {
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      if (!reachesHost && isOfThisMachineAlone(host)) throw refused(url.hostname);
      const dispatcher = isProxied(url) ? proxied : direct;
      const headers = { 'user-agent': 'nacelle', 'accept-encoding': 'identity' };
      const answer = await undici.request(url, { dispatcher, method: 'GET', headers, signal: signal ?? null });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    },
    async close(): Promise<void> {
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}
