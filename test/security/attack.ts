import { geteuid } from 'node:process';
import { inspect } from 'node:util';
import { privilege } from '../../lib/host/privilege.js';
import type { Needs } from '../fixtures/requires.js';
import { admitTools } from '../fixtures/tools.js';

/** Who runs these tests, and so whose containers they are. */
export type Caller = 'root' | 'user';
export const caller: Caller = geteuid?.() === 0 ? 'root' : 'user';

/** Whether the containers of an ordinary user have more than one id. */
export function hasIds(): boolean {
  admitTools(['newuidmap', 'newgidmap']);
  const own = privilege();
  return own.kind === 'user' && own.whyOne === null;
}

/** Some callers alone, and why not the others. */
export interface Only {
  readonly callers: 'root' | 'whoever has several ids';
  readonly why: string;
}

/** An attack that nothing is to be seen of in the containers of an ordinary user. */
export function rootOnly(why: string): Only {
  return { callers: 'root', why };
}

/** An attack that takes more than one user inside: those of an ordinary user have that only with subordinate ids. */
export const needsIds: Only = { callers: 'whoever has several ids', why: 'an ordinary user otherwise has one id inside' };

/**
 * Whether an attack is tried by whoever runs these tests. A user with subordinate ids tries what one without can't, for all else is the same;
 * in `npm run soak` all.
 */
export function isTried({ as }: Attack): boolean {
  if (caller === 'root') return true;
  if (as !== undefined) return as.callers !== 'root' && hasIds();
  return !hasIds() || process.env.NACELLE_SOAK === '1';
}

/** One run of an attack, and what it has to say at its end: one line. */
export interface Trial {
  /** What differs from the defaults, for the reader; '' for nothing. */
  readonly setting: string;
  readonly says: string;
  run(): Promise<string>;
}

/** Why nobody can see the attack succeed. */
export interface Unshown {
  readonly why: string;
}

interface Facts {
  /** What the program does, or somebody who is as hostile. */
  readonly attack: string;
  /** Vulnerabilities by their numbers; else what the attack is known by. */
  readonly source: string;
  /** What stops the attack. */
  readonly protection: string;
  /** Of the machine, besides what all attacks need: busybox and a compiler. */
  readonly needs?: Needs;
  /** In whose containers the attack is tried, where it is not in those of everybody. */
  readonly as?: Only;
}

export interface Attack extends Facts {
  /** As things are: it fails. */
  readonly on: Trial;
  /** With that protection away: it succeeds, so the protection is what stopped it. */
  readonly off: Trial | Unshown;
}

/** An attack that is tried twice in the same way, with two settings. */
interface Tried<S> extends Facts {
  readonly tries: (setting: S) => Promise<string>;
  /** A setting, and what the attack says then. */
  readonly on: readonly [setting: S, says: string];
  readonly off: readonly [setting: S, says: string] | Trial | Unshown;
}

export function attack<S>({ tries, on, off, ...facts }: Tried<S>): Attack {
  const trial = ([setting, says]: readonly [S, string]): Trial => ({ setting: wordsOf(setting), says, run: () => tries(setting) });
  return { ...facts, on: trial(on), off: isTrial(off) ? off : trial(off) };
}

/** The protection is away in what does the same by hand, as others do or once did. */
export function byHand(setting: string, says: string, run: () => Promise<string>): Trial {
  return { setting, says, run };
}

function isTrial(off: object): off is Trial | Unshown {
  return !Array.isArray(off);
}

function wordsOf(setting: unknown): string {
  const words = inspect(setting, { breakLength: Number.POSITIVE_INFINITY, depth: 9, maxStringLength: null });
  return words === '{}' ? '' : words.replace(/^\{ (.*) \}$/s, '$1');
}
