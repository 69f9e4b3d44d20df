import { describe, expect, it } from 'vitest';
import { CutError, parseRetryAfter, pauseAfter, retrying, StatusError } from '../../../../lib/image/registry/retry.js';

const status = (value: number, retryAfter: number | null = null): StatusError =>
  new StatusError('x', { status: value, retryAfter, code: 'ERR_IMAGE' });
const withCode = (code: string): Error => Object.assign(new Error(code), { code });

describe('pauseAfter', () => {
  it('doubles, up to a bound, and is spread', () => {
    const pauses = (random: number) => [0, 1, 2, 20].map((failures) => pauseAfter(new CutError('x'), failures, () => random));
    expect(pauses(1)).toEqual([200, 400, 800, 15_000]);
    expect(pauses(0)).toEqual([100, 200, 400, 7500]);
  });

  it('is what the server asks for, if it is not too long', () => {
    expect(pauseAfter(status(429, 3000), 0)).toBe(3000);
    expect(pauseAfter(status(503, 0), 5)).toBe(0);
    expect(pauseAfter(status(429, 3_600_000), 0)).toBeNull();
  });

  it.each([408, 429, 500, 502, 503, 504])('is taken after %i', (value) => expect(pauseAfter(status(value), 0)).not.toBeNull());
  it.each([400, 401, 403, 404, 405, 501])('is none after %i', (value) => expect(pauseAfter(status(value), 0)).toBeNull());
  it.each(['ECONNRESET', 'ECONNREFUSED', 'EAI_AGAIN', 'UND_ERR_SOCKET', 'UND_ERR_BODY_TIMEOUT'])('is taken after %s', (code) =>
    expect(pauseAfter(withCode(code), 0)).not.toBeNull(),
  );
  it.each(['ENOTFOUND', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', ''])('is none after %j', (code) =>
    expect(pauseAfter(withCode(code), 0)).toBeNull(),
  );

  it('looks into what failed at several addresses', () => {
    expect(pauseAfter(new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')]), 0)).not.toBeNull();
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    ['0', 0],
    [' 12 ', 12_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['soon', null],
    ['-1', null],
    [undefined, null],
  ])('%j', (value, expected) => expect(parseRetryAfter(value, now)).toBe(expected));
});

describe('retrying', () => {
  it('throws the last failure when it was tried often enough', async () => {
    let times = 0;
    const failing = retrying({ retries: 3 }, () => Promise.reject(status(503, ++times && 0)));
    await expect(failing).rejects.toMatchObject({ status: 503 });
    expect(times).toBe(4);
  });

  it('does not wait for what was cancelled', async () => {
    const controller = new AbortController();
    const failing = retrying({ retries: 3, signal: controller.signal }, async () => {
      setImmediate(() => controller.abort(new Error('enough')));
      throw status(503, 100_000);
    });
    await expect(failing).rejects.toThrow('enough');
  });
});
