import { appendFileSync } from 'node:fs';
import { toError } from '../errors.js';
import { now } from '../native/clock.js';
import type { Caller } from './caller/caller.js';
import type { Flags } from './command-line.js';

type Level = 'error' | 'debug';

/** What a command tells in the file of `--log`, in the words of logrus, which callers read: the last line of level error is what they tell. */
export class RuntimeLog {
  readonly #path: string | null;
  readonly #isJson: boolean;
  readonly #debugs: boolean;
  readonly #caller: Pick<Caller, 'absolute' | 'tell'>;

  constructor(flags: Pick<Flags, 'has' | 'value'>, caller: Pick<Caller, 'absolute' | 'tell'>) {
    this.#path = flags.value('log') || null;
    this.#isJson = flags.value('log-format') === 'json';
    this.#debugs = flags.has('debug');
    this.#caller = caller;
  }

  error(message: string): void {
    if (this.#path !== null) this.#append(this.#path, this.#line('error', message));
  }

  /** With `--debug`: without a file on standard error, as runc does. */
  debug(message: string): void {
    if (!this.#debugs) return;
    const line = this.#line('debug', message);
    if (this.#path === null) this.#caller.tell(line);
    else this.#append(this.#path, line);
  }

  #line(level: Level, msg: string): string {
    const time = new Date(now()).toISOString();
    if (this.#isJson) return JSON.stringify({ level, msg, time });
    return `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}`;
  }

  #append(path: string, line: string): void {
    try {
      appendFileSync(this.#caller.absolute(path), `${line}\n`, { mode: 0o644 });
    } catch (error) {
      this.#caller.tell(`write ${path}: ${toError(error).message}`);
    }
  }
}
