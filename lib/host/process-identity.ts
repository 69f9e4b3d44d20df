import { readIfThere } from '../native/read-if-there.js';

/** A process as /proc/PID/stat tells of it (proc_pid_stat(5)). */
export interface ProcessSeen {
  readonly state: string;
  /** Clock ticks since boot: with the pid it is one process's alone. */
  readonly startTime: string;
}

/** `null` for a process that is not there. */
export function processSeen(pid: number): ProcessSeen | null {
  const text = pid > 0 ? readIfThere(`/proc/${pid}/stat`) : null;
  return text === null ? null : parseStat(text);
}

/** The name of a program may have spaces and brackets: fields are counted from the last bracket. Pure. */
export function parseStat(text: string): ProcessSeen | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? null : { state, startTime };
}

/** Whether the process of this number is the one that was noted, and lives: a zombie has ended. */
export function isLiving(pid: number, startTime: string): boolean {
  const seen = processSeen(pid);
  return seen !== null && seen.startTime === startTime && seen.state !== 'Z' && seen.state !== 'X';
}
