import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { type Container, NacelleError } from 'nacelle';

/** What may be asked of one command. Each has a default, and a bound that nobody gets past. */
export interface Command {
  command: string[];
  env?: Record<string, string>;
  input?: string;
  /** ms */
  timeout?: number;
  /** bytes */
  memory?: number;
  /** bytes, of each stream */
  maxOutput?: number;
}

const MIB = 1024 * 1024;
const atMost = (bound: number, wanted: number | undefined, otherwise: number): number => Math.min(wanted || otherwise, bound);

/**
 * Runs a command of its own limits. The answer has a line of JSON for each piece of output, as it comes, and one for the end:
 * `{"stream":"stdout","data":"…"}`, `{"status":"ok","reason":"…","exitCode":0}`.
 */
export async function stream(container: Container, wanted: Command, response: ServerResponse): Promise<void> {
  const left = new AbortController();
  // A client that goes takes its command along.
  response.once('close', () => left.abort());
  const execution = container.exec(wanted.command, {
    env: wanted.env,
    input: wanted.input,
    timeout: atMost(60_000, wanted.timeout, 10_000),
    limits: { memory: atMost(192 * MIB, wanted.memory, 128 * MIB), pidsLimit: 64 },
    maxBuffer: atMost(16 * MIB, wanted.maxOutput, MIB),
    buffer: false,
    cancelSignal: left.signal,
  });
  const say = async (line: object): Promise<void> => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    // When a client reads slowly, the command waits for it, and its time goes on.
    if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal: left.signal });
  };
  const copy = async (name: string, output: Readable | null): Promise<void> => {
    for await (const data of output?.setEncoding('utf8') ?? []) await say({ stream: name, data });
  };
  const copied = Promise.allSettled([copy('stdout', execution.stdout), copy('stderr', execution.stderr)]);
  try {
    const { status, reason, exitCode } = await execution;
    await copied;
    await say({ status, reason, exitCode });
  } catch (error) {
    await copied;
    // There was output before: what is known of the end is all that can still be said.
    if (!response.headersSent) throw error;
    await say({ status: 'error', reason: error instanceof NacelleError ? error.message : 'the server failed', exitCode: null });
  }
  response.end();
}
