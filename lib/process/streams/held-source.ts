import type { Socket } from 'node:net';
import { isSocket } from './sockets.js';

const held = new WeakMap<Socket, () => void>();
const ignore = (): void => undefined;

/**
 * Keeps what comes from a stream until somebody reads. When a child process exits, Node lets those of its outputs flow that nobody reads yet
 * (`flushStdio` of its child_process), so that the outputs end: `spawn('tar')` can be over before there is a container, or an image, to read from
 * it. Such outputs are sockets, from which Node reads at once, unlike its own stdin.
 */
export function holdSource(source: unknown): void {
  // a socket that flows has its reader
  if (!isSocket(source) || isStdin(source) || source.readableFlowing === true || held.has(source)) return;
  let isAsked = false;
  const ask = (): void => {
    isAsked = true;
  };
  // a stream with such a listener doesn't flow, whoever asks for that: https://nodejs.org/api/stream.html#two-reading-modes
  source.on('readable', ignore);
  source.on('resume', ask);
  held.set(source, () => {
    source.off('readable', ignore);
    source.off('resume', ask);
    if (isAsked) source.resume();
  });
}

/** Node's own. It is not asked for by its name, since Node makes it when somebody does. */
function isStdin(socket: Socket): boolean {
  return 'fd' in socket && socket.fd === 0;
}

/** To be called just before a stream that was held is read, or when nobody will: it flows then, if Node has asked for that meanwhile. */
export function letSourceGo(source: unknown): void {
  if (!isSocket(source)) return;
  held.get(source)?.();
  held.delete(source);
}
