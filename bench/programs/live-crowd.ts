// What a crowd of containers that live costs: node --expose-gc --import tsx live-crowd.ts ROOTFS COUNT. Prints JSON: KiB for each, and ms of a start.
import { performance } from 'node:perf_hooks';
import { Container } from 'nacelle';
import { readText, shimOf } from '../../test/fixtures/host.js';
import { containerOptions } from '../peers/nacelle.js';

const [rootfs = '', text = '1000'] = process.argv.slice(2);
const COUNT = Number(text);
/** Starts that a median is of. */
const STARTS = 25;

/** KiB in a line of a file of /proc. */
function kib(file: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readText(file) ?? '')?.[1] ?? 0);
}

function memory(): { node: number; shim: number; kernel: number } {
  globalThis.gc?.();
  globalThis.gc?.();
  return {
    node: kib('/proc/self/status', 'VmRSS'),
    shim: kib(`/proc/${shimOf()?.pid ?? 0}/smaps_rollup`, 'Pss'),
    kernel: -kib('/proc/meminfo', 'MemAvailable'),
  };
}

async function start(): Promise<Container> {
  const container = await Container.create({ ...containerOptions(rootfs), command: ['/bin/sleep', '1000'] });
  await container.start();
  return container;
}

/** The median time of a start, ms. What was made ahead is taken alike. */
async function timedStart(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const started = performance.now();
    const container = await start();
    times.push(performance.now() - started);
    await container.remove({ force: true });
  }
  return times.sort((a, b) => a - b)[Math.floor(STARTS / 2)] ?? 0;
}

async function startMany(count: number): Promise<Container[]> {
  const all: Container[] = [];
  while (all.length < count) all.push(...(await Promise.all(Array.from({ length: Math.min(20, count - all.length) }, start))));
  return all;
}

const removeAll = async (all: readonly Container[]): Promise<void> => {
  for (const container of all) await container.remove({ force: true });
};

// code is compiled and pools are filled the first time: that is not a container's
await removeAll(await startMany(200));
const first = await timedStart();
const before = memory();
const all = await startMany(COUNT);
const after = memory();
const next = await timedStart();
await removeAll(all);
const each = (name: keyof typeof before): number => (after[name] - before[name]) / COUNT;
process.stdout.write(`${JSON.stringify({ node: each('node'), shim: each('shim'), kernel: each('kernel'), first, next })}\n`);
