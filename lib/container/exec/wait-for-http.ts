import { get, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { NacelleError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { type Listener, NO_ANSWER, type Reachable, reach, TRY_TIMEOUT, triedAgain, type Wait } from './wait-for-port.js';

/** So much of an answer's body is read, so that a server which writes a page is not cut off: bytes and ms. */
const MOST_BODY = 65_536;
const BODY_TIMEOUT = 1_000;

/** What is asked for, and which answer will do. */
export interface Question extends Listener {
  readonly http: string;
  readonly status?: number | undefined;
}

/** Resolves when a request is answered with the status. */
export async function httpAnswers(container: Reachable, question: Question, wait: Wait): Promise<void> {
  const { http: path, status: wanted = 200 } = question;
  await triedAgain(wait, async () => {
    const stream = await reach(container, question, wait.signal);
    try {
      const status = await ask(stream, question, wait.signal);
      if (status !== wanted) throw noAnswer(`GET ${path} was answered with ${status}`);
    } finally {
      stream.destroy();
    }
  });
}

/** The status of the answer to one request. @throws NacelleError {@link NO_ANSWER} */
function ask(stream: Duplex, { http: path, port, host = 'localhost' }: Question, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const late = (): void => fail(noAnswer(`GET ${path} was not answered within ${TRY_TIMEOUT} ms`));
    const timer = setTimeout(late, TRY_TIMEOUT);
    const cancel = (): void => fail(signal.reason);
    signal.addEventListener('abort', cancel, { once: true });
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    };
    const fail = (error: unknown): void => {
      settle();
      reject(error);
      stream.destroy();
    };
    const answered = ({ statusCode = 0 }: IncomingMessage): void => {
      settle();
      resolve(statusCode);
    };
    const request = get({ path, host, port, createConnection: () => stream });
    let response: IncomingMessage | null = null;
    request.once('response', (begun) => {
      clearTimeout(timer);
      response = begun;
      readBody(begun, () => answered(begun));
    });
    // without a listener, an answer that begins another protocol would be none
    request.once('upgrade', answered);
    request.on('error', (cause) => {
      // the status has come: how the body ends is of no interest
      if (response === null) fail(noAnswer(`GET ${path}: ${cause.message}`, cause));
      else response.destroy();
    });
  });
}

/** Reads a body to its end, or so much of it as is read of any; `done` is called once. */
function readBody(response: IncomingMessage, done: () => void): void {
  let size = 0;
  const timer = setTimeout(() => response.destroy(), BODY_TIMEOUT);
  response.on('data', (chunk: Uint8Array) => {
    size += chunk.length;
    if (size > MOST_BODY) response.destroy();
  });
  response.on('error', () => undefined);
  response.once('close', () => {
    clearTimeout(timer);
    done();
  });
}

function noAnswer(message: string, cause?: unknown): NacelleError {
  return new NacelleError(message, { code: NO_ANSWER, cause });
}
