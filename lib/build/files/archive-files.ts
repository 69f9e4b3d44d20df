import { posix } from 'node:path';
import { nextTurn } from '../../native/clock.js';
import { InstructionProblem } from '../language/build-error.js';
import type { Owner } from './chown.js';
import { type FileTree, resolveIn } from './file-tree.js';
import type { Landing } from './landing.js';
import type { LayerFile } from './layer-file.js';

/** What an archive has of one file. Names and the targets of hard links are as they are written there. */
export type ArchiveEntry = LayerFile;

export interface Unpacking {
  /** Below the root, without links: an archive reaches nothing else. */
  readonly folder: string;
  /** `null`: as the archive has it. */
  readonly owner: Owner | null;
  /** Of folders that the archive only implies; seconds since the epoch. */
  readonly madeAt: number;
  readonly signal: AbortSignal | undefined;
}

/** Others have their turn after so many entries. */
const AT_A_TIME = 256;

/**
 * Unpacks an archive as ADD does (moby/go-archive): whatever is in the way makes room, but for folders on folders. Links that are in the way of a name
 * are followed, and don't lead out of the folder.
 *
 * @throws InstructionProblem; the reason of `signal`
 */
export async function unpackOnto(
  landing: Landing,
  entries: readonly ArchiveEntry[],
  { folder, owner, madeAt, signal }: Unpacking,
): Promise<void> {
  const inside = below(landing, folder);
  const placeOf = async (name: string): Promise<string> => {
    const { path } = await resolveIn(inside, posix.dirname(name));
    return joined(folder, joined(path, posix.basename(name)));
  };
  for (const [index, entry] of entries.entries()) {
    if (index % AT_A_TIME === 0) await nextTurn();
    signal?.throwIfAborted();
    const name = nameOf(entry.path);
    // the folder that is unpacked into stays as it is
    if (name === '') continue;
    const path = await placeOf(name);
    await landing.makeFolders(path.split('/').slice(0, -1).join('/'), { mode: 0o755, uid: 0, gid: 0, mtime: madeAt });
    const file = { ...entry, ...owner, path };
    if (entry.type !== 'hardlink') {
      await landing.replace(file);
      continue;
    }
    const target = await placeOf(nameOf(entry.target));
    const kind = landing.has(target) ? (await landing.get(target))?.kind : undefined;
    if (kind === undefined || kind === 'folder' || target === path)
      throw new InstructionProblem(`the archive's hard link ${JSON.stringify(entry.path)} leads to no file that came before it`);
    await landing.replace({ ...file, target });
  }
}

/** @throws InstructionProblem for a name that leads out */
function nameOf(written: string): string {
  const name = posix.join('/', written).slice(1);
  if (written.split('/').includes('..') || written.includes('\0'))
    throw new InstructionProblem(`the archive has the name ${JSON.stringify(written)}: names with .. are not unpacked`);
  return name.endsWith('/') ? name.slice(0, -1) : name;
}

/** A tree as it is for somebody whose root is a folder in it. */
function below(tree: Pick<FileTree, 'get' | 'readLink'>, folder: string): Pick<FileTree, 'get' | 'readLink'> {
  return { get: (path) => tree.get(joined(folder, path)), readLink: (path) => tree.readLink(joined(folder, path)) };
}

function joined(folder: string, path: string): string {
  return folder === '' || path === '' ? folder + path : `${folder}/${path}`;
}
