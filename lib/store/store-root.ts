import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, UnsupportedError } from '../errors.js';
import { storeRoot } from '../host/store-path.js';
import { requireOwn } from '../native/own-folder.js';
import { attempting } from '../native/system-errors.js';

// The store's root, an OCI image layout (image-layout.md) with some folders more:
//
//   oci-layout, index.json          as the specification has them; references are `org.opencontainers.image.ref.name`
//   blobs/sha256/HEX                manifests, configs, layers
//   layers/sha256/CHAINID/fs        an unpacked layer; in a user's store CHAINID/map-…/fs, as owners are of one map of ids
//   build-cache/sha256/KEY         which layer came of a step of a build (lib/image/store/layer-records.ts)
//   ingest/sha256-HEX               a blob on its way, locked by who brings it; goes on where it was cut off
//   leases/NAME                     what a living process uses, locked by it
//   tmp/NAME-…                      working files of the process with that lease
//   containers/ID                   uppers on disk (the container's own)
//   volumes/NAME                    a volume (lib/volume/volume-folder.ts)
//   lock                            exclusive for who changes the index or removes something, shared for who takes a lease

/** The store's root, for who wants to hide it: a user without a home has none. */
export function storeFolder(): string[] {
  try {
    return [storeRoot()];
  } catch (error) {
    if (error instanceof UnsupportedError) return [];
    throw error;
  }
}

/**
 * Makes a folder of the store, 0700 as all of them, with those above it. It does not use `recursive`, which reports a full disk as ENOENT,
 * and never returns where the kernel makes no folders, as in /proc.
 */
export async function makeFolder(path: string): Promise<string> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return path;
    if (!hasCode(error, 'ENOENT')) throw error;
    // another process may have made it meanwhile
    if (!existsSync(dirname(path))) await makeFolder(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch((again: unknown) => {
      if (!hasCode(again, 'EEXIST')) throw again;
    });
  }
  return path;
}

/** The folder of containers' uppers on disk, made when it is missing. @throws NacelleError `ERR_NOT_OWN` when others may write to the store */
export async function uppersFolder(root = storeRoot()): Promise<string> {
  for (const path of [root, join(root, 'containers')]) {
    await attempting(`make the folder ${path}`, () => makeFolder(path));
    requireOwn(path);
  }
  return join(root, 'containers');
}

/** Gives a file or folder that is on the disk its name, in one step, and brings the name to the disk too. */
export async function publish(temporary: string, target: string): Promise<void> {
  // opened first: for want of a descriptor the thing would have its name, and its maker a failure
  const folder = await open(dirname(target), 'r');
  try {
    await rename(temporary, target);
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The names in a folder; empty where there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  return readdir(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
}
