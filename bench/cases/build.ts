import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Case } from '../case.js';
import { inFolder, requireTools } from '../folder.js';
import { interleave, type Subject, subject, summarise } from '../measure.js';
import { runSpawned } from '../peers/spawn.js';
import type { Line } from '../table.js';

const PROGRAM = fileURLToPath(new URL('../programs/build.mjs', import.meta.url));
const MIB = 2 ** 20;

/** Small files, a hundred to a folder. */
function smallFiles(folder: string, folders: number): string {
  for (let index = 0; index < folders; index++) {
    mkdirSync(join(folder, `${index}`), { recursive: true });
    for (let file = 0; file < 100; file++) writeFileSync(join(folder, `${index}/${file}`), `${index}/${file}\n`.repeat(5 + (file % 50)));
  }
  return folder;
}

/** One file of a gigabyte. */
function largeFile(folder: string): string {
  mkdirSync(folder);
  for (let part = 0; part < 16; part++) writeFileSync(join(folder, 'large'), Buffer.alloc(64 * MIB, part), { flag: 'a' });
  return folder;
}

/** A build with one COPY, in a fresh Node with an empty store, and what cp(1) needs for the same files. */
export const buildCopy: Case = {
  name: 'build-copy',
  measure: (context) =>
    inFolder(async (folder) => {
      requireTools('cp');
      const lines: Line[] = [];
      const contexts = [
        { what: '50,000 small files', make: () => smallFiles(join(folder, 'small'), 500), target: 1.5, mostMemory: 200 },
        { what: '200,000 small files', make: () => smallFiles(join(folder, 'many'), 2000), target: undefined, mostMemory: undefined },
        { what: 'a file of 1 GiB', make: () => largeFile(join(folder, 'large')), target: undefined, mostMemory: 200 },
      ];
      for (const { what, make, target, mostMemory } of contexts) {
        const path = make();
        const memory: number[] = [];
        const ours: Subject = {
          name: 'build',
          run: async (count) => {
            const times: number[] = [];
            for (let round = 0; round < count; round++) {
              const store = join(folder, 'store-of-build');
              mkdirSync(store);
              const { ms, node } = JSON.parse(await runSpawned(process.execPath, [PROGRAM, path, store]));
              times.push(ms);
              memory.push(node);
              rmSync(store, { recursive: true });
            }
            return times;
          },
        };
        const theirs = subject('cp -a', async () => {
          await runSpawned('cp', ['-a', path, join(folder, 'copy')]);
          rmSync(join(folder, 'copy'), { recursive: true });
        });
        const [measured, against] = await interleave([ours, theirs], { rounds: context.quick ? 2 : 5, batch: 1, warm: 0 });
        if (!measured || !against) throw new Error('nothing was measured');
        const compared = {
          what: `COPY of ${what}`,
          unit: 'ms',
          measured,
          against: { name: 'cp -a', measured: against },
          compare: 'ratio',
        } as const;
        lines.push(target === undefined ? compared : { ...compared, target: { bound: 'at most', value: target } });
        const most = { what: `Node's memory at most, of that`, unit: 'MiB', measured: summarise(memory) } as const;
        lines.push(mostMemory === undefined ? most : { ...most, target: { bound: 'at most', value: mostMemory } });
        rmSync(path, { recursive: true });
      }
      return lines;
    }),
};
