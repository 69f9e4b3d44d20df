import * as z from 'zod';
import { parseRetryAfter, StatusError } from './retry.js';
import { type HttpResponse, readAll } from './transport.js';

/** What a registry says of an error (distribution specification, "Error Codes"). */
const errorBody = z.looseObject({ errors: z.array(z.looseObject({ code: z.string(), message: z.string().optional() })).min(1) });
const MAX_ERROR = 64 * 1024;

const CODES: Readonly<Record<number, string>> = { 401: 'ERR_UNAUTHORIZED', 403: 'ERR_UNAUTHORIZED', 404: 'ERR_NO_IMAGE' };

/** The error for an answer that is no success, with what the server says; the body is read. */
export async function failureOf({ status, headers, body }: HttpResponse, what: string): Promise<StatusError> {
  const text = await readAll(body, MAX_ERROR, 'the answer').catch(() => Buffer.alloc(0));
  const said = saidIn(text.toString());
  const after = headers['retry-after'];
  // Docker Hub doesn't tell a client without credentials which of the two it is
  const hint = status === 401 ? ': it needs (other) credentials, or is not there' : '';
  return new StatusError(`${what}: the answer was ${status}${said === '' ? '' : `, ${said}`}${hint}`, {
    status,
    retryAfter: parseRetryAfter(after),
    code: CODES[status] ?? 'ERR_IMAGE',
  });
}

/** What the server says of the error. A stranger wrote it, and it goes into a message: so it is made one line, and not a long one. */
function saidIn(text: string): string {
  const words = (value: string): string =>
    value
      .replace(/[^\x20-\x7e]+/g, ' ')
      .trim()
      .slice(0, 300);
  try {
    const [first] = errorBody.parse(JSON.parse(text)).errors;
    return first ? words([first.code, first.message].filter(Boolean).join(': ')) : '';
  } catch {
    return text.startsWith('<') ? '' : words(text);
  }
}
