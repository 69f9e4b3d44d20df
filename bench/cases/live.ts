import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Case } from '../case.js';
import { summarise } from '../measure.js';
import { runSpawned } from '../peers/spawn.js';
import type { Row } from '../table.js';

const said = z.object({ node: z.number(), shim: z.number(), kernel: z.number(), first: z.number(), next: z.number() });

/** What a thousand containers that live cost: memory for each, and the next start. A fresh Node each time. */
export const live: Case = {
  name: 'live',
  async measure({ rootfs, quick }) {
    const count = quick ? 200 : 1000;
    const script = fileURLToPath(new URL('../programs/live-crowd.ts', import.meta.url));
    const samples: z.output<typeof said>[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      const text = await runSpawned(process.execPath, ['--expose-gc', '--import', 'tsx', script, rootfs, String(count)]);
      samples.push(said.parse(JSON.parse(text)));
    }
    const of = (name: keyof z.output<typeof said>) => summarise(samples.map((sample) => sample[name]));
    const memory = { bound: 'at most', value: 130 } as const;
    return [
      { what: `Node's resident memory for each of ${count} that live`, unit: 'KiB', measured: of('node'), target: memory },
      { what: "the shim's proportional memory for each", unit: 'KiB', measured: of('shim'), target: memory },
      { what: "the machine's memory for each, the kernel's and the program's too", unit: 'KiB', measured: of('kernel') },
      {
        what: `the start of one where ${count} live, against where none does`,
        unit: 'ms',
        measured: of('next'),
        against: { name: 'the first', measured: of('first') },
        compare: 'ratio',
        target: { bound: 'at most', value: 1.5 },
      },
    ] satisfies Row[];
  },
};
