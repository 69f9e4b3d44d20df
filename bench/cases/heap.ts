import { type Case, effort } from '../case.js';
import { interleave } from '../measure.js';
import { NodeWorker } from '../peers/worker.js';
import type { Row } from '../table.js';

const GIB = 2 ** 30;

/** What a large heap costs: nothing here, since the shim clones; fork and vfork of Node copy page tables or stop its threads. */
export const heap: Case = {
  name: 'heap',
  async measure(context) {
    const large = new NodeWorker(context.rootfs, 2 * GIB);
    const small = new NodeWorker(context.rootfs, 0);
    const [filled, usual, spawned] = await interleave(
      [
        large.subject('2 GB heap', 'container'),
        small.subject('small heap', 'container'),
        large.subject('child_process.spawn, no sandbox, 2 GB heap', 'spawn'),
      ],
      effort(context, { rounds: 20, batch: 10, warm: 200 }, { rounds: 6, batch: 5, warm: 50 }),
    );
    await large.close();
    await small.close();
    if (!filled || !usual || !spawned) throw new Error('nothing was measured');
    const row = { unit: 'ms', measured: filled, compare: 'ratio' } as const satisfies Partial<Row>;
    return [
      {
        ...row,
        what: 'Container.run from a 2 GB heap, against itself',
        against: { name: 'small heap', measured: usual },
        target: { bound: 'at most', value: 1.1 },
      },
      {
        ...row,
        what: 'Container.run from a 2 GB heap, against spawn',
        against: { name: 'child_process.spawn, no sandbox', measured: spawned },
        target: { bound: 'at most', value: 0.1 },
      },
    ];
  },
};
