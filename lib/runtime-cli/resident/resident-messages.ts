import { NacelleError } from '../../errors.js';

/** The types of addon/shim/front/resident.h. */
export const Message = { ask: 1, spawn: 2, go: 3, wait: 4, ended: 5, done: 6, decline: 7, forward: 8, signal: 9, hears: 10 } as const;

/** What a front asks for. */
export interface Ask {
  /** Which files the package of the front is: see package-files.ts. */
  readonly package: string;
  readonly cwd: string;
  /** The front's numbers of the descriptors beside the message. */
  readonly numbers: readonly number[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Reads the body of `ask`. Pure. @throws NacelleError for what can't be understood */
export function decodeAsk(body: Buffer): Ask {
  const [files, cwd, numbers, count, ...rest] = strings(body);
  const most = Number(count);
  if (files === undefined || cwd?.startsWith('/') !== true || numbers === undefined || !/^\d{1,6}$/.test(count ?? '') || most > rest.length)
    throw wrong();
  const named = numbers.split(' ').map((text) => {
    if (!/^\d{1,4}$/.test(text)) throw wrong();
    return Number(text);
  });
  const variables = rest.slice(most).map((entry): [string, string] => {
    const equals = entry.indexOf('=');
    // as Node has those of its own
    return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
  });
  return { package: files, cwd, numbers: named, args: rest.slice(0, most), env: Object.fromEntries(variables) };
}

/** The body of a message. Pure. */
export function encodeStrings(...texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\0`).join(''));
}

/** Reads the body of `signal`. Pure. @param asked the signals that the front was asked for @throws NacelleError for others, and what can't be understood */
export function decodeSignal(body: Buffer, asked: ReadonlySet<number>): number {
  const [text, ...rest] = strings(body);
  const number = Number(text);
  if (!/^[1-9]\d?$/.test(text ?? '') || rest.length > 0 || !asked.has(number)) throw wrong();
  return number;
}

function strings(body: Buffer): string[] {
  const texts = body.toString().split('\0');
  if (texts.pop() !== '') throw wrong();
  return texts;
}

const wrong = (): NacelleError => new NacelleError('a front has asked for what can not be understood', { code: 'ERR_STATE' });
