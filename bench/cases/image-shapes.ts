import { execFileSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { Image } from 'nacelle';
import { podmanIn } from '../../test/fixtures/podman.js';
import { type LayerFiles, layoutOf } from '../../test/fixtures/tiny-image.js';
import { type Case, type Context, effort } from '../case.js';
import { inFolder, requireTools } from '../folder.js';
import { interleave, subject } from '../measure.js';
import type { Line } from '../table.js';

/** Small files, a hundred to a folder, that no other layer has. */
function manyFiles(layer: number, count: number): LayerFiles {
  const names = Array.from({ length: count }, (_, file) => `layer${layer}/${Math.floor(file / 100)}/${file}`);
  return Object.fromEntries(names.map((name, file) => [name, `${name}\n`.repeat(5 + (file % 50))]));
}

/** An image of a layout into a store that has nothing of it, against two that do the same. */
async function shape(context: Context, what: string, layers: readonly LayerFiles[], ofPodman?: number): Promise<Line[]> {
  return inFolder(async (folder) => {
    requireTools('tar', 'podman', 'umoci');
    const layout = join(folder, 'layout');
    renameSync(layoutOf({ shape: layers }, folder), layout);
    let count = 0;
    const ours = subject('Image', async () => {
      process.env.NACELLE_ROOT = join(folder, `store-${count++}`);
      (await (await Image.open(`oci:${layout}:shape`)).use()).release();
    });
    const podman = subject('podman pull', async () => podmanIn(folder, 'overlay')('pull', '-q', `oci:${layout}:shape`));
    const umoci = subject('umoci unpack', async () => {
      execFileSync('umoci', ['unpack', '--image', `${layout}:shape`, join(folder, `bundle-${count++}`)], { stdio: 'ignore' });
    });
    const length = effort(context, { rounds: 5, batch: 1 }, { rounds: 2, batch: 1 });
    const [measured, ...others] = await interleave([ours, podman, umoci], length);
    if (!measured) throw new Error('nothing was measured');
    return others.map((against, index): Line => {
      const name = [podman, umoci][index]?.name ?? '';
      const row = {
        what: `${what}, against ${name}`,
        unit: 'ms',
        measured,
        against: { name, measured: against },
        compare: 'ratio',
      } as const;
      if (index > 0 || ofPodman === undefined) return row;
      return { ...row, target: { bound: 'at most', value: ofPodman } };
    });
  });
}

export const manyLayers: Case = {
  name: 'layers',
  measure: (context) =>
    shape(
      context,
      '20 layers of 1,000 files each',
      Array.from({ length: 20 }, (_, layer) => manyFiles(layer, 1000)),
    ),
};

export const smallFiles: Case = {
  name: 'small-files',
  measure: (context) => shape({ ...context, quick: true }, '200,000 small files', [manyFiles(0, 200_000)], 0.3),
};
