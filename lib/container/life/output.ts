import { NacelleError } from '../../errors.js';
import { keptLogs } from '../logs/kept-logs.js';
import { parseLogOptions, readLogs } from '../logs/read-logs.js';
import type { LogOptions, LogRecord } from '../options/container-types.js';
import type { Life } from './life.js';

export function logs(life: Life, options: LogOptions): AsyncIterable<LogRecord> {
  const parsed = parseLogOptions(options);
  const { detached } = life.record.current;
  const { task, program } = life.held;
  if (detached?.logs) return readLogs(detached.logs, parsed, { ended: task.ended, encoding: program.encoding });
  const { stdout, stderr } = program.streams.collected;
  if (stdout || stderr) return keptLogs(program.streams, parsed, { encoding: program.encoding });
  throw new NacelleError(`read the logs of the container ${life.id}: its output goes elsewhere`, { code: 'ERR_STATE' });
}

/** All that the program writes, as text. */
export function follow(life: Life, until: Promise<unknown>): AsyncIterable<LogRecord> {
  const { detached } = life.record.current;
  const { task, program } = life.held;
  const options = { follow: true };
  if (!detached?.logs) return keptLogs(program.streams, options, { encoding: 'utf8', until });
  return readLogs(detached.logs, options, { ended: Promise.race([task.ended, until]), encoding: 'utf8' });
}
