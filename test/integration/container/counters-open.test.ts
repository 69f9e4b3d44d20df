import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, type Execution } from '../../../lib/index.js';
import { pidOf, readLink, shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, unified: true, tools: ['busybox'] });

/** How many files of processor time the shim has open, by groups. */
function openCounters(): number {
  const folder = `/proc/${pidOf(shimOf())}/fd`;
  return readdirSync(folder).filter((fd) => readLink(`${folder}/${fd}`)?.endsWith('/cpu.stat')).length;
}

async function cats(count: number): Promise<{ all: Execution[]; end: () => Promise<void> }> {
  const options = { ...(await busybox()), command: ['cat'], stdin: 'pipe' } as const;
  const all = Array.from({ length: count }, () => Container.run(options));
  await Promise.all(all.map(({ pid }) => pid));
  const end = async (): Promise<void> => {
    for (const { stdin } of all) stdin?.end();
    for (const run of all) {
      const { status, usage } = await run;
      expect([status, usage.cpuTimeMs > 0, (usage.memoryPeak ?? 1) > 0]).toEqual(['ok', true, true]);
    }
  };
  return { all, end };
}

describe('the counters of a run', () => {
  it('are open while it runs, and closed after it', async () => {
    await forgetMadeAhead();
    const { end } = await cats(1);
    await until('they are open', () => openCounters() === 1);
    await end();
    await forgetMadeAhead();
    await until('they are closed', () => openCounters() === 0);
  });

  it('are not, of more than some at once', async () => {
    await forgetMadeAhead();
    const { end } = await cats(40);
    expect(openCounters()).toBeLessThanOrEqual(32);
    await end();
    await until('they are closed', () => openCounters() === 0);
  });
});
