import { expect, it } from 'vitest';
import { parseUsage } from '../../../../lib/container/life/process-usage.js';

it('reads what a process has used, whatever its name', () => {
  // proc(5): pid, name, state, ppid, pgrp, session, tty, tpgid, flags, minflt, cminflt, majflt, cmajflt, utime, stime, cutime, cstime
  const stat = '12 (a) R (b 1 2) S 1 12 12 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 1 0 5';
  const status = 'Name:\ta\nVmHWM:\t    2048 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n';
  expect(parseUsage(stat, status)).toEqual({
    userMs: 1300,
    systemMs: 240,
    maxRssBytes: 2 * 1024 ** 2,
    voluntarySwitches: 7,
    involuntarySwitches: 9,
  });
  // a process that ends has no memory any more
  expect(parseUsage('', '')).toMatchObject({ userMs: 0, maxRssBytes: 0 });
});
