import { NacelleError } from '../errors.js';
import { MAX_DEPTH, readJson } from './lined-json.js';

/**
 * A file's text as JSON whose whole numbers are exact: bigints where numbers can't be. Pure.
 *
 * @param file what is told of in errors
 * @throws NacelleError `ERR_INVALID_OPTION`, with the line
 */
export function exactJson(file: string, text: string, maxDepth = MAX_DEPTH): unknown {
  const json = readJson(text, maxDepth);
  if ('problem' in json) throw new NacelleError(`${file}, line ${json.line} ${json.problem}`, { code: 'ERR_INVALID_OPTION' });
  return json.value;
}

/** As many digits as 2^53 has: JSON.parse may round such a number. */
const LONG = /\d{16}/;

/**
 * The same of a file that this library has written itself, which has no key twice. Where nothing can be rounded, that is JSON.parse, which takes
 * less than a tenth of the time: every command of a runtime reads such a file. Pure.
 *
 * @throws as {@link exactJson}
 */
export function ownJson(file: string, text: string, maxDepth = MAX_DEPTH): unknown {
  if (LONG.test(text)) return exactJson(file, text, maxDepth);
  try {
    return JSON.parse(text);
  } catch {
    // the other reader knows the line
    return exactJson(file, text, maxDepth);
  }
}

/**
 * What was read with the nearest number in the place of each bigint. Pure.
 *
 * @param kept the path of a value that stays as it is
 */
export function withNumbers(value: unknown, kept: readonly string[] | null = null): unknown {
  if (kept?.length === 0) return value;
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map((item) => withNumbers(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, withNumbers(part, kept !== null && key === kept[0] ? kept.slice(1) : null)]),
  );
}
