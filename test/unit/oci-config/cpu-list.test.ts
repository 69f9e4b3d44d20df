import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuMask } from '../../../lib/oci-config/cpu-list.js';
import { affinitySteps, resetAffinity } from '../../../lib/runtime-cli/plan/affinity-steps.js';

describe('a list of processors', () => {
  it.each([
    ['0', [1]],
    ['0-3,7', [0b1000_1111]],
    [' 8 , 1-1', [0b10, 1]],
    ['8191', [...Array<number>(1023).fill(0), 128]],
  ])('%j is a mask', (list, mask) => {
    expect([...(cpuMask(list) ?? [])]).toEqual(mask);
  });

  it.each(['', ',', '1,', '3-1', 'a', '-1', '8192', '0-99999', '1 2'])('%j is none', (list) => {
    expect(cpuMask(list)).toBeNull();
  });

  it('is a mask of all of its numbers and of no others', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 300 }), { minLength: 1 }), (cpus) => {
        const mask = cpuMask(cpus.join(',')) ?? expect.fail('it is a list');
        const set = [...mask.keys()].flatMap((byte) =>
          [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) => ((mask[byte] ?? 0) & (1 << bit) ? [byte * 8 + bit] : [])),
        );
        expect(set).toEqual(cpus.toSorted((a, b) => a - b));
      }),
    );
  });

  it('is first where the shim runs, then where the process does; without one the process may run on all', () => {
    const { before, after } = affinitySteps({ execCPUAffinity: { initial: '0', final: '1' } });
    expect([before, after]).toEqual([
      [{ op: 'cpu_affinity', host: true, mask: Uint8Array.of(1) }],
      [{ op: 'cpu_affinity', mask: Uint8Array.of(2) }],
    ]);
    expect(affinitySteps({ execCPUAffinity: { initial: '', final: undefined } })).toEqual({ before: [], after: [resetAffinity] });
    expect(affinitySteps({ execCPUAffinity: undefined })).toEqual({ before: [], after: [resetAffinity] });
  });
});
