import type { Readable, Writable } from 'node:stream';
import { NacelleError } from '../../errors.js';
import { parseOptions } from '../../options/parse-options.js';
import type { TerminalSize } from '../options/process-types.js';
import { connectSchema, type TerminalInputStream } from './connect-schema.js';
import { type DetachKeys, matchKeys, parseDetachKeys } from './detach-keys.js';
import { enterRawMode } from './raw-mode.js';

/** What runs at a terminal: an `Execution`, or a `Container`. */
export interface TerminalTarget {
  readonly pid: number | Promise<number>;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  resize(size: TerminalSize): Promise<void>;
}

export interface ConnectOptions {
  /** The caller's terminal, where keys are typed: a `tty.ReadStream`, or another stream with `isTTY` and `fd`. Default Node's stdin. */
  stdin?: NodeJS.ReadStream | undefined;
  /** Where output is shown, and whose size the program's terminal gets. Default Node's stdout. */
  stdout?: NodeJS.WriteStream | undefined;
  /** The keys that end the connection, as docker's: 'ctrl-x,ctrl-y'. '' are none. Default 'ctrl-p,ctrl-q'. */
  detachKeys?: string | undefined;
}

/**
 * Connects the caller's terminal with that of a program: what is typed goes to the program as it is, its output is shown, and its terminal has
 * the size of the caller's and follows it. Resolves with 'ended' when the program's terminal has ended, or with 'detached' when the detach
 * keys were typed or the caller's terminal has gone; the program then goes on, and another connection may follow.
 *
 * The caller's terminal is in raw mode meanwhile, and put back at each end, also when the process ends by an exception, by SIGTERM or SIGHUP.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a stdin that is no terminal (tty(4)) and for keys that are none; `ERR_STATE` for a program
 * without a terminal, or whose output goes elsewhere; what the program could not be started for; what the caller's streams fail with
 */
export async function connectTerminal(target: TerminalTarget, options: ConnectOptions = {}): Promise<'ended' | 'detached'> {
  const { stdin, stdout, detachKeys } = parseOptions(connectSchema, withDefaults(options), 'options');
  const keys = parseDetachKeys(detachKeys);
  const { stdout: output } = target;
  if (output === null) throw new NacelleError("connect a terminal: the program's output goes elsewhere", { code: 'ERR_STATE' });
  // a program that could not be started tells why here
  await target.pid;
  await giveSize(target, stdout);
  const restore = enterRawMode(stdin.fd);
  const connection = new Connection({ target, output, stdin, stdout, keys });
  try {
    return await connection.end;
  } finally {
    connection.leave();
    restore();
  }
}

/** What the caller leaves out; an unknown option stays, to be refused. */
function withDefaults({ stdin = process.stdin, stdout = process.stdout, detachKeys = 'ctrl-p,ctrl-q', ...others }: ConnectOptions): object {
  return { ...others, stdin, stdout, detachKeys };
}

/** Gives the program's terminal the size of the caller's. */
async function giveSize(target: TerminalTarget, { columns, rows }: NodeJS.WriteStream): Promise<void> {
  // what is no terminal has no size, and some have one of 0
  if (columns > 0 && rows > 0) await target.resize({ columns, rows });
}

interface Ends {
  readonly target: TerminalTarget;
  readonly output: Readable;
  readonly stdin: TerminalInputStream;
  readonly stdout: NodeJS.WriteStream;
  readonly keys: DetachKeys;
}

/** Copies both ways until one side ends. */
class Connection {
  readonly end: Promise<'ended' | 'detached'>;
  readonly #ends: Ends;
  readonly #leaving: (() => unknown)[] = [];
  #held = 0;

  constructor(ends: Ends) {
    this.#ends = ends;
    const { target, output, stdin, stdout, keys } = ends;
    this.end = new Promise((resolve, reject) => {
      this.#on(output, 'close', () => resolve('ended'));
      this.#on(output, 'end', () => resolve('ended'));
      this.#on(output, 'error', reject);
      this.#on(stdout, 'error', reject);
      this.#on(stdin, 'error', reject);
      this.#on(stdin, 'end', () => resolve('detached'));
      this.#on(stdin, 'close', () => resolve('detached'));
      this.#on<Uint8Array>(stdin, 'data', (typed) => {
        const { send, held, isDetach } = matchKeys(keys, this.#held, typed);
        this.#held = held;
        this.#type(send);
        if (isDetach) resolve('detached');
      });
    });
    // a size that the program can't get any more does not matter
    this.#on(stdout, 'resize', () => void giveSize(target, stdout).catch(() => undefined));
    if (target.stdin) this.#on(target.stdin, 'drain', () => stdin.resume());
    output.pipe(stdout, { end: false });
    stdin.resume();
  }

  #on<T>(emitter: Readable | Writable, event: string, listener: (argument: T) => void): void {
    emitter.on(event, listener);
    this.#leaving.push(() => emitter.off(event, listener));
  }

  /** Gives the program what was typed; the caller's terminal waits while the program takes no more. */
  #type(bytes: Uint8Array): void {
    const { target, stdin } = this.#ends;
    if (bytes.length === 0 || target.stdin === null || !target.stdin.writable || target.stdin.write(bytes)) return;
    stdin.pause();
  }

  /** Leaves both sides as they were. The program goes on: what it writes until the next connection is dropped. */
  leave(): void {
    const { output, stdin, stdout } = this.#ends;
    for (const leave of this.#leaving.splice(0)) leave();
    output.unpipe(stdout);
    output.resume();
    stdin.pause();
  }
}
