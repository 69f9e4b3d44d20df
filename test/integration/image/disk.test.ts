import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { Container, Image } from '../../../lib/index.js';
import { tidyLeases } from '../../../lib/store/lease.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['umoci', 'mount', 'umount', 'strace', 'busybox', 'tar'] });

const folder = temporaryFolder();
const undo: (() => unknown)[] = [];
afterEach(async () => {
  await tidyLeases();
  delete process.env.NACELLE_ROOT;
  for (const step of undo.splice(0).reverse()) step();
});

/** A store on a file system of its own. */
function storeOf(name: string, options: string): string {
  const store = join(folder, name);
  mkdirSync(store);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'nacelle-test', store]);
  undo.push(() => execFileSync('umount', [store]));
  process.env.NACELLE_ROOT = store;
  return store;
}

/** An image of one layer with some files. */
function imageOf(name: string, files: Record<string, string>): string {
  const [layout, tree] = [join(folder, `${name}-layout`), join(folder, name)];
  mkdirSync(tree);
  for (const [file, data] of Object.entries(files)) writeFileSync(join(tree, file), data);
  const image = ['--image', `${layout}:it`];
  execFileSync('umoci', ['init', '--layout', layout]);
  execFileSync('umoci', ['new', ...image]);
  execFileSync('umoci', ['insert', ...image, tree, '/data']);
  return `oci:${layout}:it`;
}

const unpack = async (reference: string): Promise<string> => (await recipeOf(await Image.open(reference))).mounts[0]?.lower[0] ?? '';
const left = (store: string): string[] =>
  ['tmp', 'layers/sha256', 'containers'].flatMap((part) => (existsSync(join(store, part)) ? readdirSync(join(store, part)) : []));

describe('a store on a full disk', () => {
  it('keeps nothing of a layer that is too large, says which entry was, and takes the next', async () => {
    const [large, small] = [imageOf('large', { a: 'x', big: 'x'.repeat(3 << 20) }), imageOf('small', { b: 'small' })];
    const store = storeOf('bytes', 'size=1m');
    await expect(unpack(large)).rejects.toMatchObject({
      name: 'ImageError',
      message: expect.stringMatching(/^unpack layer sha256:\w+: .*ENOSPC.*entry data\/big: writing it/),
      cause: { name: 'SyscallError', code: 'ENOSPC' },
    });
    expect(left(store)).toEqual([]);
    expect(readFileSync(join(await unpack(small), 'data/b'), 'utf8')).toBe('small');
  });

  it('keeps nothing of a blob that is too large', async () => {
    const layout = layoutOf({ 'app:1': [{ big: 'x'.repeat(3 << 20) }] }, folder, { compress: (tar) => tar, suffix: '' });
    const store = storeOf('blobs', 'size=1m');
    await expect(Image.load(layout)).rejects.toMatchObject({ name: 'ImageError', cause: { code: 'ENOSPC' } });
    expect([...left(store), ...readdirSync(join(store, 'ingest'))]).toEqual([]);
    expect(await Image.list()).toEqual([]);
  });

  it('does so when it is out of inodes, at any of them', { timeout: 120_000 }, async () => {
    const image = imageOf('many', Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`${index}`, ''])));
    const store = storeOf('inodes', 'size=1m,nr_inodes=2');
    for (let inodes = 2; ; inodes++) {
      execFileSync('mount', ['-o', `remount,size=1m,nr_inodes=${inodes}`, store]);
      const error = await unpack(image).catch((reason: unknown) => reason);
      if (typeof error === 'string') break;
      expect(error).toMatchObject({
        name: 'ImageError',
        message: expect.stringMatching(/^((unpack|store) layer sha256:\w+|use the store \S+): .*ENOSPC/),
        cause: { code: 'ENOSPC' },
      });
      expect(left(store)).toEqual([]);
    }
    expect(left(store)).toHaveLength(1);
    expect(statfsSync(store).ffree).toBe(0);
  });

  it('says which file of copyIn found no room in an upper on it, and leaves nothing', async () => {
    const store = storeOf('upper', 'size=1m');
    const run = Container.run({ ...(await busybox()), upper: 'disk', copyIn: { '/big': new Uint8Array(3 << 20) }, command: ['true'] });
    await expect(run).rejects.toMatchObject({ name: 'SyscallError', code: 'ENOSPC', message: expect.stringContaining('/big') });
    expect(left(store)).toEqual([]);
    expect(
      await Container.run({ ...(await busybox()), upper: 'disk', copyIn: { '/small': 'x' }, command: ['cat', '/small'] }),
    ).toMatchObject({
      stdout: 'x',
    });
  });
});

describe('the store', () => {
  it('has a layer on the disk before its name is there', async () => {
    const [trace, store] = [join(folder, 'trace'), join(folder, 'traced')];
    const calls = 'trace=syncfs,rename,renameat,renameat2,pwrite64,fsync,mkdirat,utimensat';
    const node = startNode('unpack', [imageOf('traced-image', { file: 'content' })], {
      through: ['strace', '-f', '-y', '-s', '200', '-o', trace, '-e', calls],
      env: { NACELLE_ROOT: store },
    });
    expect(await node.ended).toMatchObject({ code: 0 });
    const lines = readFileSync(trace, 'utf8').split('\n');
    const at = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line));
    const written = at(/pwrite64\(\d+<.*file.*>, "content"/);
    const synced = at(/ syncfs\(.*\) += 0/);
    const published = at(/ rename\w*\(.*\/tmp\/.*layers\/sha256/);
    const announced = at(/ fsync\(\d+<.*\/layers\/sha256>/);
    expect(written).toBeGreaterThan(-1);
    expect(synced).toBeGreaterThan(written);
    expect(lines.slice(synced, published).some((line) => /pwrite64|utimensat|mkdirat/.test(line) && line.includes(store))).toBe(false);
    expect(published).toBeGreaterThan(synced);
    expect(announced).toBeGreaterThan(published);
  });
});
