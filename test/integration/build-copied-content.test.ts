import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseChmod } from '../../lib/build/files/chmod.js';
import { type CopiedContent, copiedContent } from '../../lib/build/files/copied-content.js';
import { EMPTY_TREE, FolderTree } from '../../lib/build/files/file-tree.js';
import type { LayerFile } from '../../lib/build/files/layer-file.js';
import { layerFiles } from '../../lib/build/files/layer-files.js';
import { layerTar } from '../../lib/build/files/layer-tar.js';
import { RememberedTree } from '../../lib/build/files/remembered-tree.js';
import { IgnoreRules } from '../../lib/build/language/ignore-file.js';

const root = mkdtempSync(join(tmpdir(), 'nacelle-test-build-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;

/** Always the same files. */
function folder(): string {
  const path = join(root, `${count++}`);
  mkdirSync(join(path, 'd/e'), { recursive: true });
  writeFileSync(join(path, 'a'), '1');
  writeFileSync(join(path, 'd/b'), '2');
  symlinkSync('b', join(path, 'd/link'));
  for (const name of ['a', 'd/b']) chmodSync(join(path, name), 0o644);
  for (const name of ['d', 'd/e']) chmodSync(join(path, name), 0o755);
  return path;
}

interface Copy {
  readonly sources?: readonly string[];
  readonly chmod?: string;
  readonly excludes?: readonly string[];
  readonly inline?: readonly { readonly name: string; readonly content: string }[];
  readonly owner?: number;
  readonly hasOwner?: boolean;
  readonly signal?: AbortSignal;
}

async function content(
  path: string,
  { sources = ['.'], chmod, excludes = [], inline = [], owner = 0, hasOwner = false, signal }: Copy = {},
) {
  const tree = await FolderTree.open(path, { ids: { uid: () => owner, gid: () => owner } });
  try {
    return await copiedContent({
      from: tree,
      ignored: null,
      sources,
      inline,
      excludes: new IgnoreRules(excludes),
      chmod: chmod === undefined ? null : parseChmod(chmod),
      hasOwner,
      signal,
    });
  } finally {
    await tree.close();
  }
}

const digestOf = async (...args: Parameters<typeof content>): Promise<CopiedContent['digest']> => (await content(...args)).digest;

describe('copiedContent', () => {
  test.each<[string, (path: string) => void]>([
    ['nothing', () => undefined],
    ['times', (path) => utimesSync(join(path, 'd/b'), 1, 1)],
    ['the mode of the folder itself', (path) => chmodSync(path, 0o700)],
  ])('%s: the same', async (_, change) => {
    const path = folder();
    change(path);
    expect(await digestOf(path)).toBe(await digestOf(folder()));
  });

  test.each<[string, (path: string) => void]>([
    ['bytes', (path) => writeFileSync(join(path, 'd/b'), '3')],
    ['a mode', (path) => chmodSync(join(path, 'd/b'), 0o4755)],
    ['a mode of a folder', (path) => chmodSync(join(path, 'd/e'), 0o1777)],
    ['a name', (path) => writeFileSync(join(path, 'd/c'), '')],
    ['a folder', (path) => mkdirSync(join(path, 'd/e/f'))],
    ['a folder less', (path) => rmSync(join(path, 'd/e'), { recursive: true })],
    [
      'where a link leads',
      (path) => {
        rmSync(join(path, 'd/link'));
        symlinkSync('c', join(path, 'd/link'));
      },
    ],
    [
      'a file in the place of a link',
      (path) => {
        rmSync(join(path, 'd/link'));
        writeFileSync(join(path, 'd/link'), '2');
      },
    ],
    ['another name of a file', (path) => linkSync(join(path, 'a'), join(path, 'd/hard'))],
  ])('%s: another one', async (_, change) => {
    const path = folder();
    change(path);
    expect(await digestOf(path)).not.toBe(await digestOf(folder()));
  });

  test('an abort ends the reading', async () => {
    await expect(content(folder(), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  test('a hard link is not the same as a copy', async () => {
    const [one, two] = [folder(), folder()];
    linkSync(join(one, 'a'), join(one, 'z'));
    writeFileSync(join(two, 'z'), '1');
    chmodSync(join(two, 'z'), 0o644);
    expect(await digestOf(one)).not.toBe(await digestOf(two));
  });

  test('what is selected counts, and how it is copied', async () => {
    const path = folder();
    const all = [
      {},
      { sources: ['a'] },
      { sources: ['d'] },
      { sources: ['d/b'] },
      { sources: ['a', 'd/b'] },
      { sources: ['d/b', 'a'] },
      { excludes: ['a'] },
      { chmod: '700' },
      { owner: 5 },
      { inline: [{ name: 'x', content: '1' }] },
      { inline: [{ name: 'x', content: '2' }] },
      { inline: [{ name: 'y', content: '1' }] },
    ];
    const digests = await Promise.all(all.map((copy) => digestOf(path, copy)));
    expect(new Set(digests).size).toBe(all.length);
    expect(await digestOf(path, { sources: ['*'] })).toBe(await digestOf(path, { sources: ['a', 'd'] }));
    expect(await digestOf(path, { owner: 5, hasOwner: true })).toBe(await digestOf(path, { owner: 6, hasOwner: true }));
  });

  // what is known by these stays known to builds of later versions: whoever changes them raises VERSION in cache/step-key.ts
  test('the key and the layer of the same files are what they always were', async () => {
    const path = folder();
    writeFileSync(join(path, 'd/e/large'), Buffer.alloc(300_000, 'large'));
    writeFileSync(join(path, 'd/e/null'), '');
    linkSync(join(path, 'a'), join(path, 'new\nline'));
    for (const name of ['d/e/large', 'd/e/null']) chmodSync(join(path, name), 0o755);
    const tree = await FolderTree.open(path, { ids: { uid: () => 0, gid: () => 3_000_000 } });
    try {
      const copy = {
        from: tree,
        ignored: null,
        sources: ['.'],
        inline: [{ name: 'é', content: 'x' }],
        excludes: new IgnoreRules([]),
        chmod: null,
      };
      expect((await copiedContent({ ...copy, hasOwner: false })).digest).toBe(
        'sha256:74faf7b7662920c56721847b4e0e40b6b2cea4361574a3558255a8c27e4e101e',
      );
      const files = await layerFiles({ ...copy, onto: EMPTY_TREE, target: '/x/', owner: null, folderMode: 0o755, madeAt: 7 });
      const hash = createHash('sha256');
      for await (const part of layerTar(files, 1000)) hash.update(part);
      expect(hash.digest('hex')).toBe('475a47e6ff9341580f68613eec9a43cf4ee7be89b99fda07fe345a7e76b57eeb');
    } finally {
      await tree.close();
    }
  });

  test('a file that gets other bytes of the same size after that is no layer', async () => {
    const path = folder();
    const { bytes } = await content(path);
    writeFileSync(join(path, 'd/b'), '3');
    const tree = await FolderTree.open(path);
    try {
      const file: LayerFile = {
        path: 'b',
        type: 'file',
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: 1,
        target: '',
        bytes: { tree, path: 'd/b' },
      };
      const read = async (): Promise<void> => {
        for await (const _ of layerTar([file], null, bytes));
      };
      await expect(read()).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      writeFileSync(join(path, 'd/b'), '2');
      await read();
    } finally {
      await tree.close();
    }
  });
});

test('RememberedTree shows what was there at the first look', async () => {
  const path = folder();
  const tree = await FolderTree.open(path);
  try {
    const remembered = new RememberedTree(tree);
    const look = async (): Promise<unknown> => [await remembered.get('a'), await remembered.list('d'), await remembered.readLink('d/link')];
    const before = await look();
    chmodSync(join(path, 'a'), 0o600);
    rmSync(join(path, 'd'), { recursive: true });
    expect(await look()).toEqual(before);
    expect((await tree.get('a'))?.mode).toBe(0o600);
  } finally {
    await tree.close();
  }
});
