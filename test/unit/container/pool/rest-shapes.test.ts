import { describe, expect, it } from 'vitest';
import { type ParsedOptions, parseAnew } from '../../../../lib/container/options/container-options.js';
import { type Planned, RestShapes } from '../../../../lib/container/pool/rest-shapes.js';
import { encodePlan } from '../../../../lib/native/encode.js';
import { NONE, planOf, Slots } from '../../../../lib/plan/plan.js';
import type { Streams } from '../../../../lib/process/streams/child-end.js';

const [first, second, third] = ['0123456789ab', 'ba9876543210', 'abcdef012345'];
const options = (given: object = {}): ParsedOptions => parseAnew({ image: 'dir:/x', command: ['true'], ...given }, () => true);
const streams = (fd: number, more: Partial<Streams> = {}): Streams => ({
  ends: [{ type: 'null' }, { type: 'pipe', fd }, { type: 'given', fd: fd + 1 }],
  copies: [],
  ...more,
});

/** A rest that has the name where a plan has it: in paths, in words, and beside each other. */
function planned(name: string, { ends }: Streams): Planned {
  const slots = new Slots(20);
  for (const end of ends) if ('fd' in end) slots.give(end.fd);
  const rest = planOf({
    stages: [{ flags: 0, steps: [{ op: 'exec', path: 'x', argv: [`${name}${name}`], env: [`HOSTNAME=${name}`, 'A=ü'] }] }],
    undo: [{ op: 'remove_group', host: true, at: NONE, path: `/g/${name}0123` }],
  });
  return { plan: { first: null, rest, mountNamespace: 1, user: 2, master: NONE, uppers: [], leave: [] }, descriptors: slots.descriptors };
}

describe('the rest of a run in a pool', () => {
  const shapes = new RestShapes();
  const ask = (of: ParsedOptions, name: string, given: Streams, ground: readonly unknown[] = []) => {
    let isPlanned = false;
    const plan = (): Planned => {
      isPlanned = true;
      return planned(name, given);
    };
    const { encoded, descriptors } = shapes.restOf(of, { values: [Buffer.from(name)], ground, streams: given, plan });
    const { plan: whole, descriptors: fds } = planned(name, given);
    return {
      isPlanned,
      isRight: Buffer.compare(encoded.body, encodePlan(whole.rest, fds)) === 0,
      isSame: [...descriptors],
      fds: [...fds],
      encoded,
    };
  };

  it('is that of the run before under another name, where the options are the same objects', () => {
    const same = options();
    for (const [name, fd, isPlanned] of [
      [first, 5, true],
      // what differs between two is seen by two
      [second, 8, true],
      [third, 11, false],
      [first, 14, false],
    ] as const) {
      const found = ask(same, name, streams(fd));
      expect(found).toMatchObject({ isPlanned, isRight: true });
      expect(found.isSame).toEqual(found.fds);
      // the words of a failure are of this one's plan
      expect(JSON.stringify(found.encoded.plan())).toContain(name);
      for (const other of [first, second, third].filter((one) => one !== name))
        expect(JSON.stringify(found.encoded.plan())).not.toContain(other);
    }
  });

  it('is planned where anything else is another', () => {
    const same = options();
    for (const name of [first, second]) ask(same, name, streams(5));
    expect(ask(same, third, streams(5))).toMatchObject({ isPlanned: false, isRight: true });
    expect(ask(same, third, streams(5), ['another file'])).toMatchObject({ isPlanned: true, isRight: true });
    const null3 = streams(5, { ends: [{ type: 'null' }, { type: 'null' }, { type: 'null' }] });
    expect(ask(same, second, null3)).toMatchObject({ isPlanned: true, isRight: true });
    expect(ask({ ...same, command: ['true'] }, second, streams(5))).toMatchObject({ isPlanned: true, isRight: true });
    expect(ask({ ...same, process: { ...same.process } }, second, streams(5))).toMatchObject({ isPlanned: true, isRight: true });
    expect(ask({ ...same, copyOut: ['/x'] }, second, streams(5))).toMatchObject({ isPlanned: true, isRight: true });
  });

  it('is planned each time where it depends on what is open, or on the environment of this process', () => {
    for (const [of, given] of [
      [options({ extendEnv: true }), streams(5)],
      [options({ cancelSignal: new AbortController().signal }), streams(5)],
      [options(), streams(5, { terminal: { columns: 80, rows: 24 } })],
      [options(), streams(5, { ends: [{ type: 'file', path: '/x' }, { type: 'null' }, { type: 'null' }] })],
      [options(), streams(5, { copies: [{ from: 1, to: 2, option: 'stdin', path: null }] })],
    ] as const) {
      for (const name of [first, second, third]) expect(ask(of, name, given)).toMatchObject({ isPlanned: true, isRight: true });
    }
  });
});
