import { Readable } from 'node:stream';
import { ImageError } from '../../errors.js';
import { digestOf, isDigest, parseDigest } from '../formats/digest.js';
import { ACCEPTED, type Descriptor, MAX_JSON } from '../formats/image-documents.js';
import { Authorizer } from './authorizer.js';
import type { Endpoint } from './endpoint.js';
import { failureOf } from './registry-failure.js';
import { CutError, connectionCodeOf, pauseOrThrow, type RetryPolicy, retrying } from './retry.js';
import type { RegistrySettings } from './settings.js';
import { discard, drop, type HttpRequest, type HttpResponse, readAll, Transport } from './transport.js';

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export type Action = 'pull' | 'pull,push';

type ApiRequest = Omit<HttpRequest, 'url' | 'authorization' | 'body'> & {
  /** A path below /v2/NAME/, or a place that the server named. */
  readonly at: string | URL;
  /** Makes the body anew for each try. */
  readonly body?: () => Promise<Uint8Array | Readable> | Uint8Array;
  readonly scope?: string;
};

/** The errors when a server that speaks plain HTTP gets a TLS greeting. */
const NO_TLS = new Set([
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ECONNRESET',
  'ECONNREFUSED',
  'UND_ERR_SOCKET',
]);

/** One repository at one server, by the OCI distribution specification 1.1. */
export class Repository {
  readonly endpoint: Endpoint;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #policy: RetryPolicy;
  readonly #action: Action;
  #base: Promise<URL> | undefined;

  private constructor(endpoint: Endpoint, transport: Transport, settings: RegistrySettings, action: Action) {
    this.endpoint = endpoint;
    this.#transport = transport;
    this.#authorizer = new Authorizer(endpoint.registry, transport, settings);
    this.#policy = settings;
    this.#action = action;
  }

  static async open(endpoint: Endpoint, settings: RegistrySettings, action: Action): Promise<Repository> {
    return new Repository(endpoint, await Transport.open(endpoint.host, settings), settings, action);
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  get policy(): RetryPolicy {
    return this.#policy;
  }

  /**
   * A manifest or an index by tag or digest, as it is: its bytes fit the digest, where one was asked for.
   *
   * @throws ImageError `ERR_NO_IMAGE` when it isn't there, `ERR_UNAUTHORIZED` when it may not be had
   */
  async manifest(reference: string): Promise<FetchedManifest> {
    return retrying(this.#policy, async () => {
      const what = this.#what('pull', reference);
      const answer = await this.request({ method: 'GET', at: `manifests/${reference}`, headers: { accept: ACCEPTED.join(', ') } });
      if (answer.status !== 200) throw await failureOf(answer, what);
      const bytes = await readAll(answer.body, MAX_JSON, `${what}: the manifest`);
      const said = answer.headers['docker-content-digest'];
      const promised = isDigest(reference) ? reference : typeof said === 'string' && isDigest(said) ? said : digestOf(bytes);
      const digest = digestOf(bytes, parseDigest(promised).algorithm);
      if (digest !== promised)
        throw new ImageError(`${what}: the manifest is damaged or forged: its bytes have the digest ${digest}, not ${promised}`, {
          digest: promised,
        });
      const mediaType = (answer.headers['content-type'] ?? '').replace(/;.*/, '').trim();
      return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    });
  }

  /** A blob's bytes, from byte `from` on; they go on after a cut. The reader checks the digest. */
  blob(descriptor: Descriptor, from = 0, signal = this.#policy.signal): Readable {
    return Readable.from(this.#bytes(descriptor, from, { ...this.#policy, signal }), { objectMode: false, highWaterMark: 1024 * 1024 });
  }

  async *#bytes(blob: Descriptor, from: number, policy: RetryPolicy): AsyncGenerator<Buffer> {
    let at = from;
    for (let failures = 0; ; failures++) {
      try {
        for await (const chunk of this.#part(blob, at, policy.signal)) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (at >= blob.size) return;
        throw new CutError(`${this.#what('pull', blob.digest)}: it ended after ${at} of ${blob.size} bytes`, { digest: blob.digest });
      } catch (error) {
        // the connection was cut after the blob's last byte; the digest tells whether all is right
        if (at >= blob.size && blob.size > 0) return;
        await pauseOrThrow(error, failures, policy);
      }
    }
  }

  /** The bytes of the blob that one request brings. */
  async *#part({ digest, size }: Descriptor, at: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    const what = this.#what('pull', digest);
    const headers = at === 0 ? undefined : { range: `bytes=${at}-` };
    const answer = await this.request({ method: 'GET', at: `blobs/${digest}`, headers, signal });
    if (answer.status !== 200 && answer.status !== 206) throw await failureOf(answer, what);
    let skip = 0;
    if (answer.status === 200) skip = at;
    else if (!String(answer.headers['content-range'] ?? '').startsWith(`bytes ${at}-`)) {
      drop(answer.body);
      throw new ImageError(`${what}: the answer is another part than the one from byte ${at} on`, { digest });
    }
    const length = Number(answer.headers['content-length'] ?? Number.NaN);
    if (length > size - at + skip) {
      drop(answer.body);
      throw new ImageError(`${what}: it is longer than the ${size} bytes that its descriptor says`, { digest });
    }
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const rest = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  }

  async hasBlob(digest: string): Promise<boolean> {
    return retrying(this.#policy, async () => {
      const answer = await this.request({ method: 'HEAD', at: `blobs/${digest}` });
      if (answer.status !== 200 && answer.status !== 404) throw await failureOf(answer, this.#what('push', digest));
      await discard(answer.body);
      return answer.status === 200;
    });
  }

  /** Pushes the manifest of an image whose blobs were pushed before. @throws ImageError when the server has understood another one */
  async pushManifest(reference: string, { descriptor, bytes }: FetchedManifest): Promise<void> {
    const what = this.#what('push', reference);
    await retrying(this.#policy, async () => {
      const headers = { 'content-type': descriptor.mediaType };
      const answer = await this.request({ method: 'PUT', at: `manifests/${reference}`, headers, body: () => bytes });
      if (answer.status !== 201) throw await failureOf(answer, what);
      await discard(answer.body);
      const said = answer.headers['docker-content-digest'];
      if (said !== undefined && said !== descriptor.digest)
        throw new ImageError(`${what}: the registry says that its digest is ${JSON.stringify(said)}, not ${descriptor.digest}`, {
          digest: descriptor.digest,
        });
    });
  }

  /**
   * One request to the server's API, with the authentication that the server asks for. The caller handles an answer that is 401 even then.
   */
  async request({ at, body, scope = this.scope, ...rest }: ApiRequest): Promise<HttpResponse> {
    this.#base ??= this.#findBase().catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    const base = await this.#base;
    const url = new URL(at, new URL(`/v2/${this.endpoint.repository}/`, base));
    // a place on another server was named by this one, and gets no secret
    const isOwn = url.origin === base.origin;
    const send = async (authorization: string | null): Promise<HttpResponse> => {
      const sent = await body?.();
      try {
        return await this.#transport.request({ ...rest, url, authorization: isOwn ? authorization : null, body: sent });
      } catch (error) {
        if (sent instanceof Readable) sent.destroy();
        throw error;
      }
    };
    const used = this.#authorizer.header(scope);
    const answer = await send(used);
    if (answer.status !== 401 || !isOwn || answer.url.origin !== base.origin) return answer;
    if (!(await this.#authorizer.renew(used, scope, answer.headers['www-authenticate']))) return answer;
    await discard(answer.body);
    return send(this.#authorizer.header(scope));
  }

  /** The scope that the token server is asked for. */
  get scope(): string {
    return scopeOf(this.endpoint.repository, this.#action);
  }

  #what(does: 'pull' | 'push', reference: string): string {
    return nameIn(does, this.endpoint, reference);
  }

  /** HTTPS, or plain HTTP where that is allowed and the server speaks nothing else. */
  async #findBase(): Promise<URL> {
    const secure = new URL(`https://${this.endpoint.host}`);
    const plain = new URL(`http://${this.endpoint.host}`);
    if (!this.#transport.allowsPlain(plain)) return secure;
    try {
      const { body } = await this.#transport.request({ method: 'GET', url: new URL('/v2/', secure) });
      await discard(body);
      return secure;
    } catch (error) {
      if (!NO_TLS.has(connectionCodeOf(error))) throw error;
      // a TLS server that fails only for a moment must not get plain HTTP from then on: such a server answers 400 to plain HTTP
      const { status, body } = await this.#transport.request({ method: 'GET', url: new URL('/v2/', plain) });
      await discard(body);
      if (status === 400) throw error;
      return plain;
    }
  }
}

/** A scope as token servers want it: `repository:NAME:ACTIONS`. */
export function scopeOf(repository: string, action: Action): string {
  return `repository:${repository}:${action}`;
}

/** The start of an error's message. */
export function nameIn(does: 'pull' | 'push', { host, repository }: Endpoint, reference: string): string {
  return `${does} ${host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`;
}
