/** An entry of a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly type: 'folder' | 'file' | 'other';
}

export interface VisiblePaths {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

const NOTHING: VisiblePaths = { folders: [], files: [] };

/**
 * The paths that together show a folder without what is hidden in it, for rules that can only allow: the folder itself where nothing below it is
 * hidden, else what is in it. Links and sockets are left out: whoever follows a link needs a rule for where it leads. Pure, but for `list`.
 *
 * @param hidden absolute paths; '*' stands for any part of one name
 */
export function visiblePaths(folder: string, hidden: readonly string[], list: (folder: string) => readonly FolderEntry[]): VisiblePaths {
  const patterns = hidden.map(segmentsOf);
  return walk(folder, segmentsOf(folder), patterns, list);
}

function walk(
  folder: string,
  segments: readonly string[],
  patterns: readonly (readonly string[])[],
  list: (folder: string) => readonly FolderEntry[],
): VisiblePaths {
  const above = patterns.filter((pattern) => fits(pattern, segments));
  if (above.some(({ length }) => length <= segments.length)) return NOTHING;
  if (above.length === 0) return { folders: [folder], files: [] };
  const found = list(folder).map(({ name, type }): VisiblePaths => {
    const [path, below] = [`${folder === '/' ? '' : folder}/${name}`, [...segments, name]];
    if (type === 'folder') return walk(path, below, above, list);
    const isHidden = above.some((pattern) => pattern.length <= below.length && fits(pattern, below));
    return type === 'file' && !isHidden ? { folders: [], files: [path] } : NOTHING;
  });
  return { folders: found.flatMap(({ folders }) => folders), files: found.flatMap(({ files }) => files) };
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

/** Whether the pattern and the path agree as far as both go: one is then the other, or lies above it. */
function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.slice(0, segments.length).every((part, index) => segmentFits(part, segments[index] ?? ''));
}

function segmentFits(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
}
