import { open } from 'node:fs/promises';
import { ImageError } from '../errors.js';
import { streamFrom } from './add.js';
import { addBuilt } from './built.js';
import { blobCap } from './limits.js';
import type { Loaded, LoadSettings } from './load.js';
import { currentPlatform } from './platform.js';
import { addStream } from './store/blobs.js';

/** Brings a plain archive of a root file system into the store, as an image of one layer that says nothing of how it is run. */
export async function addRootFs(path: string, { reference = null, ...options }: LoadSettings): Promise<Loaded> {
  const onBytes = blobCap(options.limits, path);
  const layer = await addStream(streamFrom(await open(path, 'r'), 0), { ...options, onBytes });
  try {
    const { os, architecture } = currentPlatform();
    const config = { os, architecture, rootfs: { type: 'layers', diff_ids: [layer.digest] } };
    const [loaded] = await addBuilt([reference], { config: Buffer.from(JSON.stringify(config)), layers: [layer] });
    if (!loaded) throw new ImageError(`load ${path}: nothing was added`);
    return loaded;
  } finally {
    layer.release();
  }
}
