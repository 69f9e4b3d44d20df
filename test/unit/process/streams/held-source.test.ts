import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdSource, letSourceGo } from '../../../../lib/process/streams/held-source.js';

/** A socket at which some bytes have come, and their end. */
let socket: Socket;
const server = createServer((peer) => void peer.on('error', () => undefined).end('text'));

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  socket = connect(address.port, '127.0.0.1');
  await once(socket, 'connect');
});

afterEach(async () => {
  socket.destroy();
  server.close();
  await once(server, 'close');
});

/** As Node does with the outputs of a child that has exited: child_process, flushStdio. */
async function flushed(): Promise<void> {
  socket.resume();
  await once(socket, 'resume');
  // without a listener, which would hold the socket as well
  while (socket.bytesRead === 0) await setImmediate();
}

describe('a source that is held', () => {
  it.each<[string, () => Promise<Buffer[]>]>([
    ['a pipe', () => socket.pipe(new PassThrough()).toArray()],
    ['its iterator', () => socket.toArray()],
  ])('has all its bytes for who reads it later, by %s', async (_, read) => {
    holdSource(socket);
    await flushed();
    letSourceGo(socket);
    expect(Buffer.concat(await read()).toString()).toBe('text');
  });

  it('flows to nobody when it is let go without a reader, as it was asked to', async () => {
    holdSource(socket);
    await flushed();
    letSourceGo(socket);
    await once(socket, 'close');
    expect(socket.readableLength).toBe(0);
  });

  it('is left as it is when nobody asked it to flow', async () => {
    holdSource(socket);
    letSourceGo(socket);
    expect([socket.listenerCount('readable'), socket.listenerCount('resume')]).toEqual([0, 0]);
    expect(socket.readableFlowing).not.toBe(true);
  });

  it('is not held when it flows already: it has its reader', async () => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    holdSource(socket);
    expect(socket.listenerCount('readable')).toBe(0);
    await once(socket, 'close');
    expect(Buffer.concat(chunks).toString()).toBe('text');
  });
});
