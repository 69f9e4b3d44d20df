import type { ParsedProcess } from '../../process/options/process-options.js';

/** What a program at a terminal finds in its environment where nobody says otherwise: every image knows this kind of terminal. */
export function terminalEnvironment(tty: ParsedProcess['tty']): Readonly<Record<string, string>> {
  return tty === null ? {} : { TERM: 'xterm' };
}
