import { types } from 'node:util';
import { type Again, type Descriptors, HEALTH_THEN, type HealthCheck, NONE, type Plan, RESTART_ON } from '../plan/plan.js';
import { type PartRow, type PlanPart, partTable } from '../plan/plan-parts.js';
import { type Slot, type Step, type StepRow, stepTable } from '../plan/steps.js';
import { ownTable, partLine, type ShimTable, stepLine } from './shim-table.js';

interface Layout {
  /** As the table of a shim has it. */
  readonly line: string;
  readonly number: number;
  readonly fields: readonly Field[];
}

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
  STEPS: (to, value) => Array.isArray(value) && !!to.steps(value),
  FILES: (to, value) => Array.isArray(value) && !!to.list(value, (item: FileAt) => to.i32(item.at).str(item.path)),
  PLAN: (to, value) => types.isUint8Array(value) && !!to.bytes(value),
};

interface FileAt {
  readonly at: Slot;
  readonly path: string;
}

function fieldOf(kind: string, name: string): Field {
  const write = writers[kind];
  if (write === undefined) throw new TypeError(`no such kind of field: ${kind}`);
  return { kind, name, write };
}

// the layouts are made once: a plan has a hundred steps, and there are many plans
function layoutsOf(table: readonly (StepRow | PartRow)[], lineOf: (row: StepRow | PartRow) => string): ReadonlyMap<string, Layout> {
  return new Map(
    table.map((row, number) => [row.op, { line: lineOf(row), number, fields: row.fields.map(([kind, name]) => fieldOf(kind, name)) }]),
  );
}

const stepLayouts = layoutsOf(stepTable, stepLine);
const partLayouts = layoutsOf(partTable, partLine);

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
  readonly #table: ShimTable;

  /** @param table of the shim that reads the steps */
  constructor(table: ShimTable = ownTable) {
    this.#table = table;
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

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
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
    return this.u32(value.length).written(value);
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
    for (const step of steps) this.#item(stepLayouts, step, step.host === true);
    this.#endPart(start);
    return this;
  }

  /** What was written before. */
  written(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  part(part: PlanPart): this {
    return this.#item(partLayouts, part, false);
  }

  #item(layouts: ReadonlyMap<string, Layout>, item: Step | PlanPart, host: boolean): this {
    const layout = layouts.get(item.op);
    if (layout === undefined) throw new TypeError(`no such step or part: ${item.op}`);
    const number = this.#table === ownTable ? layout.number : this.#table.numberOf(layout.line);
    this.u16(number).u8(host ? 1 : 0);
    const start = this.#beginPart();
    for (const { kind, name, write } of layout.fields) {
      if (!write(this, Reflect.get(item, name))) throw new TypeError(`${item.op}: field ${name} is not a ${kind}`);
    }
    this.#endPart(start);
    return this;
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

/**
 * The body of a start message (addon/shim/wire/plan.h reads it). `descriptors` come with the message, each for its slot.
 *
 * @throws UnsupportedError: the shim is of another version, and lacks what the plan needs
 */
export function encodePlan(plan: Plan, descriptors: Descriptors, table: ShimTable = ownTable): Uint8Array {
  return planBytes(plan, [...descriptors.keys()], table);
}

/** As they stand in the body of a call. @throws UnsupportedError: the shim is of another version, and lacks one of them */
export function encodeSteps(steps: readonly Step[], table: ShimTable = ownTable): Uint8Array {
  return new Encoder(table).steps(steps).finish();
}

/** @param given the slots of the descriptors that come with the plan */
function planBytes(plan: Plan, given: readonly Slot[], table: ShimTable): Uint8Array {
  const encoder = new Encoder(table);
  for (const part of partsOf(plan, given, table)) encoder.part(part);
  return encoder.finish();
}

function* partsOf(plan: Plan, given: readonly Slot[], table: ShimTable): Generator<PlanPart> {
  const {
    prepare,
    undo,
    reports,
    returns,
    laterMounts,
    killGroup,
    timeoutMs,
    setUpMs,
    cpuClock,
    ending,
    keep,
    again,
    health,
    denials,
    words,
  } = plan;
  yield { op: 'slots', given, count: slotCount(stepsOf(plan), given) };
  if (prepare.length > 0) yield { op: 'prepare', steps: prepare };
  for (const { flags, group = NONE, steps } of plan.stages) yield { op: 'stage', flags, group, steps };
  if (undo.length > 0) yield { op: 'undo', steps: undo };
  if (reports.length > 0) yield { op: 'reports', files: reports };
  if (returns.length > 0) yield { op: 'returns', slots: returns };
  for (const report of laterMounts?.reports ?? []) yield { op: 'later_mounts', report, most: laterMounts?.mostBytes ?? 0 };
  if (killGroup) yield { op: 'kill_group', ...killGroup };
  if (timeoutMs) yield { op: 'timeout', wait: nanoseconds(timeoutMs) };
  if (setUpMs) yield { op: 'set_up', wait: nanoseconds(setUpMs) };
  if (cpuClock) {
    const { limitMs, at, path, key, unit } = cpuClock;
    yield { op: 'cpu_clock', limit: nanoseconds(limitMs), at, path, key, unit };
  }
  yield { op: 'ending', signal: ending.signal, force_kill_after: nanoseconds(ending.forceKillAfterMs) };
  if (keep) yield { op: 'keep', auto_remove: keep.auto ? 1 : 0, ...keep.evidence, removal: keep.removal };
  if (plan.leavesTree) yield { op: 'leaves_tree' };
  if (plan.withClients) yield { op: 'with_clients' };
  if (plan.handsOver) yield { op: 'hands_over' };
  if (plan.tellsEndFirst) yield { op: 'tells_end_first' };
  if (plan.trace) yield { op: 'trace' };
  if (again) yield* againParts(again);
  if (health) yield healthPart(health, table);
  if (denials) yield { op: 'denials', ...denials, told: denials.told ? 1 : 0 };
  if (words) yield { op: 'words', bytes: words };
}

function* againParts({ on, most, firstMs, longestMs, lastingMs, stopSignal, prepare, stages }: Again): Generator<PlanPart> {
  yield {
    op: 'again',
    on: RESTART_ON[on],
    most,
    first: nanoseconds(firstMs),
    longest: nanoseconds(longestMs),
    lasting: nanoseconds(lastingMs),
    stop_signal: stopSignal,
    prepare,
  };
  for (const { flags, group = NONE, steps } of stages) yield { op: 'again_stage', flags, group, steps };
}

function healthPart(health: HealthCheck, table: ShimTable): PlanPart {
  return {
    op: 'health',
    then: HEALTH_THEN[health.then],
    retries: health.retries,
    interval: nanoseconds(health.intervalMs),
    start_period: nanoseconds(health.startPeriodMs),
    start_interval: nanoseconds(health.startIntervalMs),
    at: NONE,
    frozen: health.frozen,
    check: planBytes(health.plan, health.given, table),
  };
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
    for (const step of steps) {
      if ('out' in step && step.out !== undefined) count = Math.max(count, step.out + 1);
      if ('steps' in step) count = Math.max(count, slotCount([step.steps], []));
    }
  }
  return count;
}
