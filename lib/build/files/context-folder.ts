import { chmod, link, lutimes, mkdir, open, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { InstructionProblem } from '../language/build-error.js';
import { type ArchiveEntry, unpackOnto } from './archive-files.js';
import { EMPTY_TREE } from './file-tree.js';
import { Landing } from './landing.js';
import type { LayerFile } from './layer-file.js';
import { bytesOf } from './layer-tar.js';

/** So that whoever is not root can read it, and remove it again. */
const FOLDER = 0o700;
const FILE = 0o400;

/**
 * Writes the files of a context into a folder of ours, which nobody else changes. Owners are left out: all of a context is root's in the image.
 *
 * @param folder is made
 * @throws InstructionProblem for what can't be in a context; the reason of `signal`
 */
export async function writeContext(
  folder: string,
  entries: readonly ArchiveEntry[],
  now: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const landing = new Landing(EMPTY_TREE);
  await unpackOnto(landing, entries, { folder: '', owner: null, madeAt: now, signal });
  await mkdir(folder, FOLDER);
  // the times of folders change with what comes into them
  const folders = new Map<string, LayerFile>();
  for (const file of landing.files) {
    signal?.throwIfAborted();
    const place = join(folder, file.path);
    if (file.type === 'folder') {
      if (!folders.has(file.path)) await makeFolder(place);
      folders.set(file.path, file);
      continue;
    }
    await rm(place, { recursive: true, force: true });
    await writeFile(folder, place, file);
  }
  for (const { path, mode, mtime } of [...folders.values()].reverse()) {
    // one that something else took the place of is none any more
    if ((await landing.get(path))?.kind !== 'folder') continue;
    await chmod(join(folder, path), mode | FOLDER);
    await utimes(join(folder, path), mtime, mtime);
  }
}

async function makeFolder(place: string): Promise<void> {
  await rm(place, { force: true, recursive: true });
  await mkdir(place, FOLDER);
}

async function writeFile(folder: string, place: string, file: LayerFile): Promise<void> {
  const { path, type, target, mode, mtime } = file;
  if (type === 'link') {
    await symlink(target, place);
    await lutimes(place, mtime, mtime);
  } else if (type === 'hardlink') await link(join(folder, target), place);
  else if (type === 'file') {
    const written = await open(place, 'wx', 0o600);
    try {
      for await (const chunk of bytesOf(file)) await written.writeFile(chunk);
      await written.chmod(mode | FILE);
      await written.utimes(mtime, mtime);
    } finally {
      await written.close();
    }
  } else throw new InstructionProblem(`/${path} is a device or a FIFO, which a context can't have`);
}
