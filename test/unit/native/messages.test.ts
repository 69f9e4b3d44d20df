import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Encoder } from '../../../lib/native/encode.js';
import {
  decodeCalled,
  decodeEnded,
  decodeFailed,
  decodeKilled,
  decodeNotice,
  decodeProgramEnded,
  decodeStarted,
} from '../../../lib/native/messages.js';
import { causes } from '../../../lib/native/protocol.js';

const body = (encoder: Encoder): Buffer => Buffer.from(encoder.finish());
const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));
const failure = fc.record({ where: fc.integer({ min: -5, max: 15 }), index: fc.nat(), errno: fc.nat({ max: 133 }), text });
type Failure = { where: number; index: number; errno: number; text: string };

const writeFailure = (encoder: Encoder, { where, index, errno, text: words }: Failure): Encoder =>
  encoder.i32(where).u32(index).i32(errno).str(words);

function writeEnd(encoder: Encoder, failed: Failure | null, undo: readonly Failure[]): Encoder {
  encoder.u8(failed ? 1 : 0);
  if (failed) writeFailure(encoder, failed);
  return encoder.list(undo, (item) => writeFailure(encoder, item));
}

const results = (encoder: Encoder, outputs: readonly Uint8Array[], slots: readonly number[]): Encoder =>
  encoder.list(outputs, (bytes) => encoder.bytes(bytes)).slots(slots);

describe('what the shim tells', () => {
  it('a start: pid, times, outputs, slots', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), fc.array(fc.nat({ max: 4095 })), fc.nat(), (outputs, slots, pid) => {
        const encoder = new Encoder().u8(1).num(pid).num(5_000_000).num(1_700_000_000_000_000_000n);
        const started = decodeStarted(body(results(encoder, outputs, slots)));
        expect(started).toMatchObject({ running: true, pid, startedMs: 5, startedAtMs: 1_700_000_000_000 });
        expect(started.outputs.map((bytes) => [...bytes])).toEqual(outputs.map((bytes) => [...bytes]));
        expect(started.slots).toEqual(slots);
      }),
    );
  });

  it('a call: results, or the failure', () => {
    fc.assert(
      fc.property(fc.nat(), failure, fc.array(fc.nat()), (sequence, failed, slots) => {
        expect(decodeCalled(body(writeFailure(new Encoder().u32(sequence).u8(1), failed)))).toEqual({ sequence, failure: failed });
        expect(decodeCalled(body(results(new Encoder().u32(sequence).u8(0), [], slots)))).toEqual({
          sequence,
          results: { outputs: [], slots },
        });
      }),
    );
  });

  it('a notice: what happened, when, and how many before it were lost', () => {
    const notice = new Encoder().u32(3).u32(7).u8(4).num(1_700_000_000_000_000_000n).bytes(new Encoder().u32(15).finish());
    const { body: killed, ...rest } = decodeNotice(body(notice));
    expect(rest).toEqual({ lost: 3, kind: 4, atMs: 1_700_000_000_000 });
    expect(decodeKilled(killed)).toBe(15);
  });

  it('the end of a program, with its words', () => {
    const ended = decodeProgramEnded(body(new Encoder().bytes(Uint8Array.of(1, 2)).bytes(Uint8Array.of(3))));
    expect([[...ended.words], [...ended.end]]).toEqual([[1, 2], [3]]);
  });

  it('a failure, and what could not be undone', () => {
    fc.assert(
      fc.property(fc.option(failure), fc.array(failure), (failed, undo) => {
        expect(decodeFailed(body(writeEnd(new Encoder(), failed, undo)))).toEqual({ failure: failed, undoFailures: undo });
      }),
    );
  });

  it('an end: how, why, when, and the files that could be read', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.nat({ max: 255 }),
        fc.nat({ max: 6 }),
        fc.array(fc.option(fc.uint8Array())),
        fc.array(fc.record({ copy: fc.nat({ max: 2 }), whileReading: fc.boolean(), errno: fc.nat({ max: 133 }) })),
        (signalled, value, cause, files, lostCopies) => {
          const encoder = writeEnd(new Encoder(), null, [])
            .u8(signalled ? 1 : 0)
            .u32(value)
            .u8(cause);
          for (const number of [1e15, 2e9, 3e9, 1500, 2500, 4096, 7, 8]) encoder.num(number);
          const writeFiles = () => encoder.list(files, (file) => encoder.u8(file ? 1 : 0).bytes(file ?? new Uint8Array()));
          writeFiles();
          writeFiles();
          encoder.list(lostCopies, ({ copy, whileReading, errno }) =>
            encoder
              .u32(copy)
              .u8(whileReading ? 1 : 0)
              .i32(errno),
          );
          // an older shim tells no more than this, or the pause before the next run
          expect(decodeEnded(body(encoder)).violation).toBeNull();
          encoder
            .u8(signalled ? 1 : 0)
            .u32(0xc000_003e)
            .i32(value);
          const ended = decodeEnded(body(encoder));
          expect(ended.violation).toEqual(signalled ? { arch: 0xc000_003e, call: value } : null);
          expect(ended).toMatchObject({
            failure: null,
            exit: { kind: signalled ? 'signalled' : 'exited', value },
            cause: causes[cause],
            startedAtMs: 1e9,
            startedMs: 2000,
            lostCopies,
            endedMs: 3000,
            usage: { userMs: 1.5, systemMs: 2.5, maxRssBytes: 4096, voluntarySwitches: 7, involuntarySwitches: 8 },
          });
          for (const reports of [ended.reports, ended.reportsBefore]) {
            expect(reports.map((file) => file && [...file])).toEqual(files.map((file) => file && [...file]));
          }
        },
      ),
    );
  });

  it('cut short it is an error, never half a message', () => {
    const whole = body(results(new Encoder().u8(1).num(1).num(2).num(3), [Buffer.from('output')], [4]));
    for (let size = 0; size < whole.length; ++size) {
      const cut = Buffer.from(whole.subarray(0, size));
      const bytes = (() => {
        try {
          return decodeStarted(cut).slots;
        } catch {
          return null;
        }
      })();
      expect(bytes, `of ${size} bytes`).toBeNull();
    }
  });
});
