import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { httpAnswers, type Question } from '../../../../lib/container/exec/wait-for-http.js';
import { portOpens, type Reachable } from '../../../../lib/container/exec/wait-for-port.js';
import { NacelleError } from '../../../../lib/errors.js';

const open: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of open.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  }
});

/** A server whose connections are served by these in turn, the last one from then on. */
async function serving(
  ...serve: readonly ((socket: Socket, request: string) => void)[]
): Promise<Reachable & { readonly asked: string[] }> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (request) => {
      asked.push(request.toString());
      serve[Math.min(asked.length, serve.length) - 1]?.(socket, request.toString());
    });
  }).listen(0, '127.0.0.1');
  open.push({ server, sockets });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const reachable = async (): Promise<Socket> => {
    const stream = connect(address.port, '127.0.0.1');
    await once(stream, 'connect');
    return stream;
  };
  return { asked, connect: reachable };
}

const answer =
  (status: string, more = '') =>
  (socket: Socket) =>
    void socket.write(`HTTP/1.1 ${status}\r\n${more}\r\n`);
const good = answer('200 OK', 'Content-Length: 0\r\n');

async function waited(container: Reachable, question: Partial<Question> = {}): Promise<{ last: string }> {
  const seen = { last: '' };
  await httpAnswers(container, { http: '/health', port: 8080, ...question }, { seen, signal: new AbortController().signal });
  return seen;
}

describe('an answer by HTTP', () => {
  it('is asked for by one GET that keeps nothing open', async () => {
    const container = await serving(good);
    expect(await waited(container)).toEqual({ last: '' });
    expect(container.asked).toEqual([expect.stringMatching(/^GET \/health HTTP\/1\.1\r\nHost: localhost:8080\r\nConnection: close\r\n/)]);
    await waited(container, { host: '::1', port: 80 });
    expect(container.asked[1]).toContain('\r\nHost: [::1]:80\r\n');
  });

  it.each([
    ['another status', answer('503 Busy', 'Content-Length: 0\r\n'), 'GET /health was answered with 503'],
    ['a redirect, which is not followed', answer('302 Found', 'Location: /\r\nContent-Length: 0\r\n'), 'answered with 302'],
    ['what is no HTTP', (socket: Socket) => void socket.end('+PONG\r\n'), 'GET /health: Parse Error'],
    ['an end without a word', (socket: Socket) => void socket.end(), 'GET /health: socket hang up'],
    ['an end in the midst of the headers', (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\nA: '), 'GET /health: '],
    ['a reset', (socket: Socket) => void socket.resetAndDestroy(), 'ECONNRESET'],
    ['headers without end', (socket: Socket) => void socket.write(`HTTP/1.1 200 OK\r\na: ${'x'.repeat(2 ** 20)}`), 'overflow'],
    ['another protocol', answer('101 Switching', 'Upgrade: x\r\nConnection: upgrade\r\n'), 'answered with 101'],
  ])('%s is not one: it is asked for again', async (_, first, told) => {
    const container = await serving(first, good);
    expect((await waited(container)).last).toContain(told);
    expect(container.asked).toHaveLength(2);
  });

  it('a status that was asked for', async () => {
    expect(await waited(await serving(answer('401 No', 'Content-Length: 0\r\n')), { status: 401 })).toEqual({ last: '' });
  });

  it('no more of a body is read than there is room for, and one without end is not waited for', async () => {
    let written = 0;
    const flood = (socket: Socket): void => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
      const more = (): void => {
        while (socket.writable && socket.write('x'.repeat(65_536))) written += 65_536;
        socket.once('drain', more);
      };
      more();
    };
    await waited(await serving(flood));
    expect(written).toBeLessThan(1_000_000_000);
    await waited(await serving(answer('200 OK', 'Content-Type: text/event-stream\r\n')));
  });

  it('a body that is cut off changes nothing', async () => {
    expect(await waited(await serving((socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab')))).toEqual({
      last: '',
    });
  });

  it('who accepts and never answers is asked again', async () => {
    const container = await serving(() => undefined, good);
    expect((await waited(container)).last).toContain('not answered within 5000 ms');
    expect(container.asked).toHaveLength(2);
  });

  it('a signal ends a request', async () => {
    const container = await serving(() => controller.abort(new Error('enough')));
    const controller = new AbortController();
    const asking = httpAnswers(container, { http: '/', port: 80 }, { seen: { last: '' }, signal: controller.signal });
    await expect(asking).rejects.toThrow('enough');
  });
});

describe('a port', () => {
  it('is tried while nobody listens, and no longer when something else is wrong', async () => {
    const codes = ['ECONNREFUSED', 'EHOSTUNREACH', 'ERR_TIMEOUT', 'ERR_STATE', 'ERR_UNSUPPORTED'];
    const tried: string[] = [];
    const container: Reachable = {
      connect: async () => {
        const code = codes[tried.length] ?? '';
        tried.push(code);
        throw new NacelleError(`it is ${code}`, { code });
      },
    };
    const seen = { last: '' };
    const waiting = portOpens(container, { port: 80 }, { seen, signal: new AbortController().signal });
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect(tried).toEqual(codes);
    expect(seen.last).toBe('it is ERR_STATE');
  });
});
