import { constants } from 'node:os';

const SIGNALS = new Map<string, number>(Object.entries(constants.signals));
/** signal(7), as the C library numbers them: the first two real-time signals are its own. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * The number of an image's StopSignal: a name with or without SIG in any case, 'SIGRTMIN+3', 'RTMAX-1' or a number (config.md, "StopSignal").
 * `null`: it is none.
 */
export function parseStopSignal(text: string): number | null {
  if (/^\d+$/.test(text)) return valid(Number(text), 1);
  const name = text.toUpperCase().replace(/^SIG/, '');
  const [, base, sign = '+', offset = '0'] = /^(RTMIN|RTMAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (base !== undefined) return valid((base === 'RTMIN' ? SIGRTMIN : SIGRTMAX) + Number(`${sign}${offset}`), SIGRTMIN);
  return SIGNALS.get(`SIG${name}`) ?? null;
}

function valid(number: number, first: number): number | null {
  return number >= first && number <= SIGRTMAX ? number : null;
}
