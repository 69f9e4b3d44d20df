import { once } from 'node:events';
import { isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasCode, NacelleError, UnsupportedError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { closeDescriptor, streamOf } from '../../native/load-addon.js';
import { systemError } from '../../native/system-errors.js';
import { AF, CLONE } from '../../plan/constants.js';
import { NONE } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { unlessAborted } from '../../process/abort.js';
import type { ParsedConnect } from '../options/connect-options.js';
import type { Life } from './life.js';

// A socket belongs for ever to the network namespace in which it was made. So the container's shim has it made there, without connecting it, and
// this process connects it: nobody waits but the event loop here.

/** A TCP stream into a container's network. @throws as `Container.connect` */
export async function connect(life: Life, { port, host, timeout, cancelSignal }: ParsedConnect): Promise<Duplex> {
  const to = `connect to port ${port} of the container ${life.id}`;
  needListeners(life);
  return within(to, { timeout, cancelSignal }, async (signal) => {
    const reach = (address: string): Promise<Socket> => connectTo(life, { what: `${to} (${address})`, host: address, port }, signal);
    if (host !== null) return reach(host);
    try {
      return await reach('127.0.0.1');
    } catch (error) {
      if (!hasCode(error, 'ECONNREFUSED')) throw error;
      return await reach('::1').catch(() => {
        signal.throwIfAborted();
        // there may be no IPv6 at all: the refusal tells more than what is missing
        throw error;
      });
    }
  });
}

/** Without a network namespace of its own, a container that may not listen can't be told from its host. */
function needListeners(life: Life): void {
  const { options } = life.record.current;
  if (options?.isolation !== 'landlock' || options.network === 'host' || (options.tcpPorts?.bind.length ?? 0) > 0) return;
  throw new UnsupportedError('connect()', "the container has isolation: 'landlock', and its programs may listen on no port");
}

interface Goal {
  /** In the caller's words. */
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

async function connectTo(life: Life, { what, host, port }: Goal, signal: AbortSignal): Promise<Socket> {
  const stream = await openSocket(life, { what, family: isIPv6(host) ? AF.inet6 : AF.inet }, signal);
  const connected = async (): Promise<void> => {
    const isConnected = once(stream, 'connect');
    stream.connect({ host, port });
    life.connections.add(stream);
    await isConnected;
  };
  try {
    await unlessAborted(signal, connected, () => undefined);
  } catch (error) {
    stream.destroy();
    throw systemError(what, error);
  }
  // what a Duplex is written should not wait for more
  stream.setNoDelay(true);
  return stream;
}

/** A socket that is not connected, in the network namespace of the container's first process. */
async function openSocket(life: Life, { what, family }: { what: string; family: number }, signal: AbortSignal): Promise<Socket> {
  const { task, slot } = life.held;
  const sharesHost = (life.record.current.namespaces.flags & CLONE.net) === 0;
  const steps: Step[] = sharesHost
    ? [{ op: 'tcp_socket', host: true, out: slot, ns: NONE, family }]
    : [
        { op: 'open_namespace', host: true, out: slot, type: 'net' },
        { op: 'tcp_socket', host: true, out: slot, ns: slot, family },
      ];
  const open = async (): Promise<number> => {
    // with the host's network, nothing else would tell that nobody of this container can listen any more
    if (life.hasEnded) throw new NacelleError(`${what}: it has ended`, { code: 'ERR_STATE' });
    const { descriptors } = await task.call(steps, { returns: [slot] }).catch((cause: unknown) => {
      if (!hasCode(cause, 'ERR_ENDED', 'ESRCH')) throw cause;
      const isRestarting = life.state === 'restarting';
      throw new NacelleError(`${what}: it ${isRestarting ? 'is restarting' : 'has ended'}`, { code: 'ERR_STATE', cause });
    });
    const fd = descriptors.get(slot);
    if (fd === undefined) throw new NacelleError('the shim gave no socket back', { code: 'ERR_INTERNAL' });
    return fd;
  };
  const fd = await unlessAborted(signal, open, closeDescriptor);
  return streamOf(fd, { readable: true, writable: true, allowHalfOpen: true });
}

/** Does some work with a signal that is aborted by the caller, or after a while. */
async function within<T>(
  what: string,
  { timeout, cancelSignal }: Pick<ParsedConnect, 'timeout' | 'cancelSignal'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  cancelSignal?.throwIfAborted();
  const over = new AbortController();
  const cancel = (): void => over.abort(cancelSignal?.reason);
  const late = (): void => over.abort(new NacelleError(`${what}: not within ${timeout} ms`, { code: 'ERR_TIMEOUT' }));
  const timer = timeout === null ? undefined : setTimeout(late, timeout);
  cancelSignal?.addEventListener('abort', cancel, { once: true });
  try {
    return await work(over.signal);
  } finally {
    clearTimeout(timer);
    cancelSignal?.removeEventListener('abort', cancel);
  }
}
