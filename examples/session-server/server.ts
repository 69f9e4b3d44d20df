// A server of sessions for AI agents, over HTTP on loopback: each session is a container in which commands run, one after the other or at
// once. index.ts beside it is a client.
//
//   POST   /sessions                      makes one                      {"id":"…","state":"running"}
//   GET    /sessions                      lists them
//   POST   /sessions/ID/exec              runs {"command":["ls"],"timeout":1000,…} and streams its output as lines of JSON
//   PUT    /sessions/ID/files?path=/a/b   writes the body to a file; with the type application/x-tar, unpacks it in a folder
//   GET    /sessions/ID/files?path=/a/b   a tar of a file or folder
//   DELETE /sessions/ID                   removes one
//
// Whoever asks shows the token of the environment's SESSIONS_TOKEN: other users of this machine reach loopback too.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { NacelleError } from 'nacelle';
import { type Command, stream } from './commands.js';
import { Sessions } from './sessions.js';

const { SESSIONS_TOKEN: token = '', SESSIONS_LABEL: label = 'session-server', SESSIONS_IDLE_MS: idle = '60000' } = process.env;
if (token === '') throw new Error('SESSIONS_TOKEN is missing');

const MAX_FILE = 16 * 1024 * 1024;
const MAX_COMMAND = 64 * 1024;

const sessions = await Sessions.find(label, Number(idle));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!mayAsk(request)) return json(response, 401, { error: 'the token is missing or wrong' });
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const [, root, id = '', ...rest] = pathname.split('/');
  const route = `${request.method} ${['', root, ...(id ? ['ID'] : []), ...rest].join('/')}`;
  const path = searchParams.get('path') ?? '';
  switch (route) {
    case 'GET /sessions':
      return json(response, 200, sessions.list());
    case 'POST /sessions': {
      const { id, state } = await sessions.create();
      return json(response, 201, { id, state });
    }
    case 'DELETE /sessions/ID':
      await sessions.remove(id);
      return json(response, 200, {});
    case 'POST /sessions/ID/exec': {
      const session = sessions.get(id);
      const command = parsed(await body(request, MAX_COMMAND));
      return session.use((container) => stream(container, command, response));
    }
    case 'PUT /sessions/ID/files': {
      const { container } = sessions.get(id);
      const isTar = request.headers['content-type'] === 'application/x-tar';
      await container.copyTo(path, isTar ? request : await body(request, MAX_FILE));
      return json(response, 200, {});
    }
    case 'GET /sessions/ID/files': {
      const tar = await sessions.get(id).container.copyFrom(path, { maxBytes: MAX_FILE });
      response.writeHead(200, { 'content-type': 'application/x-tar' });
      return pipeline(tar, response);
    }
    default:
      return json(response, 404, { error: `there is no ${route}` });
  }
}

function mayAsk({ headers }: IncomingMessage): boolean {
  const given = Buffer.from(headers.authorization ?? '');
  const right = Buffer.from(`Bearer ${token}`);
  return given.length === right.length && timingSafeEqual(given, right);
}

async function body(request: IncomingMessage, max: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // The request stays open when there is too much, for the answer that says so.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) throw new NacelleError(`the body has more than ${max} bytes`, { code: 'ERR_TOO_LARGE' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** An object of JSON; its fields are checked by `exec`. */
function parsed(text: Buffer): Command {
  try {
    return { ...JSON.parse(text.toString()) };
  } catch (cause) {
    throw new NacelleError('the body is no JSON', { code: 'ERR_INVALID_OPTION', cause });
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

const STATUS: Record<string, number> = { ERR_INVALID_OPTION: 400, ERR_NO_CONTAINER: 404, ENOENT: 404, ERR_STATE: 409, ERR_TOO_LARGE: 413 };

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = error instanceof NacelleError ? (STATUS[error.code] ?? 422) : 500;
  if (status === 500) console.error(error);
  json(response, status, { error: error instanceof NacelleError ? error.message : 'the server failed' });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => refuse(response, error));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
