// An image from a stranger: how much of the disk a layer may take is bounded before anything of it is kept. Here the layer is a bomb, a
// quarter of a megabyte that unpacks to 256.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Image, ImageError } from 'nacelle';

const folder = mkdtempSync(join(tmpdir(), 'nacelle-example-'));
process.env.NACELLE_ROOT = join(folder, 'store');
try {
  const archive = join(folder, 'bomb.tar.gz');
  execFileSync('sh', ['-c', 'truncate -s 256M "$1/zeros" && tar -C "$1" -cz zeros > "$2"', 'sh', folder, archive]);

  for (const limits of [{}, { maxRatio: 2000, maxBytes: '100m' }, { maxRatio: 2000 }]) {
    try {
      const [image] = await Image.load(archive, { limits });
      console.log(`${JSON.stringify(limits)}: loaded, ${image?.layers.length} layer of ${image?.size} bytes`);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      console.log(`${JSON.stringify(limits)}: ${error.code}, ${error.message.replace(archive, 'the archive')}`);
    }
  }
  const { length } = await Image.list();
  if (length !== 1) throw new Error(`${length} images are in the store, not the one that was allowed`);
} finally {
  rmSync(folder, { recursive: true });
}
