import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { contentBatches } from '../../lib/build/files/content-batches.js';
import { FolderTree } from '../../lib/build/files/file-tree.js';
import { namesOf } from '../../lib/build/files/folder-listing.js';
import { keepAttributes } from '../../lib/build/files/kept-attributes.js';
import type { LayerFile } from '../../lib/build/files/layer-file.js';
import { layerTar } from '../../lib/build/files/layer-tar.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ tools: ['tar'] });

const folder = temporaryFolder();
let count = 0;

/** Files by their paths. */
function files(contents: Readonly<Record<string, string | Buffer>>): string {
  const path = join(folder, `${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

async function inTree<T>(path: string, work: (tree: FolderTree) => Promise<T>): Promise<T> {
  const tree = await FolderTree.open(path, { attributes: keepAttributes((id) => id) });
  try {
    return await work(tree);
  } finally {
    await tree.close();
  }
}

function layerFile(tree: FolderTree, path: string, size: number): LayerFile {
  const common = { path, mode: 0o644, uid: 0, gid: 0, mtime: 0, target: '' };
  return { ...common, type: 'file', size, bytes: { tree, path } };
}

/** The bytes that batches have, by paths. */
async function batched(all: readonly LayerFile[]): Promise<(string | null)[]> {
  const found: (string | null)[] = [];
  for await (const batch of contentBatches(all)) {
    for (const place of batch.files.keys()) {
      const content = batch.contentOf(place);
      found.push(content && Buffer.from(content).toString());
    }
  }
  return found;
}

describe('a folder as a whole', () => {
  it('has what its files have one by one, and what stat(1) says', async () => {
    const path = files({ a: '1', 'd/x': '', 'new\nline': '22', '.hidden': '', é: '333' });
    symlinkSync('a', join(path, 'link'));
    linkSync(join(path, 'a'), join(path, 'other'));
    execFileSync('mkfifo', [join(path, 'fifo')]);
    // just before a second is over, and before 1970
    execFileSync('touch', ['-d', '@1234567890.999999999', join(path, 'a')]);
    execFileSync('touch', ['-d', '@-1.5', join(path, 'é')]);
    await inTree(path, async (tree) => {
      const listing = await tree.folder('');
      const [names, entry] = [namesOf(listing), listing.entry];
      expect(names).toEqual(['.hidden', 'a', 'd', 'fifo', 'link', 'new\nline', 'other', 'é']);
      expect(await tree.list('')).toEqual(names);
      for (const [place, name] of names.entries()) {
        const [whole, single] = [entry(place), await tree.get(name)];
        expect(whole).toEqual(single);
        const [mode, uid, mtime, size] = execFileSync('stat', ['-c', '%a %u %Y %s', join(path, name)], { encoding: 'utf8' }).split(' ');
        expect(whole).toMatchObject({ mode: Number.parseInt(mode ?? '', 8), uid: Number(uid), mtime: Number(mtime), size: Number(size) });
      }
      const inodeOf = (name: string): string | null | undefined => entry(names.indexOf(name))?.inode;
      expect(inodeOf('a')).toEqual(expect.any(String));
      expect(inodeOf('a')).toBe(inodeOf('other'));
      expect(inodeOf('é')).toBeNull();
      expect(entry(names.length)).toBeNull();
    });
  });

  it('is none where a link has taken its place, or that of a folder above', async () => {
    const path = files({ 'd/e/a': '', 'secret/e/b': '' });
    await inTree(path, async (tree) => {
      renameSync(join(path, 'd'), join(path, 'away'));
      symlinkSync('secret', join(path, 'd'));
      for (const wrong of ['d', 'd/e']) await expect(tree.folder(wrong)).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      await expect(tree.folder('none')).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  it('is refused for a name that is no text', async () => {
    const path = files({ a: '' });
    writeFileSync(Buffer.concat([Buffer.from(`${path}/b`), Buffer.from([0xff])]), '');
    await inTree(path, async (tree) => {
      await expect(tree.folder('')).rejects.toMatchObject({ code: 'EILSEQ', message: expect.stringContaining('"b\ufffd"') });
    });
    const replaced = files({ '\ufffd': '' });
    await inTree(replaced, async (tree) => expect(namesOf(await tree.folder(''))).toEqual(['\ufffd']));
  });
});

describe('many files at once', () => {
  const instead = (make: (path: string) => void) => (path: string) => {
    rmSync(path);
    make(path);
  };
  it.each<[string, (path: string) => void]>([
    ['grows', (path) => appendFileSync(path, '!')],
    ['is cut', (path) => truncateSync(path, 2)],
    ['becomes a link', instead((path) => symlinkSync('../a', path))],
    ['becomes a folder', instead((path) => mkdirSync(path))],
    // whoever opens a FIFO to read it waits for a writer
    ['becomes a FIFO', instead((path) => execFileSync('mkfifo', [path]))],
  ])('are refused when one of them %s', async (_, change) => {
    const path = files({ a: '123', 'd/b': '456', c: '789' });
    await inTree(path, async (tree) => {
      const all = ['a', 'd/b', 'c'].map((name) => ({ path: name, size: 3 }));
      const into = Buffer.alloc(9);
      await tree.read(all, into);
      expect(into.toString()).toBe('123456789');
      change(join(path, 'd/b'));
      await expect(tree.read(all, into)).rejects.toMatchObject({ code: 'ERR_CHANGED', message: expect.stringContaining('d/b') });
      await expect(tree.read([...all].toReversed(), into)).rejects.toMatchObject({ code: 'ERR_CHANGED' });
      await tree.read(
        [all[0], all[2]].filter((one) => one !== undefined),
        into,
      );
    });
  });

  it('tell which is missing, and follow no link in a folder above', async () => {
    const path = files({ 'd/a': '1', 'secret/a': '2' });
    await inTree(path, async (tree) => {
      await expect(tree.read([{ path: 'd/none', size: 0 }], Buffer.alloc(0))).rejects.toThrow(/d\/none.*ENOENT/);
      await expect(tree.read([{ path: 'd/a', size: 1 }], Buffer.alloc(0))).rejects.toThrow(RangeError);
      renameSync(join(path, 'd'), join(path, 'away'));
      symlinkSync('secret', join(path, 'd'));
      await expect(tree.read([{ path: 'd/a', size: 1 }], Buffer.alloc(1))).rejects.toMatchObject({ code: 'ERR_CHANGED' });
    });
  });

  it('property: batches have the bytes of small files, in their order, whatever is between them', async () => {
    const sizes = [0, 1, 511, 70_000, 131_072, 131_073, 300_000];
    const contents = Object.fromEntries(sizes.map((size) => [`f${size}`, Buffer.alloc(size, `${size}.`)]));
    const path = files(contents);
    await inTree(path, (tree) =>
      inTree(path, async (second) => {
        const one = fc.record({ size: fc.constantFrom(...sizes), from: fc.constantFrom('first', 'second', 'nowhere') });
        await fc.assert(
          fc.asyncProperty(fc.array(one, { maxLength: 60 }), async (list) => {
            const all = list.map(({ size, from }) => {
              const file = layerFile(from === 'second' ? second : tree, `f${size}`, size);
              return from === 'nowhere' ? { ...file, bytes: null } : file;
            });
            const expected = list.map(({ size, from }) => (from === 'nowhere' || size > 131_072 ? null : contents[`f${size}`]?.toString()));
            expect(await batched(all)).toEqual(expected);
          }),
          { numRuns: 50 },
        );
      }),
    );
  });

  it('are as many as there are', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `${index % 7}/${index}`);
    const path = files(Object.fromEntries(names.map((name) => [name, name])));
    await inTree(path, async (tree) => {
      const all = names.map((name) => layerFile(tree, name, name.length));
      expect(await batched(all)).toEqual(names);
      // and tar(1) finds them in a layer
      const tar = join(folder, 'many.tar');
      const parts: Buffer[] = [];
      for await (const part of layerTar(all, null)) parts.push(part);
      writeFileSync(tar, Buffer.concat(parts));
      expect(execFileSync('tar', ['-xOf', tar], { encoding: 'utf8', maxBuffer: 2 ** 24 })).toBe(names.join(''));
      expect(statSync(tar).size).toBe(5000 * 1024 + 1024);
    });
  });

  it('are no layer when one of them has other bytes than before', async () => {
    const path = files({ a: '1', b: '2' });
    const known = new Map(['1', '2'].map((content, index) => ['ab'[index] ?? '', createHash('sha256').update(content).digest('hex')]));
    await inTree(path, async (tree) => {
      const read = async (): Promise<number> => {
        let bytes = 0;
        for await (const part of layerTar([layerFile(tree, 'a', 1), layerFile(tree, 'b', 1)], null, known)) bytes += part.length;
        return bytes;
      };
      expect(await read()).toBe(2 * 1024 + 1024);
      writeFileSync(join(path, 'b'), '3');
      await expect(read()).rejects.toMatchObject({ code: 'ERR_CHANGED', message: expect.stringContaining('b') });
      expect(readFileSync(join(path, 'b'), 'utf8')).toBe('3');
    });
  });

  it('tells what could not be read, and whether it was a folder', async () => {
    await inTree(files({ a: 'x' }), async (tree) => {
      const missing = { name: 'SyscallError', code: 'ENOENT', path: 'none' };
      await expect(tree.folder('none')).rejects.toMatchObject({
        ...missing,
        ...{ syscall: 'list_folder', message: expect.stringMatching(/^read the folder none: ENOENT/) },
      });
      const wanted = ['a', 'none'].map((path) => ({ path, size: 1 }));
      await expect(tree.read(wanted, new Uint8Array(2))).rejects.toMatchObject({
        ...missing,
        ...{ syscall: 'read_files', message: expect.stringMatching(/^read the file none: ENOENT/) },
      });
    });
  });
});
