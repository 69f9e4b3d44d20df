import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { entries } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { DIGEST, ECHO, FULL, LAST, listening, SENT, SIX, SOURCE, saysAndEnds, TELLS, takesNone } from '../../fixtures/tcp-server.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });

/** What comes back of what is said. */
async function echoed(stream: Duplex, words: string): Promise<string> {
  stream.end(words);
  return text(stream);
}

/** Does some work while a server of this process's own network listens, which no container may be taken for. */
async function besideHostServer(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.end('the host')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    await work(address.port);
  } finally {
    server.close();
    await once(server, 'close');
  }
}

/** Connections to a listener that takes none, until one more would wait. */
async function fill(container: Container): Promise<Duplex[]> {
  const streams: Duplex[] = [];
  for (;;) {
    try {
      streams.push(await container.connect(FULL, { timeout: 300 }));
    } catch (error) {
      expect(error).toMatchObject({ name: 'NacelleError', code: 'ERR_TIMEOUT', message: expect.stringContaining(`port ${FULL}`) });
      return streams;
    }
  }
}

describe('connect()', () => {
  it('is a stream whose sides end one by one, by IPv4 or IPv6', async () => {
    await using container = await listening();
    expect(await echoed(await container.connect(ECHO), 'hello')).toBe('hello');
    expect(await echoed(await container.connect(ECHO, { host: '127.0.0.1' }), 'four')).toBe('four');
    expect(await echoed(await container.connect(SIX), 'either')).toBe('either');
    expect(await echoed(await container.connect(SIX, { host: '::1' }), 'six')).toBe('six');
    // ours ends first
    const first = await container.connect(DIGEST);
    first.end('abc');
    expect(await text(first)).toBe(`3 ${createHash('sha256').update('abc').digest('hex')}`);
    // the other's ends first
    const second = await container.connect(SOURCE);
    for await (const _ of second.iterator({ destroyOnReturn: false }));
    expect(second.readableEnded).toBe(true);
    second.end('afterwards');
    await container.waitFor({ log: 'heard afterwards' });
  });

  it('carries 100 MiB each way as they are, and no faster than they are read', async () => {
    await using container = await listening();
    const chunk = Buffer.alloc(2 ** 16, 'nacelle ');
    const stream = await container.connect(DIGEST);
    const hash = createHash('sha256');
    const chunks = function* (): Generator<Uint8Array> {
      for (let left = SENT; left > 0; left -= chunk.length) {
        hash.update(chunk);
        yield chunk;
      }
    };
    const [answer] = await Promise.all([text(stream), pipeline(chunks, stream)]);
    const digest = hash.digest('hex');
    expect(answer).toBe(`${SENT} ${digest}`);

    const source = await container.connect(SOURCE);
    const read = createHash('sha256');
    let most = 0;
    for await (const part of source) {
      most = Math.max(most, source.readableLength);
      read.update(part);
    }
    expect(read.digest('hex')).toBe(digest);
    expect(most).toBeLessThan(2 ** 20);
  });

  it('a hundred at once, each its own', async () => {
    await using container = await listening();
    const words = Array.from({ length: 100 }, (_, i) => `stream ${i}`);
    expect(await Promise.all(words.map(async (word) => echoed(await container.connect(ECHO), word)))).toEqual(words);
  });

  it('nobody else keeps a connection that this process has closed', async () => {
    await using container = await listening();
    const stream = await container.connect(TELLS);
    stream.destroy();
    await container.waitFor({ log: 'closed' });
  });

  it('leads into the container alone, whoever listens on the host', async () => {
    await besideHostServer(async (port) => {
      await using container = await live();
      await expect(container.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await using shared = await live({ network: 'host' });
      expect(await echoed(await shared.connect(port), '')).toBe('the host');
    });
  });

  it("into another container's network, and a namespace that is joined", async () => {
    await using first = await listening();
    await using second = await live({ network: first });
    expect(await echoed(await second.connect(ECHO), 'joined')).toBe('joined');
    await using net = await first.namespace('net');
    await using third = await live({ network: net });
    expect(await echoed(await third.connect(ECHO), 'given')).toBe('given');
  });

  it('into the network of the run that there is', async () => {
    await using container = await live({ restart: { on: 'failure' }, command: ['nc', '-ll', '-p', '7100', '-e', 'cat'] });
    await container.waitFor({ port: 7100 });
    const first = await container.connect(7100);
    first.end('first');
    expect(await text(first)).toBe('first');
    await container.restart({ timeout: 0 });
    await container.waitFor({ port: 7100 });
    expect(await echoed(await container.connect(7100), 'second')).toBe('second');
  });

  asRoot.it('into a user namespace', async () => {
    await using container = await listening({ userns: 'auto' });
    expect(await echoed(await container.connect(ECHO), 'inside')).toBe('inside');
  });

  it('tells who refuses, with the address and the port', async () => {
    const container = await live();
    const [refused] = await Promise.allSettled([container.connect(7999)]);
    expect(refused).toMatchObject({
      reason: { name: 'SyscallError', code: 'ECONNREFUSED', syscall: 'connect', message: expect.stringContaining('port 7999') },
    });
    expect(refused).toMatchObject({ reason: { message: expect.stringContaining('127.0.0.1') } });
    await expect(container.connect(7999, { host: '::1' })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringContaining('::1'),
    });
    await expect(container.connect(7999, { host: '10.1.2.3' })).rejects.toMatchObject({ code: 'ENETUNREACH' });
    await container.remove({ force: true });
    await expect(container.connect(7999)).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it.each([
    [0, {}, 'port'],
    [65_536, {}, 'port'],
    ['80', {}, 'port'],
    [1.5, {}, 'port'],
    [80, { host: 'localhost' }, 'host'],
    [80, { host: 'fe80::1%eth0' }, 'host'],
    [80, { host: '0x7f.1' }, 'host'],
    [80, { timeout: -1 }, 'timeout'],
    [80, { hots: '::1' }, 'hots'],
  ])('refuses %j with %j', async (port, options, option) => {
    await using container = await Container.create({ image: 'host', command: ['true'] });
    await expect(container.connect(port as number, options as object)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(`option ${option}:`),
    });
  });

  it('before the start nobody listens', async () => {
    await using container = await Container.create({ image: 'host', command: ['true'] });
    await expect(container.connect(80)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a connection that is not taken', () => {
  it('is given up after the timeout, by a cancel, and by the removal', async () => {
    const container = await live({ image: 'host', command: takesNone });
    await container.waitFor({ log: 'ready' });
    const streams = await fill(container);
    const reason = new Error('enough');
    await expect(container.connect(FULL, { cancelSignal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const cancelled = container.connect(FULL, { cancelSignal: controller.signal });
    controller.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    // in the midst of a connect(2)
    const before = entries('/proc/self/fd').length;
    const late = new AbortController();
    const hanging = container.connect(FULL, { cancelSignal: late.signal });
    hanging.catch(() => undefined);
    while (entries('/proc/self/fd').length <= before) await new Promise((resolve) => setTimeout(resolve, 5));
    late.abort(reason);
    await expect(hanging).rejects.toBe(reason);
    const waiting = container.connect(FULL);
    const removed = expect(waiting).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(CLOSED|STATE)$/) });
    await container.remove({ force: true });
    await removed;
    for (const stream of streams) expect(stream.destroyed).toBe(true);
  });
});

describe('the end', () => {
  it('of the container ends the stream, and what was sent before is read', async () => {
    await using container = await live({ image: 'host', command: saysAndEnds });
    await container.waitFor({ log: 'ready' });
    const stream = await container.connect(LAST);
    stream.write('go');
    await container.wait();
    expect(await text(stream)).toBe('x'.repeat(60_000));
  });

  it('of the removal is that of the streams', async () => {
    const container = await listening();
    const stream = await container.connect(ECHO);
    const closed = once(stream, 'close');
    await container.remove({ force: true });
    await closed;
  });
});
