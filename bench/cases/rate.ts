import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Container } from 'nacelle';
import { type Case, effort } from '../case.js';
import { interleave, type Subject, summarise } from '../measure.js';
import { floor } from '../peers/floor.js';
import { containerOptions, runContainer } from '../peers/nacelle.js';
import { runSpawned } from '../peers/spawn.js';
import type { Line, Row } from '../table.js';

const LIVE = 64;
/** Loops of floor.c at once. */
const LOOPS = 8;

/** Its "time" of a batch is a rate: runs a second, with so many under way at once. */
function rateOf(name: string, lanes: number, once: () => Promise<unknown>, close?: () => Promise<void>): Subject {
  const run = async (count: number): Promise<number[]> => {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await once();
    };
    const started = performance.now();
    await Promise.all(Array.from({ length: lanes }, lane));
    return [count / ((performance.now() - started) / 1000)];
  };
  return { name, run, ...(close && { close }) };
}

/** The same of the bare system calls, by several processes side by side. */
function rateOfFloor(rootfs: string): Subject {
  const loop = floor(rootfs);
  const run = async (count: number): Promise<number[]> => {
    const started = performance.now();
    const done = await Promise.all(Array.from({ length: LOOPS }, () => loop.run(Math.ceil(count / LOOPS))));
    return [done.flat().length / ((performance.now() - started) / 1000)];
  };
  return { name: `${LOOPS} loops of ${loop.name}`, run, ...(loop.close && { close: loop.close }) };
}

async function rateOfPool(rootfs: string, lanes: number): Promise<Subject> {
  const pool = await Container.pool(containerOptions(rootfs), { ready: LOOPS });
  return rateOf(
    `pool.run, ${lanes} at once`,
    lanes,
    () => pool.run(),
    () => pool.close(),
  );
}

export const rate: Case = {
  name: 'rate',
  async measure({ rootfs, ...context }) {
    const once = (): Promise<void> => runContainer(rootfs);
    const bare = rateOfFloor(rootfs);
    const subjects = [
      ...[1, 2, 8, 64].map((lanes) => rateOf(`Container.run, ${lanes} at once`, lanes, once)),
      ...(await Promise.all([8, 64].map((lanes) => rateOfPool(rootfs, lanes)))),
    ];
    const [against, ...summaries] = await interleave(
      [bare, ...subjects],
      effort({ rootfs, ...context }, { rounds: 10, batch: 400 }, { rounds: 3, batch: 200 }),
    ).finally(() => Promise.all([bare, ...subjects].map(({ close }) => close?.())));
    if (!against) throw new Error('nothing was measured');
    return subjects.flatMap(({ name: what }, index): Line[] => {
      const measured = summaries[index];
      if (!measured) return [];
      const row: Row = { what, unit: 'runs/s', measured };
      const value = TARGETS[what];
      if (value === undefined) return [row];
      return [{ ...row, against: { name: bare.name, measured: against }, compare: 'ratio', target: { bound: 'at least', value } }];
    });
  },
};

/** Of what the same number of processors does without a library. */
const TARGETS: Readonly<Record<string, number>> = {
  'Container.run, 8 at once': 0.6,
  'Container.run, 64 at once': 0.6,
  'pool.run, 8 at once': 0.7,
  'pool.run, 64 at once': 0.7,
};

/** Memory for each of 64 containers that live, in a fresh Node process each time. */
export const memory: Case = {
  name: 'memory',
  async measure(context) {
    const script = fileURLToPath(new URL('../programs/live.ts', import.meta.url));
    const samples: { node: number; shim: number }[] = [];
    for (let round = 0; round < (context.quick ? 2 : 5); round++) {
      const text = await runSpawned(process.execPath, ['--expose-gc', '--import', 'tsx', script, context.rootfs, String(LIVE)]);
      samples.push(JSON.parse(text));
    }
    return [
      { what: `Node's memory for each of ${LIVE} containers`, unit: 'KiB', measured: summarise(samples.map(({ node }) => node)) },
      { what: `The shim's memory for each of ${LIVE} containers`, unit: 'KiB', measured: summarise(samples.map(({ shim }) => shim)) },
    ];
  },
};
