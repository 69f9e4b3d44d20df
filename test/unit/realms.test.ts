import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { codeOf, errnoOf, hasCode, isError, toError } from '../../lib/errors.js';
import { abortSignal, bytes, date } from '../../lib/options/common-schemas.js';
import { parseProgramOptions } from '../../lib/process/options/process-options.js';

/** Of a realm of its own, as in Jest the core's objects are. */
const elsewhere = (code: string): unknown => runInNewContext(code, { AbortSignal: undefined });

describe('errors of another realm', () => {
  const failed: unknown = elsewhere("Object.assign(new Error('not there'), { code: 'ENOENT', errno: -2 })");

  it('are errors', () => {
    expect(failed instanceof Error).toBe(false);
    expect(toError(failed)).toBe(failed);
    expect([codeOf(failed), errnoOf(failed), hasCode(failed, 'EEXIST', 'ENOENT')]).toEqual(['ENOENT', 2, true]);
  });

  it('are told from what only looks alike', () => {
    const alike = { code: 'ENOENT', errno: -2, message: 'not there', stack: '' };
    expect([isError(alike), codeOf(alike), errnoOf(alike), hasCode(undefined, 'ENOENT')]).toEqual([false, undefined, undefined, false]);
    expect(toError('thrown').message).toBe('thrown');
  });

  it('and those of this one as ever', async () => {
    const { reason } = AbortSignal.abort();
    expect([isError(reason), isError(new TypeError('x'))]).toEqual([true, true]);
    const missing = await readFile('/nowhere').catch((error: unknown) => error);
    expect([codeOf(missing), errnoOf(missing)]).toEqual(['ENOENT', 2]);
  });
});

describe('options of another realm', () => {
  it('are bytes, dates and signals all the same', () => {
    expect(bytes.safeParse(elsewhere('Uint8Array.of(1)')).success).toBe(true);
    expect(date.safeParse(elsewhere('new Date(0)')).success).toBe(true);
    const signal = Object.assign(new EventTarget(), { aborted: false, reason: undefined, throwIfAborted: () => undefined });
    expect(abortSignal.safeParse(signal).success).toBe(true);
    expect(parseProgramOptions({ input: elsewhere('Uint8Array.of(1)') }).input).toHaveLength(1);
  });

  it('are refused when they are not', () => {
    for (const wrong of ['new Uint16Array(1)', '[1]', '({ length: 0 })']) expect(bytes.safeParse(elsewhere(wrong)).success).toBe(false);
    for (const wrong of ['0', "'2024-01-01'", 'new Date(NaN)']) expect(date.safeParse(elsewhere(wrong)).success).toBe(false);
    for (const wrong of ['null', '({ aborted: false })', "'x'"]) expect(abortSignal.safeParse(elsewhere(wrong)).success).toBe(false);
  });
});
