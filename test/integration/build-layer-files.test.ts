import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { madeFolderMode } from '../../lib/build/files/chmod.js';
import { EMPTY_TREE, FolderTree, resolveIn } from '../../lib/build/files/file-tree.js';
import { type CopyRequest, layerFiles } from '../../lib/build/files/layer-files.js';
import { uniquePaths } from '../../lib/build/files/unique-paths.js';
import { IgnoreRules } from '../../lib/build/language/ignore-file.js';
import { rounds } from '../fixtures/rounds.js';

const root = mkdtempSync(join(tmpdir(), 'nacelle-test-build-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** Files by their paths, or links ('-> where'). */
function folder(files: Record<string, string>): string {
  const path = join(root, `${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), join(path, name));
    else writeFileSync(join(path, name), content);
  }
  return path;
}

interface Copy {
  readonly sources: readonly string[];
  readonly target: string;
  readonly ignored?: readonly string[];
  readonly excludes?: readonly string[];
}

/** The folders that a copy makes, with their modes. */
async function modesOfMade(chmod: string, openArchive?: CopyRequest['openArchive']): Promise<string[]> {
  const tree = await FolderTree.open(folder({ a: '' }));
  try {
    const common = { ignored: null, onto: EMPTY_TREE, excludes: new IgnoreRules([]), inline: [], owner: null, chmod: null, madeAt: 0 };
    const laid = await layerFiles({
      ...common,
      from: tree,
      sources: ['a'],
      target: '/p/q/',
      folderMode: madeFolderMode(chmod),
      openArchive,
    });
    return [...laid].flatMap(({ path, type, mode }) => (type === 'folder' ? `${path} ${mode.toString(8)}` : []));
  } finally {
    await tree.close();
  }
}

async function copied(
  from: Record<string, string>,
  onto: Record<string, string> | null,
  { ignored, excludes = [], ...rest }: Copy,
): Promise<string[]> {
  const trees = [await FolderTree.open(folder(from)), onto && (await FolderTree.open(folder(onto)))] as const;
  try {
    const laid = await layerFiles({
      from: trees[0],
      ignored: ignored ? new IgnoreRules(ignored) : null,
      onto: trees[1] ?? EMPTY_TREE,
      excludes: new IgnoreRules(excludes),
      inline: [],
      owner: null,
      chmod: null,
      folderMode: 0o755,
      madeAt: 0,
      ...rest,
    });
    return [...laid].map(({ path, type }) => (type === 'folder' ? `${path}/` : path));
  } finally {
    for (const tree of trees) await tree?.close();
  }
}

describe('layerFiles', () => {
  test.each([
    ['', '755'],
    ['700', '700'],
    ['u=rwx,go=', '755'],
  ])('folders on the way with --chmod %j are %s', async (chmod, mode) => {
    expect(await modesOfMade(chmod)).toEqual([`p ${mode}`, `p/q ${mode}`]);
  });

  test('the folder that an archive is unpacked into does not have the mode of --chmod', async () => {
    expect(await modesOfMade('700', async () => [])).toEqual(['p 755', 'p/q 755']);
  });

  test.each([
    // the folders on the way keep owner and time
    ['--parents', { sources: ['d/y/z'], parents: true }, ['d 755 7:8 9', 'd/y 700 7:8 9']],
    ['--parents of a folder that is copied', { sources: ['d/y'], parents: true }, ['d 755 7:8 9', 'd/y 700 0:0 1000000000']],
    [
      '--exclude with an exception',
      { sources: ['.'], excludes: new IgnoreRules(['d', '!d/y']) },
      ['d 755 7:8 9', 'd/y 700 0:0 1000000000'],
    ],
    ['all', { sources: ['.'] }, ['d 755 0:0 1000000000', 'd/y 700 0:0 1000000000']],
  ])('%s onto folders that are there', async (_, copy, wanted) => {
    const path = folder({ 'd/y/z': '' });
    chmodSync(join(path, 'd'), 0o755);
    chmodSync(join(path, 'd/y'), 0o700);
    for (const name of ['d/y', 'd']) utimesSync(join(path, name), 1e9, 1e9);
    const tree = await FolderTree.open(path);
    const there = { kind: 'folder', mode: 0o711, uid: 7, gid: 8, mtime: 9, size: 0, inode: null } as const;
    const onto = { ...EMPTY_TREE, get: async (name: string) => (name.endsWith('z') ? null : there) };
    try {
      const laid = await layerFiles({
        ...{ from: tree, ignored: null, onto, excludes: new IgnoreRules([]), inline: [], target: '/', folderMode: 0o755, madeAt: 0 },
        ...{ owner: { uid: 0, gid: 0 }, chmod: null, ...copy },
      });
      const folders = [...laid].filter(({ type }) => type === 'folder');
      expect(folders.map((file) => `${file.path} ${file.mode.toString(8)} ${file.uid}:${file.gid} ${file.mtime}`)).toEqual(wanted);
    } finally {
      await tree.close();
    }
  });

  const from = { a: '', b: '', 'd/x': '', 'd/y/z': '', l: '-> d', dangling: '-> none' };

  test.each<[Copy, Record<string, string> | null, readonly string[]]>([
    [{ sources: ['a'], target: '/new' }, null, ['new']],
    [{ sources: ['a'], target: '/new/' }, null, ['new/', 'new/a']],
    [{ sources: ['a'], target: '/p/q/new' }, null, ['p/', 'p/q/', 'p/q/new']],
    [{ sources: ['a'], target: '/there' }, { 'there/x': '' }, ['there/a']],
    [{ sources: ['a'], target: '/link' }, { 'there/x': '', link: '-> there' }, ['there/a']],
    [{ sources: ['a'], target: '/link/' }, { link: '-> /../../made/../deep' }, ['deep/', 'deep/a']],
    [{ sources: ['/a', '../../b', './d/x'], target: '/t/' }, null, ['t/', 't/a', 't/b', 't/x']],
    [{ sources: ['d'], target: '/t' }, null, ['t/', 't/x', 't/y/', 't/y/z']],
    [{ sources: ['d/'], target: '/' }, null, ['x', 'y/', 'y/z']],
    [{ sources: ['l'], target: '/t' }, null, ['t/', 't/x', 't/y/', 't/y/z']],
    [{ sources: ['l/y'], target: '/t/' }, null, ['t/', 't/z']],
    [{ sources: ['.'], target: '/t', excludes: ['d', 'l'] }, null, ['t/', 't/a', 't/b', 't/dangling']],
    [{ sources: ['.'], target: '/t', ignored: ['*', '!d/y'] }, null, ['t/', 't/d/', 't/d/y/', 't/d/y/z']],
    [{ sources: ['.'], target: '/t', ignored: ['*', '!none/y'] }, null, []],
    [{ sources: ['d'], target: '/t', ignored: ['*', '!d/y'] }, null, ['t/', 't/y/', 't/y/z']],
    [{ sources: ['d*'], target: '/t/', ignored: ['*', '!d/none'] }, null, []],
    [{ sources: ['[ab]'], target: '/t/' }, null, ['t/', 't/a', 't/b']],
    [{ sources: ['*/x'], target: '/t/' }, null, ['t/', 't/x']],
    [{ sources: ['none*'], target: '/t/' }, null, []],
    [{ sources: ['a', 'b'], target: '/t' }, null, ['t', 't']],
  ])('%j onto %j', async (copy, onto, wanted) => {
    const found = await copied(from, onto, copy);
    // the folder of the target is made even when nothing comes into it
    expect(found.filter((path) => path !== 't/' || wanted.includes('t/'))).toEqual(wanted);
  });

  test.each<[string, readonly string[]]>([
    ['!a*', ['!a', '!ab']],
    ['[!a]*', ['!a', '!ab', 'a']],
    ['[^!a]*', [' b', '*', '\\x', 'x', 'x']],
    ['**', [' b', '!a', '!ab', '*', '\\x', 'a', 'x', 'x']],
    ['\\**', ['*']],
    ['\\x', ['\\x']],
    [' ?', [' b']],
    ['l/?', ['x']],
    ['d/**', ['x']],
    ['?/x', ['x']],
  ])('the wildcard %j', async (source, wanted) => {
    const from = { '!a': '', '!ab': '', a: '', ' b': '', '\\x': '', '*': '', 'd/x': '', l: '-> d' };
    const found = await copied(from, null, { sources: [source], target: '/t/' });
    expect(found).toEqual(['t/', ...wanted.map((name) => `t/${name}`)]);
  });

  test.each<[Copy, Record<string, string>, string]>([
    [{ sources: ['none'], target: '/' }, {}, '"/none": not found'],
    [{ sources: ['dangling'], target: '/' }, {}, 'not found'],
    [{ sources: ['a'], target: '/', ignored: ['a'] }, {}, 'the ignore file leaves it out'],
    // a folder of which nothing is left is not there
    [{ sources: ['d'], target: '/', ignored: ['*', '!d/none'] }, {}, 'the ignore file leaves it out'],
    [{ sources: ['a'], target: '/f/' }, { f: '' }, 'cannot copy to non-directory: /f'],
    [{ sources: ['d'], target: '/' }, { y: '' }, 'cannot copy to non-directory: /y'],
    [{ sources: ['d'], target: '/' }, { 'x/y': '' }, 'cannot replace to directory /x with file'],
    [{ sources: ['a'], target: '/f/x' }, { f: '-> f' }, 'too many links'],
  ])('refuses %j onto %j', async (copy, onto, message) => {
    await expect(copied(from, onto, copy)).rejects.toThrow(message);
  });
});

describe('FolderTree', () => {
  test('opens no file that a link has taken the place of', async () => {
    const path = folder({ 'd/a': 'x', l: '-> d' });
    const tree = await FolderTree.open(path);
    try {
      await expect(tree.open('l/a')).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      await expect(tree.open('l')).rejects.toThrow();
      await expect(tree.list('l')).rejects.toThrow();
      expect((await resolveIn(tree, 'l/a')).path).toBe('d/a');
    } finally {
      await tree.close();
    }
  });
});

/** How many files below a folder this process has open. */
function openBelow(path: string): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // what others of this process have closed meanwhile
      return '';
    }
  });
  return links.filter((link) => link.startsWith(`${path}/`)).length;
}

describe('FolderTree, changed meanwhile', () => {
  test('shows nothing of where a link leads that has taken the place of a folder', async () => {
    const path = folder({ 'd/a': 'x', 'secret/b': 'hidden', 'secret/l': '-> b' });
    const tree = await FolderTree.open(path);
    try {
      renameSync(join(path, 'd'), join(path, 'away'));
      symlinkSync('secret', join(path, 'd'));
      expect(await tree.get('d/b')).toBeNull();
      for (const read of [tree.readLink('d/l'), tree.open('d/b'), tree.list('d')])
        await expect(read).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      // and neither does one further up
      mkdirSync(join(path, 'e/deep'), { recursive: true });
      mkdirSync(join(path, 'secret/deep'));
      writeFileSync(join(path, 'secret/deep/c'), '');
      rmSync(join(path, 'e'), { recursive: true });
      symlinkSync('secret', join(path, 'e'));
      await expect(tree.get('e/deep/c')).rejects.toMatchObject({ code: 'ERR_CHANGED' });
    } finally {
      await tree.close();
    }
  });

  test('goes on with a folder that it has looked into', async () => {
    const path = folder({ 'd/a': 'x', 'secret/a': 'hidden' });
    const tree = await FolderTree.open(path);
    try {
      expect(await tree.list('d')).toEqual(['a']);
      renameSync(join(path, 'd'), join(path, 'away'));
      symlinkSync('secret', join(path, 'd'));
      expect((await tree.get('d/a'))?.size).toBe(1);
    } finally {
      await tree.close();
    }
  });

  test('keeps few folders open, whatever is asked for at a time', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `d${index}/x`);
    const path = folder(Object.fromEntries(names.map((name) => [name, ''])));
    const tree = await FolderTree.open(path);
    try {
      for (const turn of [names, names.toReversed()]) {
        expect((await Promise.all(turn.map((name) => tree.get(name)))).every((entry) => entry?.kind === 'file')).toBe(true);
        expect(openBelow(path)).toBeLessThanOrEqual(32);
      }
      expect(await Promise.all(names.map((name) => tree.get(`${name}/none`)))).toEqual(names.map(() => null));
    } finally {
      await tree.close();
    }
  });
});

describe('several sources in one folder', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

  /** What is left of paths when none is both a file and in a folder's place. */
  function asTree(paths: readonly string[]): Record<string, string> {
    const kept = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)));
    return Object.fromEntries(kept.map((one) => [one, one]));
  }

  test('are what cp -a of one after the other makes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(path, { maxLength: 6 }), { minLength: 1, maxLength: 3 }), async (trees) => {
        const from = folder(
          Object.fromEntries(trees.flatMap((paths, index) => Object.keys(asTree(paths)).map((one) => [`s${index}/${one}`, `${index}`]))),
        );
        const sources = trees.flatMap((_, index) => (existsSync(join(from, `s${index}`)) ? [`s${index}`] : []));
        const target = folder({});
        let isRefused = false;
        for (const source of sources) {
          const { status } = spawnSync('cp', ['-a', `${join(from, source)}/.`, target]);
          isRefused ||= status !== 0;
        }
        const tree = await FolderTree.open(from);
        try {
          const common = { from: tree, ignored: null, excludes: new IgnoreRules([]), inline: [], owner: null, chmod: null, madeAt: 0 };
          const laying = layerFiles({ ...common, onto: EMPTY_TREE, sources, target: '/t/', folderMode: 0o755 });
          if (isRefused) {
            await expect(laying).rejects.toThrow(/cannot (copy to non-directory|replace to directory)/);
            return;
          }
          const laid = await laying;
          const files = laid.areUnique ? [...laid] : uniquePaths([...laid]);
          expect(files).toHaveLength(new Set(files.map((file) => file.path)).size);
          const bytes: Record<string, string> = {};
          for (const { path, bytes: at } of files) {
            if (at && 'tree' in at) bytes[path] = readFileSync(join(from, at.path), 'utf8');
          }
          const copied = readdirSync(target, { recursive: true, encoding: 'utf8' }).filter((one) => statSync(join(target, one)).isFile());
          expect(bytes).toEqual(Object.fromEntries(copied.map((one) => [`t/${one}`, readFileSync(join(target, one), 'utf8')])));
        } finally {
          await tree.close();
        }
      }),
      { numRuns: rounds(20, 500) },
    );
  });

  test('are no more than a layer may have', async () => {
    const tree = await FolderTree.open(folder({ 'd/a': '', 'd/b': '', 'd/c': '' }));
    try {
      const copy = { from: tree, ignored: null, excludes: new IgnoreRules([]), inline: [], owner: null, chmod: null, madeAt: 0 };
      const laid = (most: number) => layerFiles({ ...copy, onto: EMPTY_TREE, sources: ['.'], target: '/', folderMode: 0o755, most });
      expect([...(await laid(4))].map((file) => file.path)).toEqual(['d', 'd/a', 'd/b', 'd/c']);
      await expect(laid(3)).rejects.toThrow('more than 3 files are copied, which is more than a layer may have');
    } finally {
      await tree.close();
    }
  });

  test('have no more bytes than a layer may have, one that has several names counted once', async () => {
    const path = folder({ 'd/a': '', 'd/b': '', 'e/a': '' });
    truncateSync(join(path, 'd/a'), 40 * 1024 ** 3);
    truncateSync(join(path, 'd/b'), 30 * 1024 ** 3);
    truncateSync(join(path, 'e/a'), 40 * 1024 ** 3);
    linkSync(join(path, 'e/a'), join(path, 'e/b'));
    const tree = await FolderTree.open(path);
    try {
      const copy = { from: tree, ignored: null, excludes: new IgnoreRules([]), inline: [], owner: null, chmod: null, madeAt: 0 };
      const laid = (...sources: string[]) => layerFiles({ ...copy, onto: EMPTY_TREE, sources, target: '/', folderMode: 0o755 });
      const error = 'files of more than 64 GiB are copied, which is more than a layer may have';
      await expect(laid('d')).rejects.toThrow(error);
      await expect(laid('d/a', 'd/b')).rejects.toThrow(error);
      expect([...(await laid('e'))].map((file) => file.path)).toEqual(['a', 'b']);
    } finally {
      await tree.close();
    }
  });
});
