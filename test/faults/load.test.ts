import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import type { Held } from '../fixtures/programs/load.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const MIB = 1024;
/** The longest of them, at its real size on two slow processors. */
const LONG = { timeout: 3_600_000 };

interface Cost {
  readonly before: Held;
  readonly after: Held;
  readonly seconds: number;
}

/** Bears a load in a Node process of its own, shows what it cost, and checks that nothing of it stays. */
async function bear<T extends Cost>(
  what: string,
  count: number,
  { heapMib, shimMib = 1 }: { readonly heapMib: number; readonly shimMib?: number },
): Promise<T> {
  const cost = await runNode<T>('load', [what, String(count)]);
  console.info(`${what} ${count}: ${JSON.stringify(cost)}`);
  const { before, after } = cost;
  for (const name of ['nodeDescriptors', 'shimDescriptors', 'groups'] as const) expect(after[name], name).toBeLessThanOrEqual(before[name]);
  // what Node has of the machine says less: V8 and malloc(3) keep what was used once, and give it back in their own time
  expect(after.heap - before.heap, 'KiB of objects in Node').toBeLessThan(heapMib * MIB);
  expect(after.shimMemory - before.shimMemory, 'KiB of the shim').toBeLessThan(shimMib * MIB);
  return cost;
}

describe('under load', () => {
  const inARow = rounds(500, Number(process.env.NACELLE_LOAD_RUNS ?? 100_000));
  it(`${inARow} runs leave no memory, descriptor or group`, LONG, async () => {
    await bear('runs', inARow, { heapMib: 2 });
  });

  const atOnce = rounds(40, Number(process.env.NACELLE_LOAD_ALIVE ?? 1000));
  it(`${atOnce} containers live at once, and all of them go`, LONG, async () => {
    const cost = await bear<Cost & { states: string[]; said: string }>('alive', atOnce, { heapMib: 4, shimMib: 3 });
    expect(cost).toMatchObject({ states: ['running'], said: 'here\n' });
  });

  const seconds = rounds(3, Number(process.env.NACELLE_LOAD_SECONDS ?? 600));
  it(`64 at once for ${seconds} s, beside processes of others`, LONG, async () => {
    const { spawned, done } = await bear<Cost & { spawned: number; done: number }>('beside', seconds, { heapMib: 4 });
    expect(spawned).toBeGreaterThan(0);
    expect(done).toBeGreaterThan(64);
  });

  const workers = rounds(5, 300);
  it(`${workers} Workers that end in the middle of their runs take all along`, LONG, async () => {
    await bear('workers', workers, { heapMib: 4 });
  });
});
