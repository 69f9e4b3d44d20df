import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Encoder } from '../../../lib/native/encode.js';
import { decodeTraced } from '../../../lib/native/messages.js';
import { Where } from '../../../lib/native/protocol.js';
import { inOrder, spansOf, timelineText } from '../../../lib/native/timeline.js';
import { NONE, planOf } from '../../../lib/plan/plan.js';

const plan = planOf({
  prepare: [{ op: 'open', out: 0, at: NONE, path: '/x\u001b[2J', flags: 0, mode: 0 }],
  stages: [{ flags: 0, steps: [{ op: 'setsid' }, { op: 'close', host: true, slot: 0 }] }],
  undo: [{ op: 'close', slot: 0 }],
});

// what the process noted could be anything: whoever traces that process may write it
const mark = fc.record({
  where: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  index: fc.nat({ max: 2 ** 32 - 1 }),
  began: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  ended: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

const near = fc.record({
  where: fc.integer({ min: -10, max: 20 }),
  index: fc.nat({ max: 3 }),
  began: fc.bigInt({ min: 0n, max: 10_000_000n }),
  ended: fc.bigInt({ min: 0n, max: 10_000_000n }),
});

describe('a timeline', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(mark), (marks) => {
        const bytes = new Encoder().list(marks, () => undefined);
        for (const { where, index, began, ended } of marks) bytes.i32(where).u32(index).num(began).num(ended);
        expect(decodeTraced(Buffer.from(bytes.finish()))).toEqual(
          marks.map(({ where, index, began, ended }) => ({
            where,
            index,
            beganMs: Number(began) / 1e6,
            endedMs: ended === 0n ? null : Number(ended) / 1e6,
          })),
        );
      }),
    );
  });

  it('has a line for each mark, whatever the marks are', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(mark, near)), (marks) => {
        const read = marks.map(({ where, index, began, ended }) => ({
          where,
          index,
          beganMs: Number(began) / 1e6,
          endedMs: ended === 0n ? null : Number(ended) / 1e6,
        }));
        const spans = inOrder(spansOf(read, plan));
        expect(spans).toHaveLength(marks.length);
        expect(spans.map(({ beganMs }) => beganMs)).toEqual(read.map(({ beganMs }) => beganMs).sort((a, b) => a - b));
        const text = timelineText({ name: 'a call', spans });
        expect(text.split('\n')).toHaveLength(marks.length + 3);
        // nothing that a terminal would obey
        expect([...text].every((letter) => letter === '\n' || (letter >= ' ' && letter < '\u007f'))).toBe(true);
      }),
    );
  });

  it('tells who does a step, in the words of its errors', () => {
    const at = (where: number, index: number) => ({ where, index, beganMs: 1, endedMs: null });
    const marks = [
      at(Where.prepare, 0),
      at(0, 0),
      at(0, 1),
      at(Where.undo, 0),
      at(Where.clone, 0),
      at(Where.run, 0),
      at(Where.end, 1),
      at(7, 9),
    ];
    expect(spansOf(marks, plan).map(({ who, step, what }) => [who, step, what])).toEqual([
      ['shim', 'open', 'open /x\u001b[2J'],
      ['process', 'setsid', 'start a session'],
      ['shim', 'close', 'close a descriptor'],
      ['shim', 'close', 'close a descriptor'],
      ['shim', '-', 'clone the first process'],
      ['shim', '-', 'the program, until its end is known'],
      ['shim', '-', 'read what the groups counted'],
      ['process', '-', 'step 9 of 7'],
    ]);
  });

  it('begins at nought, and says how long the whole took', () => {
    const spans = spansOf(
      [
        { where: 0, index: 0, beganMs: 1000.5, endedMs: 1001.25 },
        { where: Where.prepare, index: 0, beganMs: 1000, endedMs: null },
      ],
      plan,
    );
    expect(timelineText({ name: 'a call', spans: inOrder(spans) })).toBe(
      [
        'nacelle: a call, 1.250 ms',
        'began (ms)       took  who      step                what',
        '     0.000          -  shim     open                open /x?[2J',
        '     0.500      0.750  process  setsid              start a session',
        '',
      ].join('\n'),
    );
  });
});
