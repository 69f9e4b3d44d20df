import { invalidOption } from '../../errors.js';

/** The keys that end a connection, as the bytes that they send. */
export type DetachKeys = readonly number[];

/** What a terminal sends for 'ctrl-' and one of these: the place in this list. */
const CONTROLS = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/**
 * Reads keys as docker has them: 'ctrl-p,ctrl-q', 'a,ctrl-]'. Without any, nothing ends the connection.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function parseDetachKeys(text: string): DetachKeys {
  if (text === '') return [];
  return text.split(',').map((key) => {
    const control = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase();
    const byte = control === undefined ? (/^[!-~]$/.test(key) ? key.charCodeAt(0) : -1) : CONTROLS.indexOf(control);
    if (byte >= 0) return byte;
    throw invalidOption('detachKeys', `must be keys such as 'ctrl-p,ctrl-q': a letter, or ctrl- and one of ${CONTROLS}, not '${key}'`);
  });
}

/** What to do with bytes that were typed. */
export interface Typed {
  readonly send: Uint8Array;
  /** How many of the keys were typed so far: they are held back until the next byte shows whether they are meant. */
  readonly held: number;
  readonly isDetach: boolean;
}

/** Looks for the keys in what is typed, of which `held` were there before. What comes after them is dropped. */
export function matchKeys(keys: DetachKeys, held: number, typed: Uint8Array): Typed {
  if (keys.length === 0) return { send: typed, held: 0, isDetach: false };
  const send: number[] = [];
  let known = held;
  for (const byte of typed) {
    while (known > 0 && keys[known] !== byte) {
      const still = beginningAgain(keys, known);
      send.push(...keys.slice(0, known - still));
      known = still;
    }
    if (keys[known] === byte) known += 1;
    else send.push(byte);
    if (known === keys.length) return { send: Uint8Array.from(send), held: 0, isDetach: true };
  }
  return { send: Uint8Array.from(send), held: known, isDetach: false };
}

/** How many of the first `length` keys are still a beginning when the first of them is let go: the next smaller border of the text. */
function beginningAgain(keys: DetachKeys, length: number): number {
  let border = length - 1;
  while (border > 0 && !keys.slice(0, border).every((key, i) => key === keys[length - border + i])) border -= 1;
  return border;
}
