import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { toError } from '../errors.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import { Deferred } from '../native/deferred.js';
import { connectLocal } from '../native/load-addon.js';
import { AUTH, afterAuth, BEGIN } from './auth.js';
import { DBusError, malformed } from './dbus-error.js';
import { decodeMessage, encodeMessage, HEAD_BYTES, lengthOf, type Message } from './message.js';
import { strangeness } from './peer.js';
import type { Value } from './value.js';

/** A method of an object, as a program on the bus has it. */
export interface Method {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly Value[];
}

/** The bus itself. */
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' } as const;

/**
 * A connection to a bus, or straight to a program that speaks as one. It has one time limit for all that is asked of it, so that who never answers
 * holds nobody up, and goes at the first byte that is wrong. What comes is of the same user: the kernel tells who listens.
 */
export class Bus {
  readonly #stream: Socket;
  readonly #clock: ReturnType<typeof setTimeout>;
  readonly #onSignal: (signal: Message) => void;
  readonly #calls = new Map<number, Deferred<readonly Value[]>>();
  readonly #admitted = new Deferred<void>();
  #received: Buffer = Buffer.alloc(0);
  #isAdmitted = false;
  #serial = 0;
  #failure: Error | null = null;

  private constructor(stream: Socket, { timeout, onSignal }: BusOptions) {
    this.#stream = stream;
    this.#onSignal = onSignal;
    this.#clock = setTimeout(() => this.#fail(new DBusError(`D-Bus: no answer within ${Math.ceil(timeout)} ms`)), timeout);
    stream.on('data', (bytes: Buffer) => this.#heard(bytes));
    stream.on('error', (error) => this.#fail(new DBusError(`D-Bus: ${error.message}`, { cause: error })));
    stream.on('close', () => this.#fail(new DBusError('D-Bus: the other end has closed the connection')));
  }

  /**
   * @param socket a path, or an abstract address that begins with NUL
   * @throws DBusError: another user's, in a namespace below, not a bus; SyscallError: nobody listens there
   */
  static async connect(socket: string, options: BusOptions): Promise<Bus> {
    const { stream, pid, uid } = connectLocal(socket);
    const strange = strangeness({ pid, uid });
    if (strange !== null) {
      stream.destroy();
      throw new DBusError(`D-Bus: ${socket.replace('\0', '@')} is of ${strange}`);
    }
    const bus = new Bus(stream, options);
    try {
      stream.write(AUTH);
      await bus.#admitted.promise;
      stream.write(BEGIN);
      // a program that is no bus has no names
      if (options.isBus) await bus.call({ ...BUS, member: 'Hello' });
      return bus;
    } catch (error) {
      bus.close();
      throw error;
    }
  }

  /** @returns the values of the answer @throws DBusError: that is an error, or none comes */
  async call({ signature = '', body = [], ...method }: Method): Promise<readonly Value[]> {
    if (this.#failure !== null) throw this.#failure;
    this.#serial += 1;
    const serial = this.#serial;
    const bytes = encodeMessage({ type: 'call', serial, noAutoStart: true, ...method, signature, body });
    const answer = new Deferred<readonly Value[]>();
    this.#calls.set(serial, answer);
    this.#stream.write(bytes);
    return answer.promise;
  }

  /** The connection that has a name: who its signals come from. @throws DBusError: none has */
  async ownerOf(name: string): Promise<string> {
    const [owner] = await this.call({ ...BUS, member: 'GetNameOwner', signature: 's', body: [name] });
    if (typeof owner !== 'string') throw new DBusError('D-Bus: the bus gave no owner of a name');
    return owner;
  }

  /** Has the bus tell of signals that fit a rule: "type='signal',member='JobRemoved'". @throws DBusError */
  async addMatch(rule: string): Promise<void> {
    await this.call({ ...BUS, member: 'AddMatch', signature: 's', body: [rule] });
  }

  /** What failed, when that was the connection: rejects then, and never resolves. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }
  readonly #lost = new Deferred<never>();

  /** Idempotent. */
  close(): void {
    this.#fail(new DBusError('D-Bus: the connection was closed'));
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    clearTimeout(this.#clock);
    this.#stream.destroy();
    this.#admitted.reject(error);
    this.#lost.reject(error);
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }

  #heard(bytes: Buffer): void {
    if (this.#failure !== null) return;
    this.#received = Buffer.concat([this.#received, bytes]);
    try {
      if (!this.#isAdmitted) this.#authenticate();
      while (this.#isAdmitted && this.#takeMessage());
    } catch (error) {
      this.#fail(toError(error));
    }
  }

  #authenticate(): void {
    const rest = afterAuth(this.#received);
    if (rest === null) return;
    this.#received = rest;
    this.#isAdmitted = true;
    this.#admitted.resolve();
  }

  /** Whether there was a whole one. */
  #takeMessage(): boolean {
    if (this.#received.length < HEAD_BYTES) return false;
    const length = lengthOf(this.#received);
    if (this.#received.length < length) return false;
    const message = decodeMessage(this.#received.subarray(0, length));
    this.#received = this.#received.subarray(length);
    if (message !== null) this.#handle(message);
    return true;
  }

  #handle(message: Message): void {
    if (message.type === 'signal') {
      this.#onSignal(message);
      return;
    }
    // nobody has a reason to call this process
    if (message.type === 'call') return;
    const call = this.#calls.get(message.replySerial ?? 0);
    if (call === undefined) throw malformed(`an answer to call ${message.replySerial}, which nobody made`);
    this.#calls.delete(message.replySerial ?? 0);
    if (message.type === 'return') call.resolve(message.body);
    else call.reject(answered(message));
  }
}

export interface BusOptions {
  /** How long the whole conversation may take, in ms. */
  readonly timeout: number;
  /** A bus, which gives names; else the program itself. */
  readonly isBus: boolean;
  readonly onSignal: (signal: Message) => void;
}

/** The error that a program has answered with; its words are for people. */
function answered({ errorName = '', body }: Message): DBusError {
  const [words] = body;
  return new DBusError(`D-Bus: ${typeof words === 'string' ? words.slice(0, LONGEST_WORDS) : errorName}`, { errorName });
}

const LONGEST_WORDS = 1000;
