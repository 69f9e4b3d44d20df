import type { Socket } from 'node:net';
import { isatty, ReadStream, WriteStream } from 'node:tty';
import { closeDescriptor, duplicateDescriptor, releaseDescriptor, streamOf } from '../../native/load-addon.js';
import { attempt } from '../../native/system-errors.js';

/**
 * A stream of Node's over a pipe, a socket or a terminal that the caller gave by its descriptor. The stream has a duplicate, so that the
 * caller's own stays open. As any stream of Node's it makes pipes and sockets non-blocking.
 *
 * @throws SyscallError
 */
export function streamOfCopy(fd: number, direction: 'read' | 'write'): Socket {
  const own = duplicateDescriptor(fd);
  if (!isatty(own)) return streamOf(own, { readable: direction === 'read', writable: direction === 'write' });
  try {
    const stream = attempt('watch a terminal', () => (direction === 'read' ? new ReadStream(own) : new WriteStream(own)));
    // libuv opens a terminal anew where it can, and the duplicate is still ours then
    const used: unknown = Reflect.get(Object(Reflect.get(stream, '_handle')), 'fd');
    if (used === own) releaseDescriptor(own);
    else closeDescriptor(own);
    return stream;
  } catch (error) {
    closeDescriptor(own);
    throw error;
  }
}
