import { describe, expect, it } from 'vitest';
import { listenedFilter } from '../../../../lib/security/denials/listened-filter.js';
import type { Action } from '../../../../lib/security/profile.js';
import { compileProfile } from '../../../../lib/security/seccomp.js';
import { syscallTable } from '../../../../lib/security/syscalls/tables.js';
import { audit, runFilter } from '../interpreter.js';

const NOTIFY = 0x7fc0_0000;
const actions: readonly Action[] = ['allow', 'log', 'trap', 'kill-thread', 'kill-process', { trace: 3 }, { errno: 1 }, { errno: 38 }];
const names = [...syscallTable('x86_64').keys()].slice(0, actions.length);
const filter = compileProfile(
  { defaultAction: { errno: 13 }, rules: actions.map((action, index) => ({ names: [names[index] ?? ''], action })) },
  { arch: 'x86_64', capabilities: 0n },
);

/** Which of all numbers, and of two ABIs, are asked for; all others must have the verdict that they had. */
function asked(listened: Uint8Array): string[] {
  return ([audit.x86_64, audit.arm64] as const).flatMap((arch) =>
    Array.from({ length: 600 }, (_, nr) => nr).flatMap((nr) => {
      const [before, now] = [filter, listened].map((program) => runFilter(program, { arch, nr }).verdict);
      if (now !== NOTIFY) expect(now).toBe(before);
      return now === NOTIFY ? [`${before?.toString(16)}`] : [];
    }),
  );
}

describe('listenedFilter', () => {
  it('asks for what kills, and leaves all else to the kernel', () => {
    expect(new Set(asked(listenedFilter(filter, { refusals: false })))).toEqual(new Set(['0', '80000000']));
  });

  it('asks for what is refused, but not for ENOSYS', () => {
    expect(new Set(asked(listenedFilter(filter, { refusals: true })))).toEqual(new Set(['0', '80000000', '50001', '5000d']));
  });

  it('leaves the filter as it was', () => {
    const before = Uint8Array.from(filter);
    listenedFilter(filter, { refusals: true });
    expect(filter).toEqual(before);
  });
});
