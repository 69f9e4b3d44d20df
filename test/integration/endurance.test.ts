import { expect } from 'vitest';
import { Container, type RunOptions } from '../../lib/index.js';
import { ownerName } from '../../lib/native/shim.js';
import { cgroupFolders, entries, mounts, pidOf, readText, shimOf, statusField } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';
import { busybox } from '../fixtures/sandbox.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const kib = (pid: number | 'self', field: string): number => Number.parseInt(statusField(field, readText(`/proc/${pid}/status`) ?? ''), 10);

/** What must not grow with the number of containers that have been. */
function held(): Record<string, number> {
  const shim = pidOf(shimOf());
  return {
    descriptors: entries('/proc/self/fd').length,
    threads: kib('self', 'Threads'),
    'descriptors of the shim': entries(`/proc/${shim}/fd`).length,
    'threads of the shim': kib(shim, 'Threads'),
    'mounts of the shim': mounts(shim).length,
    groups: cgroupFolders().filter((path) => path.includes(`/nacelle/${ownerName()}/`)).length,
  };
}

const COUNT = rounds(200, 1000);

describe(`${COUNT} containers one after the other, and 64 at once`, () => {
  const kinds: RunOptions[] = [
    {},
    { memory: '64m', init: true, copyIn: { '/in': 'x' }, copyOut: ['/in'] },
    { upper: 'disk', tmpfs: { '/t': '' }, user: 'user', stdout: 'ignore' },
  ];

  it('leave no descriptor, thread, mount, group or memory', async () => {
    const base = await busybox();
    const run = async (i: number) =>
      expect(await Container.run({ ...base, command: ['true'], ...kinds[i % kinds.length] })).toMatchObject({ status: 'ok' });
    const parallel = () => Promise.all(Array.from({ length: 64 }, (_, i) => run(i)));
    // after a first round of both, whatever grows to its size has it
    for (let i = 0; i < 100; i++) await run(i);
    await parallel();
    const before = held();
    const [node, shim, owner] = [kib('self', 'VmRSS'), kib(pidOf(shimOf()), 'VmRSS'), shimOf()?.pid];
    for (let i = 0; i < COUNT; i++) await run(i);
    await parallel();
    await until('nothing is more than before', () => Object.entries(held()).every(([name, count]) => count <= (before[name] ?? 0)));
    expect(shimOf()?.pid).toBe(owner);
    // a sanitizer keeps what was freed for a while
    if (process.env.NACELLE_SANITIZE === '1') return;
    expect(kib(owner ?? 0, 'VmRSS') - shim, 'KiB of the shim').toBeLessThan(1024);
    expect(kib('self', 'VmRSS') - node, 'KiB of Node').toBeLessThan(100 * 1024);
  });
});
