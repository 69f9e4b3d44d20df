import { constants } from 'node:os';
import { invalidOption } from '../../errors.js';
import { nearest } from '../../options/parse-options.js';

export { SIGKILL } from '../../plan/constants.js';
export const SIGTERM = 15;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGSYS = 31;
const SIGRTMAX = 64;

const numbers = new Map<string, number>(Object.entries(constants.signals));
/** The first name of a number is its usual one: SIGABRT before SIGIOT, SIGIO before SIGPOLL. */
const names = new Map<number, NodeJS.Signals>();
for (const [name, number] of Object.entries(constants.signals) as [NodeJS.Signals, number][]) {
  if (!names.has(number)) names.set(number, name);
}

/** The name of a signal, `null` for those without one (real-time signals). */
export function signalName(number: number): NodeJS.Signals | null {
  return names.get(number) ?? null;
}

/** A signal as a sentence needs it: 'SIGTERM', 'signal 34'. */
export function describeSignal(number: number): string {
  return signalName(number) ?? `signal ${number}`;
}

/** What is wrong with a signal, or its number (signal(7)): 1 to 64, or a name such as 'SIGTERM'. */
export function checkSignal(value: unknown): { number: number } | { problem: string } {
  if (typeof value === 'number') {
    const known = Number.isInteger(value) && value >= 1 && value <= SIGRTMAX;
    return known ? { number: value } : { problem: `must be a signal from 1 to ${SIGRTMAX}, not ${value}` };
  }
  if (typeof value !== 'string') return { problem: "must be a signal's name, such as 'SIGTERM', or its number" };
  const number = numbers.get(value);
  if (number !== undefined) return { number };
  const right = nearest(value, [...numbers.keys()]) ?? (numbers.has(`SIG${value.toUpperCase()}`) ? `SIG${value.toUpperCase()}` : undefined);
  return { problem: `must be a signal's name, not ${JSON.stringify(value)}${right ? `; did you mean '${right}'?` : ''}` };
}

/**
 * The number of a signal.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function signalNumber(value: NodeJS.Signals | number, option = 'signal'): number {
  const checked = checkSignal(value);
  if ('problem' in checked) throw invalidOption(option, checked.problem);
  return checked.number;
}
