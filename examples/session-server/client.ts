import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A line of a command's answer: a piece of its output, or its end. */
export interface Line {
  stream?: 'stdout' | 'stderr';
  data?: string;
  status?: string;
  exitCode?: number | null;
}

/** The server as a process of its own. */
export class Server {
  private constructor(
    private readonly child: ChildProcess,
    readonly address: string,
  ) {}

  static async start(env: Record<string, string>): Promise<Server> {
    const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('server.ts', import.meta.url))], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    for await (const line of createInterface({ input: child.stdout })) {
      return new Server(child, `http://127.0.0.1:${JSON.parse(line).port}`);
    }
    throw new Error('the server ended before it listened');
  }

  async kill(): Promise<void> {
    const ended = once(this.child, 'exit');
    if (this.child.kill('SIGKILL')) await ended;
  }
}

/** What an agent calls. */
export class Client {
  constructor(
    readonly address: string,
    readonly token: string,
  ) {}

  ask(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>, type = 'application/json'): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': type };
    return fetch(this.address + path, { method, headers, ...(body === undefined ? {} : { body }) });
  }

  async create(): Promise<string> {
    const { id } = await json<{ id: string }>(await this.ask('POST', '/sessions'));
    return id;
  }

  async list(): Promise<{ id: string; state: string }[]> {
    return json(await this.ask('GET', '/sessions'));
  }

  async put(id: string, path: string, content: string): Promise<void> {
    await json(await this.ask('PUT', `/sessions/${id}/files?path=${encodeURIComponent(path)}`, content));
  }

  /** The lines of a command's answer while it runs. */
  async *exec(id: string, command: string[], limits: object = {}): AsyncGenerator<Line> {
    const response = await this.ask('POST', `/sessions/${id}/exec`, JSON.stringify({ command, ...limits }));
    assert.equal(response.status, 200);
    let rest = '';
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line);
    }
  }

  /** All of it. */
  async run(id: string, command: string[], limits: object = {}): Promise<{ output: string; end: Line }> {
    let output = '';
    let end: Line = {};
    for await (const line of this.exec(id, command, limits)) {
      output += line.data ?? '';
      end = line;
    }
    return { output, end };
  }
}

async function json<T>(response: Response): Promise<T> {
  assert.ok(response.ok, `${response.url} answered ${response.status}`);
  return (await response.json()) as T;
}
