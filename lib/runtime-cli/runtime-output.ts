import type { TaskEnd } from '../native/task.js';

/** Writes a line to standard output. @returns the exit status of success */
export function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

/** The status by which a shell tells of a program's end: 128 + n for a signal. Pure. */
export function shellStatus({ exit }: Pick<TaskEnd, 'exit'>): number {
  return exit.kind === 'exited' ? exit.value : 128 + exit.value;
}
