import { InstructionProblem } from '../language/build-error.js';
import type { FileTree } from './file-tree.js';
import type { LayerFile } from './layer-file.js';

/**
 * The folders of a path that a tree lacks, from the highest on.
 *
 * @param path without links, as `resolveIn` finds it
 * @throws InstructionProblem where something else is in their way
 */
export async function missingFolders(
  path: string,
  tree: FileTree,
  owner: { uid: number; gid: number; mtime: number },
): Promise<LayerFile[]> {
  const names = path.split('/');
  const folders = names.map((_, index) => names.slice(0, index + 1).join('/'));
  const there = await Promise.all(folders.map((folder) => tree.get(folder)));
  const blocking = folders.find((_, index) => there[index] && there[index].kind !== 'folder');
  if (blocking !== undefined) throw new InstructionProblem(`/${blocking} is no folder`);
  return folders
    .filter((_, index) => !there[index])
    .map((folder) => ({ path: folder, type: 'folder', mode: 0o755, ...owner, size: 0, target: '', bytes: null }));
}
