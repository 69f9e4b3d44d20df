import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { execIn, shortened, toldIn, wordsOf } from '../../../../lib/container/events/words.js';
import { MAX_WORDS } from '../../../../lib/native/protocol.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const id = 'f'.repeat(32);

describe('words for those who watch', () => {
  it('are read as they were said', () => {
    for (const told of [
      { type: 'pause' },
      { type: 'stop' },
      { type: 'restart' },
      { type: 'resize', size: { columns: 80, rows: 24 } },
      { type: 'health_status', status: 'healthy' },
    ] as const) {
      expect(toldIn(Buffer.from(wordsOf(told)))).toEqual(told);
    }
    expect(execIn(Buffer.from(wordsOf({ execId: id, command: ['a', 'ü'] })))).toEqual({ execId: id, command: ['a', 'ü'] });
  });

  it('of another version, and damaged ones, are none', () => {
    for (const text of ['', '{', 'null', '[]', '{"type":"levitate"}', '{"type":"resize"}', '{"type":"die","exitCode":0}']) {
      expect(toldIn(bytes(text))).toBeNull();
    }
    for (const text of ['', '7', '{"execId":1,"command":[]}', '{"execId":"a","command":"b"}']) expect(execIn(bytes(text))).toBeNull();
  });

  it('have room for what is told of any command, and say when that is not all', () => {
    expect(shortened(['a', 'b'])).toEqual(['a', 'b']);
    expect(shortened(['a', 'x'.repeat(3072)])).toEqual(['a', '…']);
    expect(shortened(['\u0001'.repeat(1000)])).toEqual(['…']);
    const argument = fc.oneof(fc.string({ unit: 'binary', maxLength: 500 }), fc.constant('\u0000'.repeat(200)), fc.constant('"'));
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 300 }), (command) => {
        const told = shortened(command);
        expect(wordsOf({ execId: id, command: told }).length).toBeLessThanOrEqual(MAX_WORDS);
        if (told.length !== command.length || told.at(-1) === '…') expect(told.at(-1)).toBe('…');
        else expect(told).toEqual(command);
      }),
    );
  });
});
