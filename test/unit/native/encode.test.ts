import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Encoder, encodePlan, slotCount } from '../../../lib/native/encode.js';
import { ANYWHERE, type Plan, planOf } from '../../../lib/plan/plan.js';
import { type PartRow, partTable } from '../../../lib/plan/plan-parts.js';
import { type Step, type StepRow, stepTable } from '../../../lib/plan/steps.js';

/** Reads what addon/shim/wire/wire.h reads, written from its description alone. */
class Reader {
  #at = 0;
  constructor(readonly bytes: Buffer) {}
  get done(): boolean {
    return this.#at === this.bytes.length;
  }
  take(size: number): Buffer {
    // not by expect, which takes longer than all that is read
    if (this.#at + size > this.bytes.length) throw new RangeError(`${size} bytes at ${this.#at} of ${this.bytes.length}`);
    this.#at += size;
    return this.bytes.subarray(this.#at - size, this.#at);
  }
  u8 = (): number => this.take(1).readUInt8();
  u16 = (): number => this.take(2).readUInt16LE();
  u32 = (): number => this.take(4).readUInt32LE();
  i32 = (): number => this.take(4).readInt32LE();
  num = (): bigint => this.take(8).readBigUInt64LE();
  blob = (): Buffer => this.take(this.u32());
  str = (): string => {
    const text = this.blob();
    if (this.u8() !== 0 || text.includes(0)) throw new Error('a string has one NUL, behind it');
    return text.toString('utf8');
  };
  list = <T>(read: () => T): T[] => Array.from({ length: this.u32() }, read);
  part = (): Reader => new Reader(this.blob());
}

const KINDS: Readonly<Record<string, (reader: Reader) => unknown>> = {
  OUT: (reader) => reader.i32(),
  SLOT: (reader) => reader.i32(),
  NUM: (reader) => reader.num(),
  STR: (reader) => reader.str(),
  BYTES: (reader) => [...reader.blob()],
  LIST: (reader) => reader.list(reader.str),
  SLOTS: (reader) => reader.list(reader.i32),
  STEPS: (reader) => readItems(reader.part(), stepTable),
  FILES: (reader) => reader.list(() => ({ at: reader.i32(), path: reader.str() })),
  PLAN: (reader) => readPlan(reader.part()),
};

type Items = Record<string, unknown>[];

/** Steps, or parts of a plan: number (u16), host (u8), fields (bytes). */
function readItems(reader: Reader, table: readonly (StepRow | PartRow)[]): Items {
  const items: Items = [];
  while (!reader.done) {
    const entry = table[reader.u16()];
    const host = reader.u8() === 1;
    const body = reader.part();
    const item: Record<string, unknown> = { op: entry?.op, host };
    for (const [kind, field] of entry?.fields ?? []) item[field] = KINDS[kind]?.(body);
    if (!body.done) throw new RangeError(`${entry?.op} has more fields than the table tells`);
    items.push(item);
  }
  return items;
}

function readSteps(reader: Reader): Items {
  return readItems(reader.part(), stepTable);
}

function readPlan(reader: Reader): Items {
  return readItems(reader, partTable).map(({ host: _, ...part }) => part);
}

const slot = fc.integer({ min: -1, max: 2 ** 31 - 1 });
const string = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', ''));
const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  OUT: slot,
  SLOT: slot,
  NUM: fc.oneof(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  STR: string,
  BYTES: fc.uint8Array(),
  LIST: fc.array(string),
  SLOTS: fc.array(slot),
};

/** Steps of these rows, with fields that fit them. */
function stepsOf(rows: readonly StepRow[], kinds: typeof values): fc.Arbitrary<Step> {
  return fc.constantFrom(...rows).chain(({ op, fields }) => {
    const shape = Object.fromEntries(fields.map(([kind, field]) => [field, kinds[kind] ?? fc.constant(null)]));
    return fc.record({ op: fc.constant(op), host: fc.boolean(), ...shape }) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>;
  });
}

/** A step with a list of steps has one of such as have none. */
const plain = stepTable.filter(({ fields }) => fields.every(([kind]) => kind !== 'STEPS'));
const anyStep = stepsOf(stepTable, { ...values, STEPS: fc.array(stepsOf(plain, values), { maxLength: 3 }) });

/** As the shim sees a step: every number 64 bits wide, bytes as numbers. */
function seen(step: Step): Record<string, unknown> {
  const entry = stepTable.find(({ op }) => op === step.op);
  const result: Record<string, unknown> = { ...step };
  for (const [kind, field] of entry?.fields ?? []) {
    const value = result[field];
    if (kind === 'NUM') result[field] = BigInt(value as number | bigint);
    if (kind === 'BYTES') result[field] = [...(value as Uint8Array)];
    if (kind === 'STEPS') result[field] = (value as Step[]).map(seen);
  }
  return result;
}

const nothing = planOf({});

describe('steps', () => {
  it('are read as they were written, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 20 }), (steps) => {
        const reader = new Reader(Buffer.from(new Encoder().steps(steps).finish()));
        expect(readSteps(reader)).toEqual(steps.map(seen));
        expect(reader.done).toBe(true);
      }),
    );
  });

  it('longer than any buffer to begin with', () => {
    const bytes = Buffer.alloc(300_000, 7);
    const step: Step = { op: 'write_file', root: 1, path: '/big', bytes, mode: 0o644, uid: 0, gid: 0, ...ANYWHERE };
    const [read] = readSteps(new Reader(Buffer.from(new Encoder().steps([step]).finish())));
    expect(Buffer.from(read?.bytes as number[]).equals(bytes)).toBe(true);
  });

  it('a field that is missing or of another kind is a programming error, told by name', () => {
    const wrong = { op: 'chdir', path: 5, create: 0 } as unknown as Step;
    expect(() => new Encoder().steps([wrong])).toThrow(/^chdir: field path is not a STR$/);
    expect(() => new Encoder().steps([{ op: 'nonsense' } as unknown as Step])).toThrow('no such step or part: nonsense');
  });

  it('OUT may be left out: the descriptor is dropped', () => {
    const [read] = readSteps(new Reader(Buffer.from(new Encoder().steps([{ op: 'unshare', flags: 1 }]).finish())));
    expect(read).toEqual({ op: 'unshare', host: false, flags: 1n });
  });

  it('numbers past 53 bits are whole', () => {
    for (const value of [2 ** 32, 2 ** 53 - 1, 0xffff_ffff_ffff_ffffn]) {
      const reader = new Reader(Buffer.from(new Encoder().num(value).finish()));
      expect(reader.num()).toBe(BigInt(value));
    }
  });
});

describe('a plan', () => {
  const plan: Plan = {
    prepare: [{ op: 'make_group', host: true, out: 3, at: -1, path: '/g' }],
    stages: [
      { flags: 0x2000_0000, group: 3, steps: [{ op: 'clone', stage: 1, keep: [3, 1] }] },
      { flags: 0, steps: [{ op: 'park' }, { op: 'exec', path: 'a', argv: ['a', ''], env: [] }] },
    ],
    undo: [{ op: 'remove_group', host: true, at: -1, path: '/g' }],
    reports: ['memory.peak', 'memory.current'].map((path) => ({ at: 3, path })),
    returns: [3],
    laterMounts: { reports: [0, 1], mostBytes: 4096 },
    killGroup: { at: 3, path: '.' },
    timeoutMs: 1.5,
    setUpMs: 2.5,
    cpuClock: { limitMs: 250, at: 3, path: 'cpu.stat', key: 'usage_usec', unit: 1000 },
    ending: { signal: 15, forceKillAfterMs: 1000 },
    keep: { evidence: { at: 3, path: 'exit' }, removal: [{ op: 'unlink', host: true, at: -1, path: '/lease' }], auto: true },
    leavesTree: true,
    again: {
      on: 'failure',
      most: 5,
      firstMs: 100,
      longestMs: 60_000,
      lastingMs: 10_000,
      stopSignal: 15,
      prepare: [{ op: 'make_group', host: true, out: 2, at: -1, path: '/g' }],
      stages: [{ flags: 1, steps: [] }],
    },
    health: {
      then: 'restart',
      retries: 3,
      intervalMs: 30_000,
      startPeriodMs: 1,
      startIntervalMs: 5000,
      frozen: '/group/cgroup.freeze',
      plan: nothing,
      given: [0, 1],
    },
    words: Uint8Array.of(1, 2),
  };

  const sent = (parts: Plan, given: readonly number[] = []): Items => {
    const descriptors = new Map(given.map((slot) => [slot, 10 + slot]));
    return readPlan(new Reader(Buffer.from(encodePlan(parts, descriptors))));
  };
  const steps = (list: readonly Step[]): Items => list.map((step) => ({ host: false, ...seen(step) }));

  it('has a part for all that it says', () => {
    expect(sent(plan, [0, 1])).toEqual([
      { op: 'slots', given: [0, 1], count: 4n },
      { op: 'prepare', steps: steps(plan.prepare) },
      ...plan.stages.map(({ flags, group = -1, steps: list }) => ({ op: 'stage', flags: BigInt(flags), group, steps: steps(list) })),
      { op: 'undo', steps: steps(plan.undo) },
      { op: 'reports', files: plan.reports },
      { op: 'returns', slots: [3] },
      ...[0n, 1n].map((report) => ({ op: 'later_mounts', report, most: 4096n })),
      { op: 'kill_group', at: 3, path: '.' },
      { op: 'timeout', wait: 1_500_000n },
      { op: 'set_up', wait: 2_500_000n },
      { op: 'cpu_clock', limit: 250_000_000n, at: 3, path: 'cpu.stat', key: 'usage_usec', unit: 1000n },
      { op: 'ending', signal: 15n, force_kill_after: 1_000_000_000n },
      { op: 'keep', auto_remove: 1n, at: 3, path: 'exit', removal: steps(plan.keep?.removal ?? []) },
      { op: 'leaves_tree' },
      {
        op: 'again',
        on: 1n,
        most: 5n,
        first: 100_000_000n,
        longest: 60_000_000_000n,
        lasting: 10_000_000_000n,
        stop_signal: 15n,
        prepare: steps(plan.again?.prepare ?? []),
      },
      { op: 'again_stage', flags: 1n, group: -1, steps: [] },
      {
        op: 'health',
        then: 2n,
        retries: 3n,
        interval: 30_000_000_000n,
        start_period: 1_000_000n,
        start_interval: 5_000_000_000n,
        at: -1,
        frozen: '/group/cgroup.freeze',
        check: sent(nothing, [0, 1]),
      },
      { op: 'words', bytes: [1, 2] },
    ]);
  });

  it('has no limit that became none: they are rounded up to whole nanoseconds', () => {
    const cpuClock = { limitMs: 5e-324, at: 3, path: 'cpu.stat', key: 'usage_usec', unit: 1000 };
    const least = sent({ ...plan, timeoutMs: 1e-7, cpuClock, ending: { signal: 15, forceKillAfterMs: 1e-7 } });
    const part = (op: string): unknown => least.find((item) => item.op === op);
    expect(part('timeout')).toMatchObject({ wait: 1n });
    expect(part('cpu_clock')).toMatchObject({ limit: 1n });
    expect(part('ending')).toMatchObject({ force_kill_after: 1n });
  });

  it('of nothing has the slots and how the program is ended', () => {
    expect(sent(nothing).map(({ op }) => op)).toEqual(['slots', 'ending']);
  });
});

describe('slots', () => {
  it('are counted by the largest that anything fills', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyStep)), fc.uniqueArray(fc.nat({ max: 5000 })), (lists, numbers) => {
        const steps = lists.flat().flatMap((step) => ('steps' in step ? step.steps : [step]));
        const filled = [-1, ...numbers, ...steps.flatMap((step) => ('out' in step && typeof step.out === 'number' ? [step.out] : []))];
        expect(slotCount(lists, numbers)).toBe(Math.max(...filled) + 1);
      }),
    );
  });

  it('that are only taken from count for nothing, dropped ones neither', () => {
    expect(
      slotCount(
        [
          [
            { op: 'close', slot: 9 },
            { op: 'open', out: -1, at: 7, path: '', flags: 0, mode: 0 },
          ],
        ],
        [],
      ),
    ).toBe(0);
  });
});
