import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'vitest';
import { Cgroup } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { it } = requires({ root: true, cgroup: 'v2' });

/** Removes the folder again and again whenever it is empty, as processes do that end or reap. */
const removing = `
  const { rmdirSync } = require('node:fs');
  const { workerData } = require('node:worker_threads');
  for (;;) try { rmdirSync(workerData); } catch {}
`;

it('a group has its controllers, though others remove the empty groups above it', async () => {
  const made = await Cgroup.create('nacelle-test-emptied', { memory: '64m' });
  const folder = made.paths.unified ?? '';
  await made.remove();
  const worker = new Worker(removing, { eval: true, workerData: join(folder, '..') });
  try {
    for (let round = 0; round < 50; round++) {
      await using group = await Cgroup.create('nacelle-test-emptied', { memory: '64m' });
      expect(readFileSync(join(group.paths.unified ?? '', 'memory.max'), 'utf8').trim()).toBe(String(64 << 20));
    }
  } finally {
    await worker.terminate();
  }
});
