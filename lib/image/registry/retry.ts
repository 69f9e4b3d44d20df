import { codeOf, ImageError, isError } from '../../errors.js';
import { delay, now } from '../../native/clock.js';

/** A server's answer that is no success. */
export class StatusError extends ImageError {
  readonly status: number;
  /** ms to wait before the next try, as the server asks. */
  readonly retryAfter: number | null;

  constructor(message: string, options: { status: number; retryAfter: number | null; code: string }) {
    super(message, { code: options.code });
    this.status = options.status;
    this.retryAfter = options.retryAfter;
  }
}

/** The bytes ended before they should. */
export class CutError extends ImageError {}

export interface RetryPolicy {
  readonly retries: number;
  readonly signal?: AbortSignal | undefined;
}

/** ms of the first pause, which is doubled with each failure. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 15_000;
/** ms. A server that asks for a longer pause than this is not waited for. */
const LONGEST_ASKED = 120_000;

const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504]);
const PASSING_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

/** Does the work, and again after a failure that may be temporary. @throws the last failure, or the signal's reason */
export async function retrying<T>(policy: RetryPolicy, work: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      await pauseOrThrow(error, failures, policy);
    }
  }
}

/** Waits before the next try. @throws the failure, when it is not temporary or no try is left; the signal's reason */
export async function pauseOrThrow(error: unknown, failures: number, { retries, signal }: RetryPolicy): Promise<void> {
  signal?.throwIfAborted();
  const pause = failures < retries ? pauseAfter(error, failures) : null;
  if (pause === null) throw error;
  try {
    await delay(pause, undefined, signal ? { signal } : {});
  } catch {
    signal?.throwIfAborted();
  }
}

/** Whether the same request may succeed later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof StatusError) return PASSING_STATUS.has(error.status);
  return error instanceof CutError || PASSING_CODES.has(connectionCodeOf(error));
}

/** The pause before the next try, ms; `null`: the failure is not temporary. */
export function pauseAfter(error: unknown, failures: number, random: () => number = Math.random): number | null {
  if (!mayPass(error)) return null;
  if (error instanceof StatusError && error.retryAfter !== null) return error.retryAfter <= LONGEST_ASKED ? error.retryAfter : null;
  // the pause is random, so that many clients that were cut by the same failure don't come back all at once
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures) * (0.5 + random() / 2);
}

/** The code of an error of Node's or of undici's; when several addresses were tried, the first one's. */
export function connectionCodeOf(error: unknown): string {
  const [first]: readonly unknown[] = isError(error) && 'errors' in error && Array.isArray(error.errors) ? error.errors : [];
  return codeOf(error) ?? codeOf(first) ?? '';
}

/** ms of a Retry-After: seconds, or a date (RFC 9110, section 10.2.3). `null`: none that can be read. */
export function parseRetryAfter(value: string | undefined, nowMs = now()): number | null {
  if (value === undefined) return null;
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = /^\s*[A-Z][a-z]{2,}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
