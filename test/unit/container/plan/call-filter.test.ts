import { describe, expect, it } from 'vitest';
import { loadFilter, planDenials } from '../../../../lib/container/plan/call-filter.js';
import { NONE } from '../../../../lib/plan/plan.js';
import { listenedFilter } from '../../../../lib/security/denials/listened-filter.js';
import { compileDefault } from '../../../../lib/security/seccomp.js';

const filter = compileDefault({ arch: 'x86_64', capabilities: 0n });

describe('loadFilter', () => {
  it('is a step that every shim knows, where there is nothing more to say', () => {
    expect(loadFilter({ filter }, null)).toEqual([{ op: 'seccomp', filter }]);
    expect(loadFilter({ filter, filterFlags: 0, denials: null }, 3)).toEqual([{ op: 'seccomp', filter }]);
    expect(loadFilter({ filter: null, denials: { told: true } }, 3)).toEqual([]);
  });

  it('has flags', () => {
    expect(loadFilter({ filter, filterFlags: 6 }, null)).toEqual([{ op: 'load_call_filter', out: NONE, filter, flags: 6 }]);
  });

  it('hands its listener to the shim, right after', () => {
    expect(loadFilter({ filter, filterFlags: 2, denials: { told: true } }, 3)).toEqual([
      { op: 'load_call_filter', out: 3, filter: listenedFilter(filter, { refusals: true }), flags: 2 },
      { op: 'give', slot: 3 },
    ]);
  });

  it('refuses by itself where there is no slot for a listener, as in a check of health', () => {
    expect(loadFilter({ filter, denials: { told: true } }, null)).toEqual([{ op: 'seccomp', filter }]);
  });
});

describe('planDenials', () => {
  it('has the filter as it was for answers, and looks at nothing where nobody is told', () => {
    expect(planDenials({ filter, denials: { told: false } }, 3)).toEqual({
      denials: { listener: 3, answers: filter, looks: new Uint8Array(), told: false },
    });
    expect(planDenials({ filter, denials: { told: true } }, 3).denials?.looks.length).toBeGreaterThan(0);
  });

  it('is nothing without a filter, or where the kernel answers alone', () => {
    expect([
      planDenials({ filter: null, denials: { told: true } }, 3),
      planDenials({ filter }, 3),
      planDenials({ filter, denials: { told: true } }, null),
    ]).toEqual([{}, {}, {}]);
  });
});
