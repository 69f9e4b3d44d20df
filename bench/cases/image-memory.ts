import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debianImage } from '../../test/fixtures/images.js';
import { layoutOf } from '../../test/fixtures/tiny-image.js';
import type { Case } from '../case.js';
import { inFolder, requireTools } from '../folder.js';
import { summarise } from '../measure.js';
import { runSpawned } from '../peers/spawn.js';
import type { Line } from '../table.js';

const PROGRAM = fileURLToPath(new URL('../programs/unpack.mjs', import.meta.url));

/** The most memory that a fresh Node and its unpacking child ever had, of images that are as large as they come. */
export const imageMemory: Case = {
  name: 'image-memory',
  measure: (context) =>
    inFolder(async (folder) => {
      requireTools('mmdebstrap', 'umoci', 'tar');
      const folders = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`${index % 250}/folder-${index}/file`, '']));
      const images = [
        { name: 'a Debian image', layout: `${await debianImage()}:debian` },
        { name: 'an image of 50,000 folders', layout: `${layoutOf({ folders: [folders] }, folder)}:folders` },
      ];
      const lines: Line[] = [];
      for (const { name, layout } of images) {
        const samples: { node: number; child: number }[] = [];
        for (let round = 0; round < (context.quick ? 1 : 3); round++) {
          const store = join(folder, `store-${lines.length}-${round}`);
          mkdirSync(store);
          samples.push(JSON.parse(await runSpawned(process.execPath, [PROGRAM, layout, store])));
        }
        lines.push(
          {
            what: `Node's memory at most, unpacking ${name}`,
            unit: 'MiB',
            measured: summarise(samples.map(({ node }) => node)),
            target: { bound: 'at most', value: 150 },
          },
          {
            what: `The unpacking child's, of ${name}`,
            unit: 'MiB',
            measured: summarise(samples.map(({ child }) => child)),
            target: { bound: 'at most', value: 30 },
          },
        );
      }
      return lines;
    }),
};
