import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import type { LinkStats } from '../../process/options/process-types.js';

/** What the links of a process's network namespace have counted, by name; `null` when the process has ended. @throws SyscallError */
export function networkUsage(pid: number): Record<string, LinkStats> | null {
  try {
    return attempt(`read what the links of the process ${pid} have counted`, () =>
      parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'latin1')),
    );
  } catch (error) {
    // EINVAL: it has ended, and was not waited for yet
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EINVAL')) return null;
    throw error;
  }
}

/**
 * Reads /proc/PID/net/dev (proc_pid_net(5)): two lines of heads, then a line for each link with eight counters of what it received (bytes,
 * packets, errors, dropped, …) and eight of what it sent. Pure.
 */
export function parseNetDev(text: string): Record<string, LinkStats> {
  const lines = text.split('\n').slice(2);
  return Object.fromEntries(lines.flatMap(parseLine).filter(([name]) => name !== 'lo'));
}

/** No name has a colon or spaces, and a long counter follows the colon without a space. */
function parseLine(line: string): [string, LinkStats][] {
  const [, name, numbers = ''] = /^ *([^ :]+):(.*)$/.exec(line) ?? [];
  if (name === undefined) return [];
  const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0, , , , , txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = numbers
    .trim()
    .split(/ +/)
    .map(Number);
  return [[name, { rxBytes, txBytes, rxPackets, txPackets, rxErrors, txErrors, rxDropped, txDropped }]];
}
