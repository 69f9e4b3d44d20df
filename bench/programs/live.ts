// What containers that live cost: node --expose-gc --import tsx live.ts ROOTFS COUNT. Prints JSON.
import { Container } from 'nacelle';
import { readText, shimOf } from '../../test/fixtures/host.js';
import { containerOptions } from '../peers/nacelle.js';

const [rootfs = '', count = '64'] = process.argv.slice(2);

/** KiB that a process has for itself. */
function privateMemory(pid: number): number {
  const text = readText(`/proc/${pid}/smaps_rollup`) ?? '';
  return [...text.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)].reduce((sum, [, size]) => sum + Number(size), 0);
}

function memory(): { node: number; shim: number } {
  globalThis.gc?.();
  globalThis.gc?.();
  return { node: privateMemory(process.pid), shim: privateMemory(shimOf()?.pid ?? 0) };
}

async function startAll(): Promise<Container[]> {
  return Promise.all(
    Array.from({ length: Number(count) }, async () => {
      const container = await Container.create({ ...containerOptions(rootfs), command: ['/bin/sleep', '1000'] });
      await container.start();
      return container;
    }),
  );
}

async function removeAll(containers: readonly Container[]): Promise<void> {
  await Promise.all(containers.map((container) => container.remove({ force: true })));
}

// The first time code is compiled and pools are filled: that is not a container's.
await removeAll(await startAll());
const before = memory();
const containers = await startAll();
const after = memory();
await removeAll(containers);
process.stdout.write(
  `${JSON.stringify({ node: (after.node - before.node) / Number(count), shim: (after.shim - before.shim) / Number(count) })}\n`,
);
