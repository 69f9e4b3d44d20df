import { ImageError } from '../../errors.js';

/** Far more than any document of an image has. Past some thousands of levels who writes them again runs out of stack. */
const MAX_DEPTH = 100;

/** Reads JSON that a stranger wrote. @throws ImageError when it is none, or nested too deep */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError(`${what} is no JSON`, { cause });
  }
  // level by level, for a call for each would run out of stack itself
  let level: readonly unknown[] = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new ImageError(`${what} is nested deeper than ${MAX_DEPTH} levels`);
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return json;
}
