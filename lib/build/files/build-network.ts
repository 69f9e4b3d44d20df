import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Container } from '../../container/container.js';
import type { ContainerOptions } from '../../container/options/container-types.js';
import { NacelleError, UnsupportedError } from '../../errors.js';
import { findProgram } from '../../host/programs.js';
import { isSocket } from '../../process/streams/sockets.js';
import { InstructionProblem } from '../language/build-error.js';
import { hostProgram, type Warn } from './host-program.js';
import { started } from './started-container.js';

export interface BuildNetworkOptions {
  /** As of {@link ContainerOptions.network}, and not the machine's. */
  readonly network: string;
  /** Of each program. */
  readonly limits: Pick<ContainerOptions, 'memory' | 'cpus' | 'userns'>;
  readonly signal: AbortSignal | undefined;
  readonly warn: Warn;
}

const WHAT = 'ADD of URLs';
/** How much a server of names may answer, and how many programs ask at a time. */
const MOST_ANSWERS = '64k';
const MOST_PROCESSES = 8;
/** What getent(1) exits with for a name that has no address, and also where servers of names say nothing or that they have failed. */
const NO_SUCH_KEY = 2;
/** ms that a name, and that one of its addresses, may take. */
const LOOKUP_TIMEOUT = 30_000;
const ADDRESS_TIMEOUT = 10_000;
const MOST_ADDRESSES = 6;

/**
 * The network of a build, for connections of this process: names mean, and addresses lead to, what they do in RUN. A container has that network until
 * it is closed, and nothing else in it; getent(1) asks for names there, so that what servers of names answer is read by a confined process. The
 * container is made for the first connection, as many a build makes none.
 */
export class BuildNetwork {
  readonly #options: BuildNetworkOptions;
  #container: Promise<Container> | null = null;

  constructor(options: BuildNetworkOptions) {
    this.#options = options;
  }

  /**
   * The addresses of a name, the best first.
   *
   * @param name an address is its own
   * @throws InstructionProblem for what is no name; NacelleError `EAI_AGAIN` for a name without any, which may have one later, `ERR_TIMEOUT`, `ERR_CHILD`
   *   when getent(1) fails; UnsupportedError without getent(1); what making containers throws
   */
  async addressesOf(name: string, signal: AbortSignal): Promise<readonly string[]> {
    if (isIP(name) !== 0) return [name];
    if (name.startsWith('-')) throw new InstructionProblem(`${name} is no name of a host`);
    if (findProgram('getent') === null)
      throw new UnsupportedError(WHAT, 'the program getent, which asks for names, is not in PATH', 'Install it: apt-get install libc-bin.');
    const container = await this.#there();
    const asked = container.exec(['getent', 'ahosts', name], { cancelSignal: signal, timeout: LOOKUP_TIMEOUT, maxBuffer: MOST_ANSWERS });
    const { stdout, exitCode, timedOut, reason } = await asked;
    const addresses = addressesIn(stdout);
    if (exitCode === 0 && addresses.length > 0) return addresses;
    if (timedOut) throw new NacelleError(`the address of ${name} was not told within ${LOOKUP_TIMEOUT} ms`, { code: 'ERR_TIMEOUT' });
    if (exitCode !== NO_SUCH_KEY) throw new NacelleError(`getent, which asks for ${name}, ${reason}`, { code: 'ERR_CHILD' });
    // getent doesn't tell a name that is not there from servers that have failed for now, so the caller asks a few times
    throw new NacelleError(`${name} has no address in the network of the build`, { code: 'EAI_AGAIN' });
  }

  /**
   * A connection to the first address that takes one, of as many as are tried.
   *
   * @throws SyscallError or NacelleError `ERR_TIMEOUT`, of the last address; the signal's reason
   */
  async connect(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
    const container = await this.#there();
    let failure: unknown = new NacelleError('no address was given', { code: 'ERR_INTERNAL' });
    for (const host of addresses.slice(0, MOST_ADDRESSES)) {
      signal.throwIfAborted();
      try {
        return asSocket(await container.connect(port, { host, timeout: ADDRESS_TIMEOUT, cancelSignal: signal }));
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw failure;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    const made = this.#container;
    this.#container = null;
    const container = await made?.catch(() => null);
    await container?.remove({ force: true });
  }

  #there(): Promise<Container> {
    this.#container ??= this.#make().catch((error: unknown) => {
      this.#container = null;
      throw error;
    });
    return this.#container;
  }

  async #make(): Promise<Container> {
    const { network, limits, signal, warn } = this.#options;
    signal?.throwIfAborted();
    const keeper = await hostProgram(
      { name: 'sleep', package: 'coreutils', what: WHAT },
      { ...limits, command: ['sleep', 'infinity'], network, pidsLimit: MOST_PROCESSES },
      warn,
    );
    return started(keeper);
  }
}

/** What getent(1) says of a name: 'ADDRESS TYPE NAME' for each type of socket. A zone of a link is no part of an address that others can use. */
export function addressesIn(answer: string): readonly string[] {
  const words = answer.split('\n').map((line) => line.trim().split(/\s+/)[0] ?? '');
  return [...new Set(words.filter((word) => isIP(word) !== 0 && !word.includes('%')))];
}

function asSocket(stream: Duplex): Socket {
  if (isSocket(stream)) return stream;
  throw new NacelleError('a connection into a container is no socket', { code: 'ERR_INTERNAL' });
}
