import type { Slot } from '../plan/steps.js';
import { Encoder } from './encode.js';
import { causes } from './protocol.js';
import type { Task } from './task.js';

// The bodies of requests about a task that has begun, as addon/shim/wire/protocol.h reads them. Pure.

/** The slots of a call. */
interface CallSlots {
  /** Those of the descriptors that go with it. */
  readonly given: readonly Slot[];
  /** How many the task has by then. */
  readonly count: number;
  /** Those whose descriptors are to come back. */
  readonly returns: readonly Slot[];
}

/** @param steps as `encodeSteps` gives them */
export function callBody(sequence: number, steps: Uint8Array, { given, count, returns }: CallSlots): Uint8Array {
  return new Encoder().u32(sequence).slots(given).u32(count).written(steps).slots(returns).finish();
}

export function killBody(sequence: number, { cause, signal, tree }: Parameters<Task['kill']>[0]): Uint8Array {
  const body = new Encoder().u32(sequence).u8(causes.indexOf(cause)).u32(signal);
  return body.u8(tree ? 1 : 0).finish();
}

export function tellBody(words: Uint8Array, atEnd: boolean): Uint8Array {
  const body = new Encoder().u8(atEnd ? 1 : 0);
  return body.bytes(words).finish();
}

export function againBody(signal: number, killAfterMs: number): Uint8Array {
  return new Encoder()
    .u32(signal)
    .num(Math.ceil(killAfterMs * 1e6))
    .finish();
}

export function statusBody(sequence: number): Uint8Array {
  return new Encoder().u32(sequence).finish();
}
