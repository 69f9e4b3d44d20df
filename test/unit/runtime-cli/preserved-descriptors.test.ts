import { describe, expect, it } from 'vitest';
import { preservedDescriptors } from '../../../lib/runtime-cli/preserved-descriptors.js';

/** A caller that has some descriptors open, each by its own number. */
function callerWith(open: readonly number[], env: Record<string, string> = {}) {
  return { env, pid: 7, descriptor: (number: number) => (open.includes(number) ? number : null) };
}

describe('descriptors that a program is given', () => {
  it('end with the last one that is open', () => {
    expect(preservedDescriptors(1000, callerWith([4, 6])).descriptors).toEqual([null, 4, null, 6]);
    expect(preservedDescriptors(1000, callerWith([])).descriptors).toEqual([]);
  });

  it('are the sockets of LISTEN_FDS, and others after them', () => {
    const { descriptors, env } = preservedDescriptors(1, callerWith([3, 4, 5], { LISTEN_FDS: '2', LISTEN_PID: '7' }));
    expect([descriptors, env]).toEqual([
      [3, 4, 5],
      ['LISTEN_FDS=2', 'LISTEN_PID=1'],
    ]);
  });

  it.each([
    ['1001', 0],
    ['1', 1000],
    ['100000', 0],
  ])('are refused where they are too many: LISTEN_FDS %s and %i more', (sockets, more) => {
    const caller = callerWith([3], { LISTEN_FDS: sockets });
    expect(() => preservedDescriptors(more, caller)).toThrow(`LISTEN_FDS (${sockets}) and --preserve-fds (${more}) are more than 1000`);
    // no socket is for a program of exec
    expect(preservedDescriptors(more, caller, { activates: false }).env).toEqual([]);
  });

  it('are those of LISTEN_FDS for the process alone that LISTEN_PID names', () => {
    expect(preservedDescriptors(0, callerWith([3], { LISTEN_FDS: '5000', LISTEN_PID: '8' }))).toEqual({ descriptors: [], env: [] });
    expect(preservedDescriptors(0, callerWith([3], { LISTEN_FDS: '1000' }))).toEqual({
      descriptors: [3],
      env: ['LISTEN_FDS=1000', 'LISTEN_PID=1'],
    });
  });
});
