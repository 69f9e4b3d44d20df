import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Encoder, encodePlan, slotCount } from '../../../lib/native/encode.js';
import { ANYWHERE, type Plan, planOf } from '../../../lib/plan/plan.js';
import { type Step, stepTable } from '../../../lib/plan/steps.js';

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
};

function readStep(reader: Reader): Record<string, unknown> {
  const entry = stepTable[reader.u8()];
  const host = reader.u8() === 1;
  const body = reader.part();
  const step: Record<string, unknown> = { op: entry?.op, host };
  for (const [kind, field] of entry?.fields ?? []) step[field] = KINDS[kind]?.(body);
  expect(body.done).toBe(true);
  return step;
}

function readSteps(reader: Reader): Record<string, unknown>[] {
  const part = reader.part();
  const steps: Record<string, unknown>[] = [];
  while (!part.done) steps.push(readStep(part));
  return steps;
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

/** Any step, with fields that fit its line of the table. */
const anyStep: fc.Arbitrary<Step> = fc.constantFrom(...stepTable).chain(({ op, fields }) => {
  const shape = Object.fromEntries(fields.map(([kind, field]) => [field, values[kind] ?? fc.constant(null)]));
  return fc.record({ op: fc.constant(op), host: fc.boolean(), ...shape }) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>;
});

/** As the shim sees a step: every number 64 bits wide, bytes as numbers. */
function seen(step: Step): Record<string, unknown> {
  const entry = stepTable.find(({ op }) => op === step.op);
  const result: Record<string, unknown> = { ...step };
  for (const [kind, field] of entry?.fields ?? []) {
    const value = result[field];
    if (kind === 'NUM') result[field] = BigInt(value as number | bigint);
    if (kind === 'BYTES') result[field] = [...(value as Uint8Array)];
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
    expect(() => new Encoder().steps([wrong])).toThrow('step chdir: field path is not a STR');
    expect(() => new Encoder().steps([{ op: 'nonsense' } as unknown as Step])).toThrow('nonsense');
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
    reports: [{ at: 3, path: 'memory.peak' }],
    returns: [3],
    killGroup: { at: 3, path: '.' },
    timeoutMs: 1.5,
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

  it('is in the order that addon/shim/wire/plan.cc reads', () => {
    const reader = new Reader(
      Buffer.from(
        encodePlan(
          plan,
          new Map([
            [0, 10],
            [1, 11],
          ]),
        ),
      ),
    );
    expect(reader.list(reader.i32)).toEqual([0, 1]);
    expect(reader.u32()).toBe(4);
    expect(readSteps(reader)).toEqual(plan.prepare.map(seen));
    const stages = reader.list(() => ({ flags: reader.num(), group: reader.i32(), steps: readSteps(reader) }));
    expect(stages).toEqual(
      plan.stages.map(({ flags, group = -1, steps }) => ({
        flags: BigInt(flags),
        group,
        steps: steps.map((step) => ({ host: false, ...seen(step) })),
      })),
    );
    expect(readSteps(reader)).toEqual(plan.undo.map(seen));
    expect(reader.list(() => [reader.i32(), reader.str()])).toEqual([[3, 'memory.peak']]);
    expect(reader.list(reader.i32)).toEqual([3]);
    expect([reader.u8(), reader.i32(), reader.str()]).toEqual([1, 3, '.']);
    expect(reader.num()).toBe(1_500_000n);
    expect([reader.u8(), reader.num()]).toEqual([1, 250_000_000n]);
    expect([reader.i32(), reader.str(), reader.str(), reader.num()]).toEqual([3, 'cpu.stat', 'usage_usec', 1000n]);
    expect([reader.u32(), reader.num()]).toEqual([15, 1_000_000_000n]);
    expect([reader.u8(), reader.u8(), reader.i32(), reader.str()]).toEqual([1, 1, 3, 'exit']);
    expect(readSteps(reader)).toEqual(plan.keep?.removal.map(seen));
    expect(reader.u8()).toBe(1);
    expect([reader.u8(), reader.u8(), reader.u32()]).toEqual([1, 1, 5]);
    expect([reader.num(), reader.num(), reader.num(), reader.u32()]).toEqual([100_000_000n, 60_000_000_000n, 10_000_000_000n, 15]);
    expect(readSteps(reader)).toEqual(plan.again?.prepare.map(seen));
    expect(reader.list(() => [reader.num(), reader.i32(), readSteps(reader)])).toEqual([[1n, -1, []]]);
    expect([reader.u8(), reader.u8(), reader.u32()]).toEqual([1, 2, 3]);
    expect([reader.num(), reader.num(), reader.num()]).toEqual([30_000_000_000n, 1_000_000n, 5_000_000_000n]);
    expect([reader.i32(), reader.str()]).toEqual([-1, '/group/cgroup.freeze']);
    const check = new Map([
      [0, 10],
      [1, 11],
    ]);
    expect(reader.blob()).toEqual(Buffer.from(encodePlan(nothing, check)));
    expect([...reader.blob()]).toEqual([1, 2]);
    expect(reader.done).toBe(true);
  });

  it('has no limit that became none: they are rounded up to whole nanoseconds', () => {
    const cpuClock = { limitMs: 5e-324, at: 3, path: 'cpu.stat', key: 'usage_usec', unit: 1000 };
    const { keep: _, again: __, health: ___, words: ____, ...unkept } = plan;
    const least = { ...unkept, timeoutMs: 1e-7, cpuClock, ending: { signal: 15, forceKillAfterMs: 1e-7 } };
    const bytes = Buffer.from(encodePlan(least, new Map()));
    // from the end: words (none), what is kept, started again and checked (nothing), forceKillAfterMs, the signal, then what the clock reads
    const notKept = 1 + 1 + 4 + 5 + 4 + 1 + 1 + 1 + 4;
    expect(bytes.readBigUInt64LE(bytes.length - notKept - 8)).toBe(1n);
    const clock = bytes.indexOf('cpu.stat') - 4 - 4 - 8;
    expect(bytes.readBigUInt64LE(clock)).toBe(1n);
    expect(bytes.readBigUInt64LE(clock - 1 - 8)).toBe(1n);
  });

  it('of nothing has every part too', () => {
    const reader = new Reader(Buffer.from(encodePlan(nothing, new Map())));
    expect(reader.list(reader.i32)).toEqual([]);
    expect(reader.u32()).toBe(0);
  });
});

describe('slots', () => {
  it('are counted by the largest that anything fills', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyStep)), fc.uniqueArray(fc.nat({ max: 5000 })), (lists, numbers) => {
        const filled = [
          -1,
          ...numbers,
          ...lists.flat().flatMap((step) => ('out' in step && typeof step.out === 'number' ? [step.out] : [])),
        ];
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
