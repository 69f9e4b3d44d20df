import { open } from 'node:fs/promises';
import { ImageError } from '../../errors.js';
import { currentPlatform } from '../formats/platform.js';
import { blobCap } from '../formats/unpack-limits.js';
import { streamFrom } from '../layers/add-image.js';
import { addMadeImage, type Loaded } from '../layers/add-made-image.js';
import { addStream } from '../store/blobs.js';
import type { LoadSettings } from './load-settings.js';

/** Brings a plain archive of a root file system into the store, as an image of one layer that says nothing of how it is run. */
export async function addRootFs(path: string, { reference = null, ...options }: LoadSettings): Promise<Loaded> {
  const onBytes = blobCap(options.limits, path);
  const layer = await addStream(streamFrom(await open(path, 'r'), 0), { ...options, onBytes });
  try {
    const { os, architecture } = currentPlatform();
    const config = { os, architecture, rootfs: { type: 'layers', diff_ids: [layer.digest] } };
    const [loaded] = await addMadeImage([reference], { config: Buffer.from(JSON.stringify(config)), layers: [layer] });
    if (!loaded) throw new ImageError(`load ${path}: nothing was added`);
    return loaded;
  } finally {
    layer.release();
  }
}
