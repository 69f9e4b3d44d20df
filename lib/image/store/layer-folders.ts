import { statSync, utimesSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { now } from '../../native/clock.js';
import { makeFolder, publish, syncFolder } from '../../store/store-root.js';
import { withTemporary } from '../../store/temporary-folder.js';
import { layerPath, ownLayerPath } from './image-paths.js';

/** The unpacked layer's root, or `null` when it is not in the store. A layer that is there is complete: it came by one rename. */
export function findLayer(chainId: string, root = storeRoot()): string | null {
  const path = join(ownLayerPath(root, chainId), 'fs');
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : null;
}

/**
 * Makes a layer: `fill` gets an empty folder. The layer is published by one rename, so that nobody ever finds half a layer. When another
 * process was faster, its layer stays and this one is removed. After any failure nothing is left.
 *
 * @returns the layer's root
 */
export async function addLayer(chainId: string, fill: (folder: string) => Promise<void>, root = storeRoot()): Promise<string> {
  const target = ownLayerPath(root, chainId);
  const adding = async (temporary: string): Promise<void> => {
    const folder = await makeFolder(join(temporary, 'fs'));
    // The layer's own root, which a container's user must be able to enter. An entry './' of the layer overrules this mode.
    await chmod(folder, 0o755);
    await fill(folder);
    // what is in it is on the disk already; and it may belong to an id inside that lets nobody else in
    await syncFolder(temporary);
    await makeFolder(dirname(target));
    await publish(temporary, target).catch((error: unknown) => {
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    });
  };
  await withTemporary(adding, { digests: [chainId], root });
  return join(target, 'fs');
}

/** Notes that a layer is used now, as the time of its folder. This is information only: whether it succeeds changes nothing. */
export function touchLayer(chainId: string, root = storeRoot()): void {
  const seconds = now() / 1000;
  try {
    utimesSync(layerPath(root, chainId), seconds, seconds);
  } catch (error) {
    // the store is read-only, or the layer was removed meanwhile
    if (!hasCode(error, 'EROFS', 'ENOENT', 'EACCES', 'EPERM')) throw error;
  }
}

/** When a layer was last used; `null`: it never was unpacked, or is no longer there. */
export async function lastUse(chainId: string, root = storeRoot()): Promise<Date | null> {
  try {
    return (await stat(layerPath(root, chainId))).mtime;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
