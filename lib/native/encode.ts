import type { Descriptors, Plan } from '../plan/plan.js';
import { type Op, type Slot, type Step, stepTable } from '../plan/steps.js';

const opcodes = new Map<Op, number>(stepTable.map(({ op }, index) => [op, index]));

/** Writes the values of addon/shim/protocol.h. */
export class Encoder {
  #bytes = Buffer.allocUnsafe(8192);
  #size = 0;

  #room(size: number): number {
    const at = this.#size;
    if (at + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, at + size));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
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
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeInt32LE(value, at);
    return this;
  }

  /** 64 bits, unsigned. */
  num(value: number | bigint): this {
    const at = this.#room(8);
    if (typeof value === 'bigint') {
      this.#bytes.writeBigUInt64LE(value, at);
    } else {
      this.#bytes.writeUInt32LE(value % 2 ** 32, at);
      this.#bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
    }
    return this;
  }

  str(value: string): this {
    const length = Buffer.byteLength(value);
    this.u32(length);
    const at = this.#room(length + 1);
    this.#bytes.write(value, at);
    this.#bytes[at + length] = 0;
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
  part(write: () => void): this {
    this.u32(0);
    const start = this.#size;
    write();
    this.#bytes.writeUInt32LE(this.#size - start, start - 4);
    return this;
  }

  steps(steps: readonly Step[]): this {
    return this.part(() => {
      for (const step of steps) this.#step(step);
    });
  }

  #step(step: Step): void {
    const opcode = opcodes.get(step.op);
    if (opcode === undefined) throw new TypeError(`no such step: ${step.op}`);
    this.u8(opcode).u8(step.host ? 1 : 0);
    const values: Readonly<Record<string, unknown>> = { ...step };
    this.part(() => {
      for (const [kind, field] of stepTable[opcode]?.fields ?? []) this.#field(step.op, kind, field, values[field]);
    });
  }

  #field(op: Op, kind: string, field: string, value: unknown): void {
    if (kind === 'OUT') this.i32(typeof value === 'number' ? value : -1);
    else if (kind === 'SLOT' && typeof value === 'number') this.i32(value);
    else if (kind === 'NUM' && (typeof value === 'number' || typeof value === 'bigint')) this.num(value);
    else if (kind === 'STR' && typeof value === 'string') this.str(value);
    else if (kind === 'BYTES' && value instanceof Uint8Array) this.bytes(value);
    else if (kind === 'LIST' && Array.isArray(value)) this.list(value, (item: string) => this.str(item));
    else if (kind === 'SLOTS' && Array.isArray(value)) this.slots(value);
    else throw new TypeError(`step ${op}: field ${field} is not a ${kind}`);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}

const NS_PER_MS = 1_000_000;

/** The body of a start message (addon/shim/plan.h reads it). `slots`: of the descriptors that come with it. */
export function encodePlan(plan: Plan, descriptors: Descriptors): Uint8Array {
  const encoder = new Encoder();
  encoder.slots([...descriptors.keys()]).u32(slotCount([plan.prepare, plan.undo, ...plan.stages.map(({ steps }) => steps)], descriptors));
  encoder.steps(plan.prepare);
  encoder.list(plan.stages, (stage) =>
    encoder
      .num(stage.flags)
      .i32(stage.group ?? -1)
      .steps(stage.steps),
  );
  encoder.steps(plan.undo);
  encoder.list(plan.reports, ({ at, path }) => encoder.i32(at).str(path));
  encoder.slots(plan.returns);
  const { killGroup, cpuClock } = plan;
  encoder
    .u8(killGroup ? 1 : 0)
    .i32(killGroup?.at ?? -1)
    .str(killGroup?.path ?? '');
  encoder.num(Math.round((plan.timeoutMs ?? 0) * NS_PER_MS));
  encoder.u8(cpuClock ? 1 : 0).num(Math.round((cpuClock?.limitMs ?? 0) * NS_PER_MS));
  encoder
    .i32(cpuClock?.at ?? -1)
    .str(cpuClock?.path ?? '')
    .str(cpuClock?.key ?? '')
    .num(cpuClock?.unit ?? 1);
  encoder.u32(plan.ending.signal).num(Math.round(plan.ending.forceKillAfterMs * NS_PER_MS));
  return encoder.finish();
}

/** How many slots the shim must have: one more than the largest that is filled. */
export function slotCount(lists: readonly (readonly Step[])[], descriptors: Descriptors): number {
  let count = 0;
  for (const slot of descriptors.keys()) count = Math.max(count, slot + 1);
  for (const steps of lists) {
    for (const step of steps) if ('out' in step && step.out !== undefined) count = Math.max(count, step.out + 1);
  }
  return count;
}
