import { describe, expect, it } from 'vitest';
import { happeningsIn } from '../../../../lib/container/events/notice-events.js';
import { wordsOf } from '../../../../lib/container/events/words.js';
import { Encoder } from '../../../../lib/native/encode.js';
import { NoticeKind } from '../../../../lib/native/protocol.js';

const record = { limits: {}, filterKills: false, processOne: true, group: { usage: [] } };
const exec = { execId: 'e', command: ['ls'] };

/** The body of the shim's event of an end. */
function end(exit: { readonly signalled: boolean; readonly value: number } | null): Uint8Array {
  const encoder = new Encoder();
  if (exit === null) encoder.u8(1).i32(0).u32(0).i32(2).str('');
  else encoder.u8(0);
  encoder
    .u32(0)
    .u8(exit?.signalled ? 1 : 0)
    .u32(exit?.value ?? 0)
    .u8(0);
  for (let number = 0; number < 8; number++) encoder.num(0);
  // reports, those before the run, and copies: none
  return encoder.u32(0).u32(0).u32(0).finish();
}

const heard = (kind: number, body: Uint8Array = new Uint8Array()) =>
  happeningsIn({ kind, lost: 0, atMs: 0, body: Buffer.from(body) }, record);

describe('a notice of a shim', () => {
  it('is an event in docker’s words', () => {
    expect(heard(NoticeKind.created)).toEqual([{ type: 'create' }]);
    expect(heard(NoticeKind.started)).toEqual([{ type: 'start' }]);
    expect(heard(NoticeKind.removed)).toEqual([{ type: 'destroy' }]);
    expect(heard(NoticeKind.killed, new Encoder().u32(15).finish())).toEqual([{ type: 'kill', signal: 'SIGTERM', signalNumber: 15 }]);
    expect(heard(NoticeKind.killed, new Encoder().u32(40).finish())).toEqual([{ type: 'kill', signal: null, signalNumber: 40 }]);
    expect(heard(NoticeKind.told, wordsOf({ type: 'pause' }))).toEqual([{ type: 'pause' }]);
  });

  it('of an end says how the program ended, where that is known', () => {
    const die = (exitCode: number | null, signal: string | null, signalNumber: number | null) => [
      { type: 'die', exitCode, signal, signalNumber },
    ];
    expect(heard(NoticeKind.ended, end({ signalled: false, value: 7 }))).toEqual(die(7, null, null));
    expect(heard(NoticeKind.ended, end({ signalled: true, value: 9 }))).toEqual(die(null, 'SIGKILL', 9));
    expect(heard(NoticeKind.ended, end({ signalled: true, value: 40 }))).toEqual(die(null, null, 40));
    expect(heard(NoticeKind.ended, end(null))).toEqual(die(null, null, null));
  });

  it('of a program beside the container’s own has the words of its plan', () => {
    expect(heard(NoticeKind.programStarted, wordsOf(exec))).toEqual([
      { type: 'exec_create', ...exec },
      { type: 'exec_start', ...exec },
    ]);
    const ended = (exit: Parameters<typeof end>[0]) => new Encoder().bytes(wordsOf(exec)).bytes(end(exit)).finish();
    expect(heard(NoticeKind.programEnded, ended({ signalled: false, value: 3 }))).toEqual([
      { type: 'exec_die', execId: 'e', exitCode: 3, signal: null, signalNumber: null },
    ]);
  });

  it('of a kind or with words that only another version knows is none', () => {
    expect(heard(200)).toEqual([]);
    expect(heard(NoticeKind.there, Uint8Array.of(2))).toEqual([]);
    expect(heard(NoticeKind.told, Buffer.from('{"type":"levitate"}'))).toEqual([]);
    expect(heard(NoticeKind.programStarted, Buffer.from('pid 7'))).toEqual([]);
  });
});
