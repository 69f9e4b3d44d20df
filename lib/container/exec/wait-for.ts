import { types } from 'node:util';
import * as z from 'zod';
import { hasCode, NacelleError } from '../../errors.js';
import { delay as pause } from '../../native/clock.js';
import { abortSignal, delay, text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { commandSchema } from '../../process/options/process-options.js';
import type { Encoding, RunResult } from '../../process/options/process-types.js';
import { ContainerRunError } from '../../process/run-error.js';
import { hostAddress, portNumber } from '../options/connect-options.js';
import type { LogRecord } from '../options/log-types.js';
import type { WaitCondition, WaitOptions } from '../options/wait-types.js';
import { httpAnswers } from './wait-for-http.js';
import { portOpens, type Reachable } from './wait-for-port.js';

/** ms */
const DEFAULT_TIMEOUT = 60_000;
/** Between two runs of a command, ms: doubled each time. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;
/** Characters of what was seen last that a message shows. */
const SHOWN = 500;

/** What a request's first line takes as it is. */
const HTTP_PATH = /^\/[\x21-\x7e]*$/;

const regexp = z.custom<RegExp>((value) => types.isRegExp(value), 'must be a string or a RegExp');
const conditionSchema = z.union(
  [
    z.strictObject({ log: z.union([text, regexp]) }),
    z.strictObject({ command: commandSchema }),
    z.strictObject({ healthy: z.literal(true) }),
    z.strictObject({ port: portNumber, host: hostAddress.optional() }),
    z.strictObject({
      http: text.regex(HTTP_PATH, "must be a path: '/', then characters that need no escape in a URL"),
      port: portNumber,
      host: hostAddress.optional(),
      status: z.int().min(200).max(599).optional(),
    }),
  ],
  { error: 'must be { log }, { command }, { healthy: true }, { port } or { http, port }' },
);
const optionsSchema = z.strictObject({ timeout: delay.optional(), cancelSignal: abortSignal.optional() });

/** What is asked of a container while something is waited for. */
export interface Waitable extends Reachable {
  readonly id: string;
  /** What it writes, from the beginning until its end or until the promise has settled. */
  follow(until: Promise<unknown>): AsyncIterable<LogRecord>;
  tryCommand(command: readonly string[], cancelSignal: AbortSignal): Promise<RunResult>;
  /** Resolves when its healthcheck succeeds; `see` hears of what the last one said. */
  healthy(signal: AbortSignal, see: (last: string) => void): Promise<void>;
  ended(cancelSignal: AbortSignal): Promise<RunResult<Encoding>>;
}

/** Waits until a condition holds. @throws as `Container.waitFor` */
export async function waitFor(container: Waitable, wanted: WaitCondition, options: WaitOptions): Promise<void> {
  const condition = parseOptions(conditionSchema, wanted, 'condition');
  const { timeout = DEFAULT_TIMEOUT, cancelSignal } = parseOptions(optionsSchema, options, 'options');
  cancelSignal?.throwIfAborted();
  const seen = { last: '' };
  const over = new AbortController();
  const isOver = new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }));
  const what = wordsOf(condition);
  const tooLate = async (): Promise<never> => {
    await pause(timeout, undefined, { signal: over.signal });
    const shown = seen.last === '' ? 'nothing was seen' : `what was seen last: ${seen.last.slice(-SHOWN)}`;
    throw new NacelleError(`wait for ${what} of the container ${container.id}: not within ${timeout} ms; ${shown}`, {
      code: 'ERR_TIMEOUT',
    });
  };
  const ended = async (): Promise<void> => {
    const result = await container.ended(over.signal);
    // the end may have come with the line that was waited for
    if ('log' in condition && (await lineComes(container.follow(isOver), condition.log, seen))) return;
    throw new ContainerRunError(result);
  };
  const holds = async (): Promise<void> => {
    if ('command' in condition) return commandSucceeds(container, condition.command, { seen, signal: over.signal });
    if ('healthy' in condition) {
      return container.healthy(over.signal, (last) => {
        seen.last = last;
      });
    }
    if ('http' in condition) return httpAnswers(container, condition, { seen, signal: over.signal });
    if ('port' in condition) return portOpens(container, condition, { seen, signal: over.signal });
    if (!(await lineComes(container.follow(isOver), condition.log, seen))) await new Promise<void>(() => undefined);
  };
  const cancelled = new Promise<never>((_, reject) => {
    cancelSignal?.addEventListener('abort', () => reject(cancelSignal.reason), { once: true, signal: over.signal });
  });
  try {
    const racing = [holds(), ended(), tooLate(), cancelled];
    // the first one counts: what the others fail with then is of no interest
    for (const one of racing) one.catch(() => undefined);
    await Promise.race(racing);
  } finally {
    over.abort();
  }
}

type Condition = z.output<typeof conditionSchema>;

function wordsOf(condition: Condition): string {
  if ('log' in condition) return `the log line ${String(condition.log)}`;
  if ('http' in condition) return `an answer to GET ${condition.http} on port ${condition.port}`;
  if ('port' in condition) return `port ${condition.port}`;
  return 'command' in condition ? `the command ${condition.command.join(' ')}` : 'the health';
}

/** Whether a line comes before the end of the output. */
async function lineComes(records: AsyncIterable<LogRecord>, wanted: string | RegExp, seen: { last: string }): Promise<boolean> {
  const isWanted = (line: string): boolean =>
    typeof wanted === 'string' ? line.includes(wanted) : new RegExp(wanted.source, flagsOf(wanted)).test(line);
  const begun = { stdout: '', stderr: '' };
  for await (const { stream, data } of records) {
    const lines = (begun[stream] + (typeof data === 'string' ? data : Buffer.from(data).toString('utf8'))).split('\n');
    begun[stream] = lines.at(-1) ?? '';
    seen.last = lines.findLast((line) => line !== '') ?? seen.last;
    if (lines.some(isWanted)) return true;
  }
  return false;
}

/** Without the flags that make a RegExp remember where it was. */
function flagsOf({ flags }: RegExp): string {
  return flags.replace(/[gy]/g, '');
}

async function commandSucceeds(
  container: Waitable,
  command: readonly string[],
  { seen, signal }: { seen: { last: string }; signal: AbortSignal },
): Promise<void> {
  for (let wait = FIRST_PAUSE; !signal.aborted; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
    const result = await container.tryCommand(command, signal).catch((error: unknown) => {
      // a program that is not there yet may come; a container that has ended tells so itself
      if (hasCode(error, 'ENOENT', 'EACCES')) return null;
      throw error;
    });
    if (result?.status === 'ok') return;
    if (result !== null) seen.last = `${result.reason} ${result.stderr.trim() || result.stdout.trim()}`.trim();
    await pause(wait, undefined, { signal });
  }
}
