import type { LayerFile } from './layer-file.js';

/**
 * What is left of files when those that others take the place of are left out: a layer has one entry for each path (OCI image-spec, layer.md,
 * "Distributable Format"). Folders stay before their content, and files before their other names.
 *
 * @param files in the order in which they are laid on each other
 */
export function uniquePaths(files: readonly LayerFile[]): readonly LayerFile[] {
  const last = new Map(files.map(({ path }, index) => [path, index]));
  const cuts = cutsOf(files);
  const made: LayerFile[] = [];
  const folders = new Set<string>();
  /** What is at a path meanwhile, and the name that is left of it. */
  const there = new Map<string, LayerFile>();
  const names = new Map<LayerFile, string>();
  for (const [index, file] of files.entries()) {
    const meant = (file.type === 'hardlink' ? there.get(file.target) : undefined) ?? file;
    there.set(file.path, meant);
    const end = last.get(file.path) ?? index;
    if (isCut(file.path, index, cuts)) continue;
    if (file.type === 'folder') {
      const final = files[end];
      if (final?.type !== 'folder' || folders.has(file.path)) continue;
      folders.add(file.path);
      made.push(final);
    } else if (end === index) {
      const name = names.get(meant);
      made.push(name === undefined ? { ...meant, path: file.path } : { ...file, target: name });
      if (name === undefined) names.set(meant, file.path);
    }
  }
  return made;
}

/** Where something else takes the place of a folder: nothing that came into that before is left. */
function cutsOf(files: readonly LayerFile[]): ReadonlyMap<string, number> {
  const folders = new Set<string>();
  const cuts = new Map<string, number>();
  for (const [index, { path, type }] of files.entries()) {
    if (type === 'folder') folders.add(path);
    else if (folders.has(path)) cuts.set(path, index);
  }
  return cuts;
}

function isCut(path: string, index: number, cuts: ReadonlyMap<string, number>): boolean {
  if (cuts.size === 0) return false;
  const parts = path.split('/');
  return parts.some((_, length) => (cuts.get(parts.slice(0, length + 1).join('/')) ?? -1) > index);
}
