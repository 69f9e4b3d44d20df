import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { type Case, effort } from '../case.js';
import { interleave, type Subject, summarise } from '../measure.js';
import { runContainer } from '../peers/nacelle.js';
import { runSpawned } from '../peers/spawn.js';
import type { Row } from '../table.js';

const LIVE = 64;

/** Its "time" of a batch is a rate: runs a second, with so many under way at once. */
function rateAt(concurrency: number, rootfs: string): Subject {
  return {
    name: `${concurrency} at once`,
    async run(count) {
      let left = count;
      const lane = async (): Promise<void> => {
        while (left-- > 0) await runContainer(rootfs);
      };
      const started = performance.now();
      await Promise.all(Array.from({ length: concurrency }, lane));
      return [count / ((performance.now() - started) / 1000)];
    },
  };
}

export const rate: Case = {
  name: 'rate',
  async measure(context) {
    const concurrencies = [1, 2, 8, 64];
    const summaries = await interleave(
      concurrencies.map((concurrency) => rateAt(concurrency, context.rootfs)),
      effort(context, { rounds: 10, batch: 400 }, { rounds: 3, batch: 200 }),
    );
    return summaries.map((measured, index): Row => {
      const concurrency = concurrencies[index];
      const row: Row = { what: `Container.run, ${concurrency} at once`, unit: 'runs/s', measured };
      return concurrency === 8 ? { ...row, target: { bound: 'at least', value: 500 } } : row;
    });
  },
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
