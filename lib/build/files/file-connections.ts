import type { Socket } from 'node:net';
import type { buildConnector, Dispatcher } from 'undici';
import { hasCode, toError } from '../../errors.js';
import { isLoopback, withoutBrackets } from '../../image/registry/endpoint.js';
import { isInNoProxy } from '../../image/registry/no-proxy.js';
import { NO_EXCEPTIONS, proxies } from '../../image/registry/transport.js';
import { requireDependency } from '../../native/own-module.js';
import { wordsOf } from '../../native/system-errors.js';
import { InstructionProblem } from '../language/build-error.js';
import type { BuildNetwork } from './build-network.js';
import { isOfThisMachineAlone } from './machine-addresses.js';

/** ms without an answer. */
const TIMEOUT = 120_000;
/** ms without a connection, or without its TLS. */
const CONNECT_TIMEOUT = 30_000;

/** Connections for one file. */
export interface FileConnections {
  /** @throws InstructionProblem for an address that is not to be reached; the failure of the connection as it is */
  get(
    url: URL,
    options: { readonly signal: AbortSignal | undefined; readonly headers: Record<string, string> },
  ): Promise<Dispatcher.ResponseData>;
  /** Ends all, also those that are being made. */
  close(): Promise<void>;
}

/**
 * Those to the proxies of the environment, which this process makes itself as it does for images, and direct ones.
 *
 * @param network where direct ones are made; `null`: in the machine's, as those of RUN are
 */
export function fileConnections(network: BuildNetwork | null): FileConnections {
  const undici = requireDependency('undici');
  const common = { headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT };
  const over = new AbortController();
  const secured = undici.buildConnector({ timeout: CONNECT_TIMEOUT });
  const direct = new undici.Agent({
    ...common,
    connect: network ? connectorIn(network, secured, over.signal) : { timeout: CONNECT_TIMEOUT },
  });
  const proxied = new undici.EnvHttpProxyAgent({ ...common, connect: { timeout: CONNECT_TIMEOUT }, ...proxies(), ...NO_EXCEPTIONS });
  return {
    get(url, { signal, headers }) {
      const dispatcher = isProxied(url) ? proxied : direct;
      // a proxy looks names up itself
      if (network) requireElsewhere(url.hostname, [withoutBrackets(url.hostname)]);
      return undici.request(url, { dispatcher, method: 'GET', headers, signal: signal ?? null });
    },
    async close() {
      over.abort();
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}

/** Connections to a server in a network, of which this process has nothing but the socket. */
function connectorIn(network: BuildNetwork, secured: buildConnector.connector, signal: AbortSignal): buildConnector.connector {
  return (options, done) => {
    const { hostname, protocol } = options;
    const isSecure = protocol === 'https:';
    const port = Number(options.port) || (isSecure ? 443 : 80);
    connected(network, { hostname, port }, signal)
      .then((socket) => (isSecure ? secured({ ...options, httpSocket: socket }, done) : done(null, socket)))
      .catch((error: unknown) => done(asConnectError(error), null));
  };
}

/** A server that takes no connection in time may take one later, which others know by undici's own error. */
function asConnectError(error: unknown): Error {
  if (!hasCode(error, 'ERR_TIMEOUT')) return toError(error);
  return new (requireDependency('undici').errors.ConnectTimeoutError)(wordsOf(error));
}

async function connected(
  network: BuildNetwork,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const addresses = await network.addressesOf(withoutBrackets(hostname), signal);
  requireElsewhere(hostname, addresses);
  return network.connect(addresses, port, signal);
}

/** @throws InstructionProblem */
function requireElsewhere(hostname: string, addresses: readonly string[]): void {
  if (!isLoopback(hostname) && !addresses.some(isOfThisMachineAlone)) return;
  throw new InstructionProblem(`${hostname} counts on this machine or its links alone: ADD reaches it with the network 'host'`);
}

function isProxied(url: URL): boolean {
  if (isLoopback(url.hostname) || isInNoProxy(url)) return false;
  const { httpProxy, httpsProxy } = proxies();
  return (url.protocol === 'https:' ? httpsProxy : httpProxy) !== '';
}
