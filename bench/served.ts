import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { bareProgram } from './peers/spawn.js';

// A server that sends zeros, for measurements of streams.

/** Sends so many zeros to whoever connects: a command of busybox. */
export const serving = (port: number, bytes: number): string[] => [
  'nc',
  '-ll',
  '-p',
  String(port),
  '-e',
  'head',
  '-c',
  String(bytes),
  '/dev/zero',
];

/** Calls `measure` with a port of the loopback at which a program outside of any container serves so many bytes. */
export async function withServer<T>(rootfs: string, bytes: number, measure: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const [busybox] = bareProgram(rootfs);
  const server = spawn(busybox, serving(port, bytes), { stdio: 'ignore' });
  const ended = once(server, 'exit');
  try {
    await untilServed(port, server);
    return await measure(port);
  } finally {
    server.kill('SIGKILL');
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export async function plain(port: number): Promise<Duplex> {
  const stream = connect(port, '127.0.0.1');
  await once(stream, 'connect');
  return stream;
}

async function untilServed(port: number, server: ChildProcess): Promise<void> {
  while (server.exitCode === null) {
    const stream = await plain(port).catch(() => null);
    if (stream !== null) return void stream.destroy();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the plain server has ended');
}
