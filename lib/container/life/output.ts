import { NacelleError } from '../../errors.js';
import { keptLogs } from '../logs/kept-logs.js';
import { parseLogOptions, readLogs } from '../logs/read-logs.js';
import type { LogOptions, LogRecord } from '../options/log-types.js';
import type { Life } from './life.js';

export function logs(life: Life, options: LogOptions): AsyncIterable<LogRecord> {
  const parsed = parseLogOptions(options);
  const { task, program } = life.held;
  const folder = placeOf(life);
  if (folder === null) return keptLogs(program.streams, parsed, { encoding: program.encoding });
  return readLogs(folder, parsed, { ended: task.ended, encoding: program.encoding });
}

/** All that the program writes, as text. */
export function follow(life: Life, until: Promise<unknown>): AsyncIterable<LogRecord> {
  const { task, program } = life.held;
  const folder = placeOf(life);
  const options = { follow: true };
  if (folder === null) return keptLogs(program.streams, options, { encoding: 'utf8', until });
  return readLogs(folder, options, { ended: Promise.race([task.ended, until]), encoding: 'utf8' });
}

/** The folder of the log; `null` where the output is kept for the result. @throws NacelleError `ERR_STATE` */
function placeOf({ id, record, held }: Life): string | null {
  const folder = record.current.detached?.logs ?? null;
  const { stdout, stderr } = held.program.streams.collected;
  if (folder !== null || stdout || stderr) return folder;
  throw new NacelleError(`read the logs of the container ${id}: its output goes elsewhere`, { code: 'ERR_STATE' });
}
