import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../../../lib/errors.js';
import { Encoder, encodePlan } from '../../../lib/native/encode.js';
import { ownTable, tableOf } from '../../../lib/native/shim-table.js';
import { planOf } from '../../../lib/plan/plan.js';
import { stepTable } from '../../../lib/plan/steps.js';

const lines = ownTable.text.split('\n').filter((line) => line !== '');
const text = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

describe('the table of a shim', () => {
  it('has a line for each step and part, with the fields', () => {
    expect(lines).toContain('step open OUT(out) SLOT(at) STR(path) NUM(flags) NUM(mode)');
    expect(lines).toContain('step park NONE');
    expect(lines).toContain(
      'part health NUM(then) NUM(retries) NUM(interval) NUM(start_period) NUM(start_interval) SLOT(at) STR(frozen) PLAN(check)',
    );
    expect(lines.filter((line) => line.startsWith('step '))).toHaveLength(stepTable.length);
  });

  it('that is ours is taken for ours, whatever the version', () => {
    expect(tableOf(ownTable.text, '9.9.9')).toBe(ownTable);
  });

  it('numbers steps and parts its own way', () => {
    const other = tableOf(text([...lines].reverse()), '0.0.1');
    const close = stepTable.length - 1 - stepTable.findIndex(({ op }) => op === 'close');
    expect(new Encoder(other).steps([{ op: 'close', slot: 1 }]).finish()).toEqual(
      new Encoder().u32(11).u16(close).u8(0).u32(4).i32(1).finish(),
    );
    const parts = lines.filter((line) => line.startsWith('part '));
    expect(Buffer.from(encodePlan(planOf({}), new Map(), other)).readUInt16LE()).toBe(parts.length - 1);
  });

  it.each([
    ['has no such step', lines.filter((line) => !line.startsWith('step open '))],
    ['has the step with other fields', lines.map((line) => (line.startsWith('step open ') ? `${line} NUM(more)` : line))],
  ])('what the shim can not do is told before anything is sent: the shim %s', (_, others) => {
    const other = tableOf(text(others), '0.0.1');
    const encode = () => new Encoder(other).steps([{ op: 'open', at: 0, path: 'a', flags: 0, mode: 0 }]);
    expect(encode).toThrow(UnsupportedError);
    expect(encode).toThrow(/^to open is not supported here: .* version 0\.0\.1 of nacelle/);
  });
});
