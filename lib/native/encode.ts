import { types } from 'node:util';
import { type Again, type Descriptors, HEALTH_THEN, type HealthCheck, NONE, type Plan, RESTART_ON, type Stage } from '../plan/plan.js';
import { type Slot, type Step, stepTable } from '../plan/steps.js';

interface Field {
  readonly kind: string;
  readonly name: string;
  readonly write: Write;
}

/** Writes a value of one kind; gives `false` for a value that is not of that kind. */
type Write = (encoder: Encoder, value: unknown) => boolean;

const writers: Readonly<Record<string, Write>> = {
  OUT: (to, value) => !!to.i32(typeof value === 'number' ? value : -1),
  SLOT: (to, value) => typeof value === 'number' && !!to.i32(value),
  NUM: (to, value) => (typeof value === 'number' || typeof value === 'bigint') && value >= 0 && !!to.num(value),
  STR: (to, value) => typeof value === 'string' && !!to.str(value),
  BYTES: (to, value) => types.isUint8Array(value) && !!to.bytes(value),
  LIST: (to, value) => Array.isArray(value) && !!to.list(value, (item: string) => to.str(item)),
  SLOTS: (to, value) => Array.isArray(value) && !!to.slots(value),
};

function fieldOf(kind: string, name: string): Field {
  const write = writers[kind];
  if (write === undefined) throw new TypeError(`no such kind of field: ${kind}`);
  return { kind, name, write };
}

// the layouts are made once: a plan has a hundred steps, and there are many plans
const layouts = new Map(
  stepTable.map(({ op, fields }, opcode) => [op, { opcode, fields: fields.map(([kind, name]) => fieldOf(kind, name)) }] as const),
);

/** The buffer of the encoder before, kept for the next one: plans are made often, and memory of their size is costly to get. */
let spare: Buffer | null = null;
const SPARE = 32 * 1024;

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Writes the values of addon/shim/wire/protocol.h. */
export class Encoder {
  #bytes: Buffer;
  #view: DataView;
  #size = 0;

  constructor() {
    this.#bytes = spare ?? Buffer.allocUnsafeSlow(SPARE);
    this.#view = viewOf(this.#bytes);
    spare = null;
  }

  #room(size: number): number {
    const at = this.#size;
    if (at + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + size));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    this.#size = at + size;
    return at;
  }

  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  i32(value: number): this {
    const at = this.#room(4);
    this.#view.setInt32(at, value, true);
    return this;
  }

  /** 64 bits, unsigned. */
  num(value: number | bigint): this {
    const at = this.#room(8);
    if (typeof value === 'bigint') {
      this.#view.setBigUint64(at, value, true);
    } else {
      this.#view.setUint32(at, value, true); // the low half
      this.#view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    }
    return this;
  }

  str(value: string): this {
    // UTF-8 has at most three bytes for a unit of UTF-16
    const at = this.#room(4 + 3 * value.length + 1);
    const length = this.#bytes.write(value, at + 4);
    this.#view.setUint32(at, length, true);
    this.#bytes[at + 4 + length] = 0;
    this.#size = at + 4 + length + 1;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u32(items.length);
    for (const item of items) write(item);
    return this;
  }

  slots(slots: readonly Slot[]): this {
    return this.list(slots, (slot) => this.i32(slot));
  }

  /** A part that is preceded by its size. */
  #beginPart(): number {
    this.u32(0);
    return this.#size;
  }

  #endPart(start: number): void {
    this.#view.setUint32(start - 4, this.#size - start, true);
  }

  steps(steps: readonly Step[]): this {
    const start = this.#beginPart();
    for (const step of steps) this.#step(step);
    this.#endPart(start);
    return this;
  }

  #step(step: Step): void {
    const layout = layouts.get(step.op);
    if (layout === undefined) throw new TypeError(`no such step: ${step.op}`);
    this.u8(layout.opcode).u8(step.host ? 1 : 0);
    const start = this.#beginPart();
    for (const { kind, name, write } of layout.fields) {
      if (!write(this, Reflect.get(step, name))) throw new TypeError(`step ${step.op}: field ${name} is not a ${kind}`);
    }
    this.#endPart(start);
  }

  /** Gives the bytes. Nothing can be written after that. */
  finish(): Uint8Array {
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#size));
    if (this.#bytes.length === SPARE) spare = this.#bytes;
    this.#bytes = bytes;
    return bytes;
  }
}

const NS_PER_MS = 1_000_000;

/** The result is rounded up, so that a limit never becomes 0, which means no limit. */
function nanoseconds(ms: number): number {
  return Math.ceil(ms * NS_PER_MS);
}

/** The body of a start message (addon/shim/wire/plan.h reads it). `descriptors` come with the message, each for its slot. */
export function encodePlan(plan: Plan, descriptors: Descriptors): Uint8Array {
  return planBytes(plan, [...descriptors.keys()]);
}

/** @param given the slots of the descriptors that come with the plan */
function planBytes(plan: Plan, given: readonly Slot[]): Uint8Array {
  const encoder = new Encoder();
  encoder.slots(given).u32(slotCount(stepsOf(plan), given));
  encoder.steps(plan.prepare);
  encodeStages(encoder, plan.stages);
  encoder.steps(plan.undo);
  encoder.list(plan.reports, ({ at, path }) => encoder.i32(at).str(path));
  encoder.slots(plan.returns);
  const { killGroup, cpuClock } = plan;
  encoder
    .u8(killGroup ? 1 : 0)
    .i32(killGroup?.at ?? -1)
    .str(killGroup?.path ?? '');
  encoder.num(nanoseconds(plan.timeoutMs ?? 0));
  encoder.u8(cpuClock ? 1 : 0).num(nanoseconds(cpuClock?.limitMs ?? 0));
  encoder
    .i32(cpuClock?.at ?? -1)
    .str(cpuClock?.path ?? '')
    .str(cpuClock?.key ?? '')
    .num(cpuClock?.unit ?? 1);
  encoder.u32(plan.ending.signal).num(nanoseconds(plan.ending.forceKillAfterMs));
  const { keep } = plan;
  encoder
    .u8(keep ? 1 : 0)
    .u8(keep?.auto ? 1 : 0)
    .i32(keep?.evidence.at ?? -1)
    .str(keep?.evidence.path ?? '')
    .steps(keep?.removal ?? []);
  encoder.u8(plan.leavesTree ? 1 : 0);
  encodeAgain(encoder, plan.again);
  encodeHealth(encoder, plan.health);
  encoder.bytes(plan.words ?? new Uint8Array());
  return encoder.finish();
}

function encodeStages(encoder: Encoder, stages: readonly Stage[]): void {
  encoder.list(stages, (stage) =>
    encoder
      .num(stage.flags)
      .i32(stage.group ?? -1)
      .steps(stage.steps),
  );
}

function encodeAgain(encoder: Encoder, again: Again | undefined): void {
  encoder.u8(again ? 1 : 0);
  if (again === undefined) return;
  encoder.u8(RESTART_ON[again.on]).u32(again.most);
  for (const ms of [again.firstMs, again.longestMs, again.lastingMs]) encoder.num(nanoseconds(ms));
  encoder.u32(again.stopSignal).steps(again.prepare);
  encodeStages(encoder, again.stages);
}

function encodeHealth(encoder: Encoder, health: HealthCheck | undefined): void {
  encoder.u8(health ? 1 : 0);
  if (health === undefined) return;
  encoder.u8(HEALTH_THEN[health.then]).u32(health.retries);
  for (const ms of [health.intervalMs, health.startPeriodMs, health.startIntervalMs]) encoder.num(nanoseconds(ms));
  encoder.i32(NONE).str(health.frozen).bytes(planBytes(health.plan, health.given));
}

/** All steps that may fill slots of the plan. */
export function stepsOf({ prepare, undo, stages, again }: Plan): (readonly Step[])[] {
  const all = [...stages, ...(again?.stages ?? [])];
  return [prepare, undo, ...(again ? [again.prepare] : []), ...all.map(({ steps }) => steps)];
}

/** How many slots the shim must have: one more than the largest that is filled. */
export function slotCount(lists: readonly (readonly Step[])[], given: Iterable<Slot>): number {
  let count = 0;
  for (const slot of given) count = Math.max(count, slot + 1);
  for (const steps of lists) {
    for (const step of steps) if ('out' in step && step.out !== undefined) count = Math.max(count, step.out + 1);
  }
  return count;
}
