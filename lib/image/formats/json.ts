import { ImageError } from '../../errors.js';

/**
 * Levels of nesting, far more than any document of an image has. With some thousands of them, writing the document again would run out of
 * stack.
 */
const MAX_DEPTH = 100;

/** Reads JSON that a stranger wrote. @throws ImageError when it is none, or nested too deep */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError(`${what} is no JSON`, { cause });
  }
  // the levels are counted in a loop, for a call for each would run out of stack itself
  let level: readonly unknown[] = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new ImageError(`${what} is nested deeper than ${MAX_DEPTH} levels`);
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return json;
}
