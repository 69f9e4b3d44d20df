import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LayerFile } from '../../../lib/build/files/layer-file.js';
import { uniquePaths } from '../../../lib/build/files/unique-paths.js';

const entry = (path: string, type: LayerFile['type'], parts: Partial<LayerFile> = {}): LayerFile => ({
  ...{ path, type, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 0, target: '', bytes: null },
  ...parts,
});

/** Lays files on each other as an unpacker does, one after the other: what is there in the end, with a number for each file that several names have. */
function laid(files: readonly LayerFile[]): Map<string, string> {
  const there = new Map<string, string>();
  for (const { path, type, mode, target } of files) {
    const before = there.get(path);
    if (type !== 'folder') for (const other of [...there.keys()]) if (other.startsWith(`${path}/`)) there.delete(other);
    if (type === 'hardlink') there.set(path, there.get(target) ?? 'dangling');
    else if (type !== 'folder') there.set(path, `file ${mode}`);
    else there.set(path, `folder ${mode}`);
    if (type === 'folder' && before !== undefined && !before.startsWith('folder'))
      for (const other of there.keys()) if (other.startsWith(`${path}/`)) there.delete(other);
  }
  return there;
}

const names = ['a', 'b', 'd', 'd/a', 'd/b', 'd/e', 'd/e/a'];

/** Files as COPY and ADD make them: in folders that are there, hard links to files, and a folder that made room doesn't come back. */
const files = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('file', 'folder', 'hardlink'), fc.constantFrom(...names)))
  .map((all) => {
    const made: LayerFile[] = [];
    const gone = new Set<string>();
    for (const [index, [path, type, target]] of all.entries()) {
      const there = laid(made);
      const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : null;
      if (parent !== null && !there.get(parent)?.startsWith('folder')) continue;
      if (type === 'folder' && gone.has(path)) continue;
      if (type === 'hardlink' && (path === target || !there.get(target)?.startsWith('file') || target.startsWith(`${path}/`))) continue;
      if (type !== 'folder' && there.get(path)?.startsWith('folder')) gone.add(path);
      made.push(
        entry(path, type === 'file' ? 'file' : type === 'folder' ? 'folder' : 'hardlink', {
          mode: index,
          target: type === 'hardlink' ? target : '',
        }),
      );
    }
    return made;
  });

describe('uniquePaths', () => {
  test('lays the same, with one entry for each path', () => {
    fc.assert(
      fc.property(files, (all) => {
        const unique = uniquePaths(all);
        expect(laid(unique)).toEqual(laid(all));
        expect(new Set(unique.map(({ path }) => path)).size).toBe(unique.length);
      }),
      { numRuns: 2000 },
    );
  });

  test('another name of a file that is left out has its bytes', () => {
    const bytes = { content: Buffer.from('one') };
    const unique = uniquePaths([
      entry('a', 'file', { bytes, size: 3 }),
      entry('b', 'hardlink', { target: 'a' }),
      entry('c', 'hardlink', { target: 'b' }),
      entry('a', 'file', { mode: 0o600 }),
    ]);
    expect(unique).toEqual([
      entry('b', 'file', { bytes, size: 3 }),
      entry('c', 'hardlink', { target: 'b' }),
      entry('a', 'file', { mode: 0o600 }),
    ]);
  });
});
