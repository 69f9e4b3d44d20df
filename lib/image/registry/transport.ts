import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import * as tls from 'node:tls';
import type { Dispatcher } from 'undici';
import { ImageError, toError } from '../../errors.js';
import { requireDependency } from '../../native/own-module.js';
import { isLoopback } from './endpoint.js';
import { isInNoProxy } from './no-proxy.js';
import type { RegistrySettings } from './settings.js';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The Authorization, which is sent to this origin alone. */
  readonly authorization?: string | null | undefined;
  readonly body?: Uint8Array | Readable | undefined;
  /** Its abort ends the request, which rejects with the signal's reason. Default: the signal of the settings. */
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body, which the caller reads to its end, or destroys. */
  readonly body: Readable;
  /** Where the answer came from, redirects followed. */
  readonly url: URL;
}

/** How long it may take to connect, in ms. */
const CONNECT_TIMEOUT = 30_000;
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** HTTP as registries need it: proxies from the environment, certificates, time-outs, and redirects that take no secret along. */
export class Transport {
  readonly #dispatcher: Dispatcher;
  /** The dispatcher for this machine itself, and for networks to which no proxy leads. */
  readonly #direct: Dispatcher;
  readonly #send: typeof import('undici').request;
  readonly #settings: RegistrySettings;
  /** Whether the registry itself is on this machine: then what it redirects to may be, too. */
  readonly #isLocal: boolean;
  /** A request that has no connection yet does not hear its signal: so an abort closes all connections. */
  readonly #onAbort = (): void => void this.close().catch(() => undefined);

  private constructor(undici: typeof import('undici'), settings: RegistrySettings, host: string) {
    this.#settings = settings;
    this.#isLocal = isLoopback(hostname(host));
    this.#send = undici.request;
    const { timeout } = settings;
    const secure = { ...trust(settings.ca), rejectUnauthorized: !settings.insecure };
    const common = {
      connect: { ...secure, timeout: Math.min(timeout, CONNECT_TIMEOUT) },
      headersTimeout: timeout,
      bodyTimeout: timeout,
    };
    this.#direct = new undici.Agent(common);
    try {
      // the proxy's own answer has the same time-out as others'
      const clientFactory = (origin: URL, options: object) => new undici.Pool(origin, { ...options, headersTimeout: timeout });
      this.#dispatcher = new undici.EnvHttpProxyAgent({ ...common, requestTls: secure, clientFactory, ...proxies(), ...NO_EXCEPTIONS });
    } catch (cause) {
      throw new ImageError(`use the proxy of the environment: ${toError(cause).message}`, { cause });
    }
    settings.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** A transport for a registry. undici is loaded at its first use: most programs pull nothing. */
  static async open(host: string, settings: RegistrySettings): Promise<Transport> {
    return new Transport(requireDependency('undici'), settings, host);
  }

  /** Whether plain HTTP is allowed: anybody on the way can read and change it. */
  allowsPlain(url: URL): boolean {
    return this.#settings.insecure || (this.#isLocal && isLoopback(url.hostname));
  }

  /**
   * Sends one request, and follows its redirects when it is GET or HEAD.
   *
   * @throws ImageError for plain HTTP where it is not allowed; the failure of the connection as it is
   */
  async request({ method, url: first, headers, authorization, body, signal = this.#settings.signal }: HttpRequest): Promise<HttpResponse> {
    const follows = method === 'GET' || method === 'HEAD';
    let url = first;
    for (let redirects = 0; ; redirects++) {
      if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.allowsPlain(url)))
        throw new ImageError(`${method} ${nameOf(url)}: only HTTPS is trusted; a registry that has none needs the option insecure`);
      const secret = authorization && url.origin === first.origin ? { authorization } : {};
      const answer = await this.#send(url, {
        dispatcher: isLoopback(url.hostname) || isInNoProxy(url) ? this.#direct : this.#dispatcher,
        method,
        headers: { 'user-agent': 'nacelle', 'accept-encoding': 'identity', ...headers, ...secret },
        body: body ?? null,
        signal: signal ?? null,
      });
      const location = follows && REDIRECTS.has(answer.statusCode) ? answer.headers.location : undefined;
      if (location === undefined) return { status: answer.statusCode, headers: answer.headers, body: answer.body, url };
      await discard(answer.body);
      if (redirects === MAX_REDIRECTS) throw new ImageError(`${method} ${nameOf(first)}: more than ${MAX_REDIRECTS} redirects`);
      url = target(String(location), url, `${method} ${nameOf(first)}`);
    }
  }

  async close(): Promise<void> {
    this.#settings.signal?.removeEventListener('abort', this.#onAbort);
    await Promise.all([this.#dispatcher.destroy(), this.#direct.destroy()]);
  }
}

/** A URL for messages, without the query, which may be a signature. */
export function nameOf(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/**
 * Reads a body and throws it away, so that the connection serves the next request. When the body is long, the connection is cut instead.
 */
export async function discard(body: Readable): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > 64 * 1024) break;
    }
  } catch {
    // the body is of no use any more, and the next request finds out that the connection is dead
  }
}

/** Throws a body away unread, with its connection. An error that it ended too early is ignored. */
export function drop(body: Readable): void {
  body.on('error', () => undefined).destroy();
}

/** Reads a body that must be small. @throws ImageError */
export async function readAll(body: Readable, max: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > max) throw new ImageError(`${what} is larger than ${max} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The name in 'HOST:PORT'. */
export function hostname(host: string): string {
  return host.replace(/:\d+$/, '');
}

function target(location: string, from: URL, what: string): URL {
  try {
    return new URL(location, from);
  } catch (cause) {
    throw new ImageError(`${what}: a redirect leads to ${JSON.stringify(location.slice(0, 200))}`, { cause });
  }
}

/**
 * Certificates with an authority beside Node's own: a list that is given replaces Node's, so it must hold those too. Node tells all that it
 * trusts from 22.15 on.
 */
function trust(ca: string | undefined): { ca?: string[] } {
  if (ca === undefined) return {};
  const own = 'getCACertificates' in tls && typeof tls.getCACertificates === 'function' ? tls.getCACertificates() : tls.rootCertificates;
  return { ca: [...own, ca] };
}

/** Of a dispatcher by proxies: {@link isInNoProxy} has decided when one is asked. */
export const NO_EXCEPTIONS = { noProxy: '' } as const;

/** The proxies of the environment, as other clients read them: a scheme may be missing. */
export function proxies(env: NodeJS.ProcessEnv = process.env): { httpProxy: string; httpsProxy: string } {
  const named = (name: string): string => {
    const value = env[name] ?? env[name.toUpperCase()] ?? '';
    return value === '' || value.includes('://') ? value : `http://${value}`;
  };
  return { httpProxy: named('http_proxy'), httpsProxy: named('https_proxy') };
}
