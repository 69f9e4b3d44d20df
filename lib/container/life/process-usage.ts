import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import type { TaskEnd } from '../../native/task.js';

/** What /proc/PID/stat counts in, in ms: USER_HZ is 100 on every architecture that Node runs on. */
const TICK = 10;

/** What a process that runs, and the children that it has waited for, have used until now; `null` when it has ended. @throws SyscallError */
export function processUsage(pid: number): TaskEnd['usage'] | null {
  try {
    return attempt(`read what the process ${pid} has used`, () => {
      const [stat, status] = ['stat', 'status'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1'));
      return parseUsage(stat ?? '', status ?? '');
    });
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}

/** Reads /proc/PID/stat and /proc/PID/status. Pure. */
export function parseUsage(stat: string, status: string): TaskEnd['usage'] {
  // the name of the program may hold spaces and brackets: it ends at the last bracket, and utime is the 14th field (proc(5))
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (number: number): number => Number(fields[number - 3] ?? 0);
  const value = (key: string): number => Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return {
    userMs: TICK * (ticks(14) + ticks(16)),
    systemMs: TICK * (ticks(15) + ticks(17)),
    maxRssBytes: 1024 * value('VmHWM'),
    voluntarySwitches: value('voluntary_ctxt_switches'),
    involuntarySwitches: value('nonvoluntary_ctxt_switches'),
  };
}
