import { constants } from 'node:os';
import type { ShimSocket } from '../../native/binding.js';
import type { Connection } from '../../native/connection.js';
import { Deferred } from '../../native/deferred.js';
import { closeDescriptor, copyOfShim, loadNative } from '../../native/load-addon.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { type CallersShim, connectByControl } from '../../native/shim.js';
import { ShimError } from '../../native/shim-error.js';
import { nativeError } from '../../native/system-errors.js';
import { newId } from '../../plan/id.js';
import { type Forwarding, forwarded, type SignalSender } from '../caller/forward-signals.js';
import { decodeSignal, encodeStrings, Message } from './resident-messages.js';

/** A message of a front. */
export interface FrontMessage {
  readonly type: number;
  readonly body: Buffer;
  readonly fds: readonly number[];
}

/** Makes the socket of a connection. */
type OpenFront = (onMessage: (type: number, id: number, body: Buffer, fds: number[]) => void, onClose: () => void) => ShimSocket;

let executable: number | undefined;

/** One copy of the shim's executable for all that this process has started. */
function shimCopy(): number {
  executable ??= copyOfShim();
  return executable;
}

function closeFds(fds: readonly number[]): void {
  for (const fd of fds) closeDescriptor(fd);
}

/** What a shim is reached by. */
interface Shim {
  readonly control: number;
  readonly owner: string;
  /** Whether the front has it as its child, when that is known. */
  readonly spawned: Promise<boolean>;
}

/** The front of a command, which has the shim as its child. */
export class FrontConnection implements CallersShim {
  readonly #socket: ShimSocket;
  readonly #waiting: Deferred<FrontMessage | null>[] = [];
  readonly #came: FrontMessage[] = [];
  #shim: Shim | null = null;
  #connection: Connection | null = null;
  /** The front has the shim as its child. */
  #isSpawned = false;
  /** The front has one that it was not asked to wait for. */
  #isLeft = false;
  /** Resolves when it has gone. */
  #leaving: Promise<void> | null = null;
  /** Sends the front's signals to the program. */
  #sendOn: SignalSender | null = null;
  /** The signals that the front was asked for. */
  readonly #asked = new Set<number>();
  /** Resolves when the front hears them, or has gone. */
  readonly #hears = new Deferred<void>();
  gone = false;

  /** @param pid of the front */
  constructor(
    open: OpenFront,
    readonly pid: number,
  ) {
    this.#socket = open(
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

  /** Sends on the signals that the front hears. */
  forwardSignals(send: SignalSender): Forwarding {
    this.#sendOn = send;
    for (const name of forwarded()) this.#asked.add(constants.signals[name]);
    this.send(Message.forward, encodeStrings(...[...this.#asked].map(String)));
    return {
      heard: this.#hears.promise,
      end: () => {
        this.#sendOn = null;
      },
    };
  }

  /** Asks the front to start the shim, and waits for nothing: see {@link ensureShim}. @throws SyscallError */
  askForShim(): void {
    const ends = loadNative().addon.socketPair();
    if (typeof ends === 'number') throw nativeError('make a socket', 'socketpair', -ends);
    const [control, theirs] = ends;
    const owner = newId();
    try {
      this.send(Message.spawn, encodeStrings(runtimeDir(), owner), [shimCopy(), theirs]);
    } catch (error) {
      closeDescriptor(control);
      throw error;
    } finally {
      closeDescriptor(theirs);
    }
    this.#isSpawned = false;
    this.#shim = { control, owner, spawned: this.#spawned() };
  }

  /** A front that has gone since has taken its shim with it. One that has none can't go on with this process. */
  async #spawned(): Promise<boolean> {
    const message = await this.next();
    if (message?.type !== Message.go) this.close();
    this.#isSpawned = !this.gone;
    return this.#isSpawned;
  }

  /**
   * Waits until the front has the shim as its child: before that nothing may be made, since the front may do the command by itself. One that has gone by itself
   * has ended what it did: nothing takes its place. After {@link end} the front is asked for another one.
   *
   * @throws ShimError: the front has none; SyscallError
   */
  async ensureShim(): Promise<void> {
    if (this.#shim === null && this.#isLeft) await this.#untilLeft();
    if (this.#shim === null && !this.gone) this.askForShim();
    if (this.#shim === null || !(await this.#shim.spawned)) throw new ShimError();
  }

  /** Of several who ask for another shim, one has the front wait. */
  #untilLeft(): Promise<void> {
    this.#leaving ??= this.end().finally(() => {
      this.#leaving = null;
    });
    return this.#leaving;
  }

  /** No shim of this process takes the place of one that has gone: what it would make, or end, is not the front's. @throws ShimError; SyscallError */
  connection(): Connection {
    if (this.#shim === null || !this.#isSpawned) throw new ShimError();
    this.#connection ??= this.#connected(this.#shim);
    return this.#connection;
  }

  #connected({ control, owner }: Pick<Shim, 'control' | 'owner'>): Connection {
    try {
      return connectByControl(control, owner);
    } catch (error) {
      // it may serve later, and nobody would wait for it once more
      this.letGo();
      throw error;
    }
  }

  async end(): Promise<void> {
    this.letGo();
    if (this.gone) return;
    this.send(Message.wait);
    await this.next();
    this.#isLeft = false;
  }

  /** Has the front end with this status when its shim has ended, and tell these words. It hears of nothing before it has started one. */
  async done(status: number, told: string): Promise<void> {
    await this.#shim?.spawned;
    this.letGo();
    this.send(Message.done, encodeStrings(String(status), told.replaceAll('\0', '')));
  }

  close(): void {
    this.letGo();
    this.#lost();
    this.#socket.close();
    for (const { fds } of this.#came.splice(0)) closeFds(fds);
  }

  /** The shim ends, and the front waits for that before it ends itself. */
  letGo(): void {
    this.#connection?.close();
    this.#connection = null;
    if (this.#shim !== null) {
      closeDescriptor(this.#shim.control);
      this.#isLeft = true;
    }
    this.#shim = null;
  }

  #heard(message: FrontMessage): void {
    if (message.type === Message.signal) {
      this.#signalCame(message);
      return;
    }
    if (message.type === Message.hears) {
      closeFds(message.fds);
      this.#hears.resolve();
      return;
    }
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#came.push(message);
    else waiting.resolve(message);
  }

  /** What can't be understood ends this front's connection, and nothing that other fronts have asked for. */
  #signalCame({ body, fds }: FrontMessage): void {
    closeFds(fds);
    try {
      const number = decodeSignal(body, this.#asked);
      // one that was on its way when its program ended is nobody's
      this.#sendOn?.(number);
    } catch {
      this.close();
    }
  }

  /** What the shim does for a command ends with whoever has asked for it, as where Node was killed: the shim undoes its own plans. */
  #lost(): void {
    this.gone = true;
    this.letGo();
    this.#hears.resolve();
    for (const waiting of this.#waiting.splice(0)) waiting.resolve(null);
  }
}
