import { NacelleError } from '../errors.js';
import { causes, MAX_CHANNEL_DESCRIPTORS } from './protocol.js';
import type { StepFailure } from './step-failure.js';
import { type HealthWord, healthWords, type RawDenial, type RawRefusal, type RunEnd, type TaskStatus } from './task.js';

/** The most descriptors with the rest of a plan: one message of the process's channel carries them, and the memfd of a long plan. */
export const MAX_REST_DESCRIPTORS = MAX_CHANNEL_DESCRIPTORS - 1;

const NS_PER_MS = 1_000_000;

/** Reads the values of addon/shim/wire/protocol.h. */
class Decoder {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.left === 0;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }
  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }
  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }
  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }
  /** Exact up to 2^53; times and sizes stay below. */
  num(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }
  bytes(): Buffer {
    const size = this.u32();
    const at = this.#take(size);
    return this.#bytes.subarray(at, at + size);
  }
  str(): string {
    const text = this.bytes().toString('utf8');
    this.#take(1);
    return text;
  }
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.u32() }, read);
  }
  failure(): StepFailure {
    return { where: this.i32(), index: this.u32(), errno: this.i32(), text: this.str() };
  }
  #take(size: number): number {
    const at = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) throw new NacelleError('the shim sent what can not be understood', { code: 'ERR_SHIM_MESSAGE' });
    return at;
  }
}

export interface StartedMessage {
  readonly running: boolean;
  readonly pid: number;
  readonly startedMs: number;
  readonly startedAtMs: number;
}

export interface Results {
  readonly outputs: readonly Buffer[];
  readonly slots: readonly number[];
}

function readStarted(decoder: Decoder): StartedMessage {
  const [running, pid] = [decoder.u8() === 1, decoder.num()];
  return { running, pid, startedMs: decoder.num() / NS_PER_MS, startedAtMs: decoder.num() / NS_PER_MS };
}

function readResults(decoder: Decoder): Results {
  return { outputs: decoder.list(() => decoder.bytes()), slots: decoder.list(() => decoder.i32()) };
}

export function decodeStarted(body: Buffer): StartedMessage & Results {
  const decoder = new Decoder(body);
  return { ...readStarted(decoder), ...readResults(decoder) };
}

export function decodeRunning(body: Buffer): StartedMessage {
  return readStarted(new Decoder(body));
}

export function decodeCalled(body: Buffer): { sequence: number } & ({ failure: StepFailure } | { results: Results }) {
  const decoder = new Decoder(body);
  const sequence = decoder.u32();
  return decoder.u8() === 1 ? { sequence, failure: decoder.failure() } : { sequence, results: readResults(decoder) };
}

export interface EndMessage {
  readonly failure: StepFailure | null;
  readonly undoFailures: readonly StepFailure[];
}

function readEnd(decoder: Decoder): EndMessage {
  const failure = decoder.u8() === 1 ? decoder.failure() : null;
  return { failure, undoFailures: decoder.list(() => decoder.failure()) };
}

/** A first part of a pool that waits: its number as a task, and its name. */
export function decodeReady(body: Buffer): { readonly number: number; readonly name: string } {
  const decoder = new Decoder(body);
  return { number: decoder.u32(), name: decoder.str() };
}

/** A first part of a pool that nobody has taken, and whose undo steps have been tried. `failure`: why its process could not be made. */
export interface SpentMessage extends EndMessage {
  readonly name: string;
  readonly hasBegun: boolean;
}

export function decodeSpent(body: Buffer): SpentMessage {
  const decoder = new Decoder(body);
  return { name: decoder.str(), hasBegun: decoder.u8() === 1, ...readEnd(decoder) };
}

export function decodeFailed(body: Buffer): EndMessage {
  return readEnd(new Decoder(body));
}

export function decodeEnded(body: Buffer): EndMessage & RunEnd {
  const decoder = new Decoder(body);
  const end = readEnd(decoder);
  const kind = decoder.u8() === 1 ? 'signalled' : 'exited';
  const exit = { kind, value: decoder.u32() } as const;
  const cause = causes[decoder.u8()] ?? 'none';
  const [startedAtMs, startedMs, endedMs] = [decoder.num() / NS_PER_MS, decoder.num() / NS_PER_MS, decoder.num() / NS_PER_MS];
  const usage = {
    userMs: decoder.num() / 1000,
    systemMs: decoder.num() / 1000,
    maxRssBytes: decoder.num(),
    voluntarySwitches: decoder.num(),
    involuntarySwitches: decoder.num(),
  };
  const [reports, reportsBefore] = [readReports(decoder), readReports(decoder)];
  const lostCopies = decoder.list(() => ({ copy: decoder.u32(), whileReading: decoder.u8() === 1, errno: decoder.i32() }));
  const violation = readViolation(decoder);
  return { exit, cause, startedAtMs, startedMs, endedMs, usage, reports, reportsBefore, lostCopies, violation, ...end };
}

/** Of an older shim there is nothing here, or the pause before the next run. */
function readViolation(decoder: Decoder): RunEnd['violation'] {
  if (decoder.left <= 8) return null;
  const [hasHappened, arch, call] = [decoder.u8() === 1, decoder.u32(), decoder.i32()];
  return hasHappened ? { arch, call } : null;
}

/** The body is `Denial` of addon/shim/modes/denials.h, and what is behind it. */
export function decodeDenied(body: Buffer): RawDenial {
  const decoder = new Decoder(body);
  const [lost, killed, , errno] = [decoder.u32(), decoder.u8() === 1, decoder.u8(), decoder.u16()];
  const atMs = decoder.num() / NS_PER_MS;
  const [arch, call, pid] = [decoder.u32(), decoder.i32(), decoder.u32(), decoder.u32()];
  const args = Array.from({ length: 6 }, () => decoder.u64());
  const pointedTo: { argument: number; bytes: Buffer }[] = [];
  while (!decoder.isDone) pointedTo.push({ argument: decoder.u32(), bytes: decoder.bytes() });
  return { lost, killed, errno, atMs, arch, call, pid, args, pointedTo };
}

export function decodeRefused(body: Buffer): RawRefusal {
  const decoder = new Decoder(body);
  const [port, lost, atMs] = [decoder.u32(), decoder.num(), decoder.num() / NS_PER_MS];
  const address = Uint8Array.from(decoder.bytes());
  return { port, lost, atMs, address, host: decoder.bytes().toString('utf8') };
}

/** When a step of a plan began and ended, ms of CLOCK_MONOTONIC; its place is as that of a failure. */
export interface TraceMark {
  readonly where: number;
  readonly index: number;
  readonly beganMs: number;
  /** `null`: no end is known. */
  readonly endedMs: number | null;
}

export function decodeTraced(body: Buffer): TraceMark[] {
  const decoder = new Decoder(body);
  return decoder.list(() => {
    const [where, index, beganMs, endedMs] = [decoder.i32(), decoder.u32(), decoder.num() / NS_PER_MS, decoder.num() / NS_PER_MS];
    return { where, index, beganMs, endedMs: endedMs === 0 ? null : endedMs };
  });
}

function readReports(decoder: Decoder): (Buffer | null)[] {
  return decoder.list(() => {
    const present = decoder.u8() === 1;
    const bytes = decoder.bytes();
    return present ? bytes : null;
  });
}

export function decodeHealth(body: Buffer): HealthWord {
  return healthWords[new Decoder(body).u8()] ?? 'starting';
}

export function decodeStatus(body: Buffer): TaskStatus {
  const decoder = new Decoder(body);
  const restarts = decoder.u32();
  const health = decoder.u8() === 0 ? null : readHealth(decoder);
  const startedAtMs = decoder.isDone ? 0 : decoder.num() / NS_PER_MS;
  return { restarts, health, startedAtMs: startedAtMs || null };
}

function readHealth(decoder: Decoder): TaskStatus['health'] {
  const [status, failingStreak] = [healthWords[decoder.u8()] ?? 'starting', decoder.u32()];
  const results = decoder.list(() => ({
    startedAtMs: decoder.num() / NS_PER_MS,
    endedAtMs: decoder.num() / NS_PER_MS,
    code: decoder.i32(),
    output: decoder.bytes().toString('utf8'),
  }));
  return { status, failingStreak, results };
}

/** What could not be removed of a task that was kept. */
export function decodeRemoved(body: Buffer): readonly StepFailure[] {
  const decoder = new Decoder(body);
  return decoder.list(() => decoder.failure());
}

export interface Welcome {
  /** Versions of plans that the shim understands. */
  readonly lowest: number;
  readonly highest: number;
  readonly owner: string;
  /** `null` where the shim speaks only versions that this library doesn't. */
  readonly shim: ShimFacts | null;
}

export interface ShimFacts {
  /** Of the package that the shim belongs to. */
  readonly version: string;
  /** The steps and parts of plans that the shim knows; see shim-table.ts. */
  readonly table: string;
  /** How many shims its process was before. */
  readonly generation: number;
}

/** The version of plans that this library speaks. */
const VERSION = 1;

export function decodeWelcome(body: Buffer): Welcome {
  const decoder = new Decoder(body);
  const [lowest, highest, owner] = [decoder.u32(), decoder.u32(), decoder.str()];
  if (VERSION < lowest || VERSION > highest) return { lowest, highest, owner, shim: null };
  const [version, table] = [decoder.str(), decoder.bytes().toString('utf8')];
  return { lowest, highest, owner, shim: { version, table, generation: decoder.u32() } };
}

/** Why another shim did not take over; `errno` 0: that shim did. */
export function decodeUpgraded(body: Buffer): { readonly errno: number; readonly why: string } {
  const decoder = new Decoder(body);
  return { errno: decoder.u32(), why: decoder.str() };
}

/** A task that others may attach to. `state`: see TaskState. */
export interface KeptTask {
  readonly key: number;
  readonly state: number;
  readonly pid: number;
}

export function decodeListed(body: Buffer): KeptTask[] {
  const decoder = new Decoder(body);
  return decoder.list(() => ({ key: decoder.u32(), state: decoder.u8(), pid: decoder.num() }));
}

/** What happened to a task. */
export interface Notice {
  /** See NoticeKind; a newer shim may have more. */
  readonly kind: number;
  /** How many notices before this one were left out. */
  readonly lost: number;
  /** ms since the epoch. */
  readonly atMs: number;
  readonly body: Buffer;
}

export function decodeNotice(body: Buffer): Notice {
  const decoder = new Decoder(body);
  const [lost, , kind] = [decoder.u32(), decoder.u32(), decoder.u8()];
  return { kind, lost, atMs: decoder.num() / NS_PER_MS, body: decoder.bytes() };
}

/** The body of a notice that a task is there; see TaskState. */
export function decodeThere(body: Buffer): number {
  return new Decoder(body).u8();
}

/** The body of a notice of a kill. */
export function decodeKilled(body: Buffer): number {
  return new Decoder(body).u32();
}

/** The body of a notice of a program's end. `end`: as decodeEnded reads it. */
export function decodeProgramEnded(body: Buffer): { readonly words: Buffer; readonly end: Buffer } {
  const decoder = new Decoder(body);
  return { words: decoder.bytes(), end: decoder.bytes() };
}

export interface AttachedMessage {
  readonly state: number;
  readonly pid: number;
}

/** `null`: the shim has no such task any more. */
export function decodeAttached(body: Buffer): AttachedMessage | null {
  const decoder = new Decoder(body);
  return decoder.u8() === 0 ? { state: decoder.u8(), pid: decoder.num() } : null;
}
