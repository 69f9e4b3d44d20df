import { expect } from 'vitest';
import { psLines, psTable } from '../../../lib/runtime-cli/ps-table.js';
import { requires } from '../../fixtures/requires.js';

const { describe, it } = requires({ tools: ['ps'] });

describe('a table of processes', () => {
  it.each([
    [
      'UID          PID    PPID CMD\nroot           1       0 init\nroot          21       1 sh 1\n',
      'UID          PID    PPID CMD\nroot          21       1 sh 1',
    ],
    ['    PID COMMAND\n      1 init\n     21 sh\n', '    PID COMMAND\n     21 sh'],
    ['USER     PID\nroot     2\n', 'USER     PID'],
  ])('has the lines of those that are asked for: %j', (table, expected) => {
    expect(psLines([21], table)).toBe(expected);
  });

  it('is refused without a column of pids', () => {
    expect(() => psLines([21], 'COMMAND\nsh\n')).toThrow("couldn't find PID field");
  });

  it('has this process, by the words of its caller', () => {
    expect(psTable([process.pid], ['-e', '-o', 'pid,ppid']).split('\n')[1]?.trim().split(/\s+/)).toEqual([
      `${process.pid}`,
      `${process.ppid}`,
    ]);
    expect(() => psTable([1], ['--no-such-flag'])).toThrow(expect.objectContaining({ code: 'ERR_STATE' }));
  });
});
