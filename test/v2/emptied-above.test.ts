import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  const { workerData: { folder, count } } = require('node:worker_threads');
  for (;;) {
    try {
      rmdirSync(folder);
      Atomics.add(count, 0, 1);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes(error.code)) throw error;
    }
  }
`;

it('a group has its controllers, though others remove the empty groups above it', async () => {
  const made = await Cgroup.create('nacelle-test-emptied', { memory: '64m' });
  const { unified } = made.paths;
  await made.remove();
  if (unified === undefined) throw new Error('no group of the unified tree');
  const count = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(removing, { eval: true, workerData: { folder: dirname(unified), count } });
  try {
    // the group above, which is empty after a group's removal, goes at least twice: a slow machine takes seconds for each
    for (let round = 0; round < 20 || Atomics.load(count, 0) < 2; round++) {
      await using _group = await Cgroup.create('nacelle-test-emptied', { memory: '64m' });
      expect(readFileSync(join(unified, 'memory.max'), 'utf8').trim()).toBe(String(64 << 20));
    }
  } finally {
    await worker.terminate();
  }
});
