import { constants } from 'node:os';
import type { ShimSocket } from '../../native/binding.js';
import type { Connection } from '../../native/connection.js';
import { Deferred } from '../../native/deferred.js';
import { closeDescriptor, copyOfShim, loadNative } from '../../native/load-addon.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { type CallersShim, connectByControl } from '../../native/shim.js';
import { nativeError } from '../../native/system-errors.js';
import { newId } from '../../plan/id.js';
import { forwarded, sendOn } from '../caller/forward-signals.js';
import { decodeSignal, encodeStrings, Message } from './resident-messages.js';

/** A message of a front. */
export interface FrontMessage {
  readonly type: number;
  readonly body: Buffer;
  readonly fds: readonly number[];
}

let executable: number | undefined;

/** One copy of the shim's executable for all that this process has started. */
function shimCopy(): number {
  executable ??= copyOfShim();
  return executable;
}

/** The front of a command, which has the shim as its child. */
export class FrontConnection implements CallersShim {
  readonly #socket: ShimSocket;
  readonly #waiting: Deferred<FrontMessage | null>[] = [];
  readonly #came: FrontMessage[] = [];
  #shim: { readonly control: number; readonly owner: string } | null = null;
  #connection: Connection | null = null;
  /** The program that gets the front's signals. */
  #signalled: number | null = null;
  gone = false;

  /** @param pid of the front */
  constructor(
    connected: number,
    readonly pid: number,
  ) {
    this.#socket = new (loadNative().addon.Socket)(
      { connected },
      (type, _, body, fds) => this.#heard({ type, body, fds }),
      () => this.#lost(),
    );
    this.#socket.ref();
  }

  /** The next message; `null` when the front has ended. */
  async next(): Promise<FrontMessage | null> {
    const first = this.#came.shift();
    if (first !== undefined || this.gone) return first ?? null;
    const message = new Deferred<FrontMessage | null>();
    this.#waiting.push(message);
    return message.promise;
  }

  send(type: number, body: Uint8Array = new Uint8Array(), fds: readonly number[] = []): void {
    if (!this.gone && this.#socket.send(type, 0, body, fds) < 0) this.#lost();
  }

  /** Sends the signals that the front hears to a program. @returns a function that ends this */
  forwardSignals(pid: number): () => void {
    this.#signalled = pid;
    this.send(Message.forward, encodeStrings(...forwarded().map((name) => String(constants.signals[name]))));
    return () => {
      this.#signalled = null;
    };
  }

  /** Has the front start the shim. @returns whether it does: nothing may be made before. @throws SyscallError */
  async startShim(): Promise<boolean> {
    const ends = loadNative().addon.socketPair();
    if (typeof ends === 'number') throw nativeError('make a socket', 'socketpair', -ends);
    const [control, theirs] = ends;
    const owner = newId();
    this.#shim = { control, owner };
    try {
      this.send(Message.spawn, encodeStrings(runtimeDir(), owner), [shimCopy(), theirs]);
    } finally {
      closeDescriptor(theirs);
    }
    return (await this.next())?.type === Message.go;
  }

  connection(): Connection {
    if (this.#shim === null) throw nativeError('start the shim', 'connect', constants.errno.ENOTCONN);
    this.#connection ??= connectByControl(this.#shim.control, this.#shim.owner);
    return this.#connection;
  }

  async end(): Promise<void> {
    this.#letGo();
    if (this.gone) return;
    this.send(Message.wait);
    await this.next();
  }

  close(): void {
    this.#letGo();
    this.#lost();
    this.#socket.close();
  }

  #letGo(): void {
    this.#connection?.close();
    this.#connection = null;
    if (this.#shim !== null) closeDescriptor(this.#shim.control);
    this.#shim = null;
  }

  #heard(message: FrontMessage): void {
    if (message.type === Message.signal) {
      if (this.#signalled !== null) sendOn(this.#signalled, decodeSignal(message.body));
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#came.push(message);
    else waiting.resolve(message);
  }

  /** What the shim does for a command ends with whoever has asked for it. */
  #lost(): void {
    this.gone = true;
    this.#connection?.close();
    for (const waiting of this.#waiting.splice(0)) waiting.resolve(null);
  }
}
