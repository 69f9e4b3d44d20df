import { constants } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { NacelleError } from '../../errors.js';
import type { NativeTerminal } from '../../native/binding.js';
import { watchDescriptor } from '../../native/load-addon.js';
import type { Done } from '../../native/pipe-stream.js';
import { nativeError } from '../../native/system-errors.js';
import type { TerminalSize } from '../options/process-types.js';

const { EAGAIN, EIO } = constants.errno;

/** The kernel gives at most 4 KiB of a terminal at a time. */
const READ_SIZE = 4096;
/** Reads in one turn of the event loop, so that other streams get their turn. */
const READS_A_TURN = 16;
/** Bytes. After the end of a program's tree its terminal holds less; more was written by a process outside the tree. */
const MOST_LEFT = 1024 ** 2;

/** The ends of lines as a terminal takes them: it reads '\r' as '\n'. */
const LINE_ENDS: readonly number[] = [0x0a, 0x0d];

type OpenTerminal = (fd: number, onReady: (mayRead: boolean, mayWrite: boolean) => void) => NativeTerminal;

/**
 * Our side of a program's terminal as two streams. They are there before the program is: nothing is read before {@link connect}, and what is
 * written waits.
 */
export class Terminal {
  readonly #open: OpenTerminal;
  readonly output: TerminalOutput;
  readonly input: TerminalInput;
  #native: NativeTerminal | null = null;
  #reads = false;
  #writes = false;
  #keepsAlive = true;

  /** @param open makes the native side of a master's descriptor */
  constructor(open: OpenTerminal = watchDescriptor) {
    this.#open = open;
    this.output = new TerminalOutput(this);
    this.input = new TerminalInput(this);
  }

  /** @param master the descriptor, which is this object's from now on */
  connect(master: number): void {
    this.#native = this.#open(master, (mayRead, mayWrite) => {
      if (mayWrite && this.#writes) this.input.flush();
      if (mayRead && this.#reads) this.output.pull();
    });
    if (this.#keepsAlive) this.#native.ref();
    this.#watch();
    this.input.begin();
  }

  /** Whether `output` is to be told that there is something to read. */
  set reads(reads: boolean) {
    this.#reads = reads;
    this.#watch();
  }

  /** Whether `input` is to be told that the terminal takes more. */
  set writes(writes: boolean) {
    this.#writes = writes;
    this.#watch();
  }

  /** As read(2): how many bytes, or -errno. */
  read(bytes: Uint8Array): number {
    return this.#native?.read(bytes) ?? -EAGAIN;
  }

  write(bytes: Uint8Array): number {
    return this.#native?.write(bytes) ?? -EAGAIN;
  }

  /** The character that ends the program's input (termios(3), VEOF); 0 where none does. */
  endOfFile(): number {
    return Math.max(this.#native?.endOfFile() ?? 0, 0);
  }

  /** @returns whether there is a terminal. @throws SyscallError */
  resize({ columns, rows }: TerminalSize): boolean {
    if (!this.#native) return false;
    const result = this.#native.resize(columns, rows);
    if (result < 0) throw nativeError('change the size of the terminal', 'ioctl', -result);
    return true;
  }

  ref(): void {
    this.#keepsAlive = true;
    this.#native?.ref();
  }

  unref(): void {
    this.#keepsAlive = false;
    this.#native?.unref();
  }

  close(): void {
    this.input.destroy();
    this.input.begin();
    this.output.destroy();
    this.#native?.close();
    this.#native = null;
  }

  #watch(): void {
    this.#native?.watch(this.#reads, this.#writes);
  }
}

/** What the program, and the echo of its terminal, write. */
class TerminalOutput extends Readable {
  readonly #terminal: Terminal;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_SIZE);
  #isOver = false;

  constructor(terminal: Terminal) {
    super();
    this.#terminal = terminal;
  }

  override _read(): void {
    if (!this.#isOver) this.#terminal.reads = true;
  }

  /** Reads what there is, as long as the reader takes it. */
  pull(): void {
    for (let turn = 0; turn < READS_A_TURN; turn++) {
      const chunk = this.#next();
      if (chunk === undefined) return;
      if (chunk !== null && this.push(chunk)) continue;
      this.#terminal.reads = false;
      if (chunk === null) this.#end();
      return;
    }
  }

  /**
   * To be called when nobody of the program's tree can write any more: reads all that is left, and ends. The kernel hands over what was written
   * before it says that there is nothing.
   */
  drain(): void {
    this.#terminal.reads = false;
    for (let size = 0; size < MOST_LEFT && !this.#isOver; ) {
      const chunk = this.#next();
      if (!chunk) break;
      size += chunk.length;
      this.push(chunk);
    }
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.push(null);
  }

  ref(): void {
    this.#terminal.ref();
  }

  unref(): void {
    this.#terminal.unref();
  }

  /** `undefined`: nothing for now; `null`: the end. */
  #next(): Buffer | null | undefined {
    const size = this.#terminal.read(this.#buffer);
    if (size > 0) return Buffer.from(this.#buffer.subarray(0, size));
    if (size === -EAGAIN) return undefined;
    if (size < 0 && size !== -EIO) this.destroy(nativeError('read what the terminal shows', 'read', -size));
    return null;
  }
}

/** What is typed. Its end sends the terminal's end-of-file character. */
class TerminalInput extends Writable {
  readonly #terminal: Terminal;
  /** Nothing is written before this is called. Node asks for it a little after the stream is made. */
  #ready: (() => void) | null = null;
  #hasBegun = false;
  #waiting: { bytes: Uint8Array; done: Done } | null = null;
  #last: number | undefined;

  constructor(terminal: Terminal) {
    super();
    this.#terminal = terminal;
  }

  override _construct(ready: () => void): void {
    if (this.#hasBegun) ready();
    else this.#ready = ready;
  }

  /** To be called when there is a terminal, or when there will be none. */
  begin(): void {
    this.#hasBegun = true;
    this.#ready?.();
    this.#ready = null;
  }

  override _write(chunk: Uint8Array, _: string, done: Done): void {
    this.#last = chunk.at(-1) ?? this.#last;
    this.#send(chunk, done);
  }

  /** The character ends the input only at the start of a line; within one, the first ends the line and the second the input (termios(3)). */
  override _final(done: Done): void {
    const character = this.#terminal.endOfFile();
    const isInLine = this.#last !== undefined && !LINE_ENDS.includes(this.#last);
    this.#send(Buffer.alloc(character === 0 ? 0 : isInLine ? 2 : 1, character), done);
  }

  /** What the terminal has not taken yet fails. */
  override _destroy(error: Error | null, done: Done): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#terminal.writes = false;
    waiting?.done(error ?? new NacelleError('write to the terminal: it was closed', { code: 'ERR_CLOSED' }));
    done(error);
  }

  #send(bytes: Uint8Array, done: Done): void {
    this.#waiting = { bytes, done };
    this.flush();
  }

  /** Writes what waits, as far as the terminal takes it. What nobody can read any more is dropped. */
  flush(): void {
    for (let waiting = this.#waiting; waiting !== null; ) {
      const { bytes, done } = waiting;
      const size = bytes.length === 0 ? 0 : this.#terminal.write(bytes);
      if (size === -EAGAIN) {
        this.#terminal.writes = true;
        return;
      }
      waiting = size < 0 || size === bytes.length ? null : { bytes: bytes.subarray(size), done };
      this.#waiting = waiting;
      if (waiting === null) {
        this.#terminal.writes = false;
        done();
      }
    }
  }
}
