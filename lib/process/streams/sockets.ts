import type { Socket } from 'node:net';

/** Whether a stream is a socket of Node's, told by what the stream has: a library may have another copy of the class. */
export function isSocket(stream: unknown): stream is Socket {
  return typeof stream === 'object' && stream !== null && 'setKeepAlive' in stream && 'ref' in stream && 'readableFlowing' in stream;
}
