import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ImageError } from '../../../lib/errors.js';
import { addLayer } from '../../../lib/image/store/layer-folders.js';
import { prune } from '../../../lib/image/store/prune.js';
import { Container, Image } from '../../../lib/index.js';
import { type Hold, hold, livingLeases, tidyLeases } from '../../../lib/store/lease.js';
import { withLock } from '../../../lib/store/store-lock.js';
import { mounts } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { it, describe } = requires({ containers: true, tools: ['tar', 'busybox'] });

const folder = temporaryFolder();
const store = useNewStore(folder);

const names = (path: string): string[] => (existsSync(join(store.root, path)) ? readdirSync(join(store.root, path)) : []);
const counts = () => ({ blobs: names('blobs/sha256').length, layers: names('layers/sha256').length });
const base = { 'etc/base': 'shared' };

/** Two images that share their lower layer, by name and unpacked. */
async function two(): Promise<Image[]> {
  const layout = layoutOf({ 'app:one': [base, { one: '1' }], 'app:two': [base, { two: '2' }] }, folder);
  const images = await Image.load(layout);
  for (const image of images) await recipeOf(image);
  return images;
}

describe('the store', () => {
  it('shares what images have in common, and keeps it until the last one goes', async () => {
    const [one, other] = await two();
    // two manifests, two configs, three layers
    expect(counts()).toEqual({ blobs: 7, layers: 3 });
    await one?.remove();
    expect(counts()).toEqual({ blobs: 4, layers: 2 });
    await expect(Image.open('app:one')).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
    expect(await recipeOf(await Image.open('app:two'))).toBeDefined();
    await other?.remove();
    expect(counts()).toEqual({ blobs: 0, layers: 0 });
    await other?.remove();
  });

  it('lists what it has, with the time of its last use', async () => {
    const before = Date.now();
    const [one] = await Image.load(layoutOf({ 'app:one': [base] }, folder));
    expect(await Image.list()).toMatchObject([
      { reference: 'docker.io/library/app:one', digest: one?.digest, size: one?.size, lastUsedAt: null },
    ]);
    await recipeOf(await Image.open('app:one'));
    expect((await Image.list())[0]?.lastUsedAt?.getTime()).toBeGreaterThanOrEqual(before - 1000);
  });

  it('gives an image further names, and takes a name from another', async () => {
    const [one, other] = await two();
    await one?.tag('localhost:5000/mine:1');
    await other?.tag('app:one');
    const listed = (await Image.list()).map(({ reference, digest }) => [reference, digest]);
    expect(listed.sort()).toEqual(
      [
        ['localhost:5000/mine:1', one?.digest],
        ['docker.io/library/app:one', other?.digest],
        ['docker.io/library/app:two', other?.digest],
      ].sort(),
    );
    expect((await Image.open(`anything@${one?.digest}`)).digest).toBe(one?.digest);
  });

  it.each(['tag', 'remove', 'prune'] as const)('is changed by %s as the first thing a process does with it', async (what) => {
    const [one] = await two();
    // as a process that begins now
    await tidyLeases();
    const image = await Image.open('app:one');
    if (what === 'tag') await image.tag('app:three');
    else if (what === 'remove') await image.remove();
    else await Image.prune();
    const listed = (await Image.list()).filter(({ digest }) => digest === one?.digest);
    expect(listed).toHaveLength({ tag: 2, remove: 0, prune: 1 }[what]);
  });

  it('keeps an image without a name until it is pruned', async () => {
    const [image] = await Image.load(layoutOf({ latest: [base] }, folder));
    expect(image?.reference).toBeNull();
    await two();
    expect(await Image.prune()).toMatchObject({ images: [image?.digest], blobs: [expect.any(String), expect.any(String)], layers: [] });
    expect(await Image.prune()).toEqual({ images: [], blobs: [], layers: [], bytes: 0 });
    expect(counts()).toEqual({ blobs: 7, layers: 3 });
  });

  it('removes what was cut off and what dead processes left, and nothing of living ones', async () => {
    await two();
    const dead = '00000000-0000-4000-8000-000000000000';
    for (const path of ['tmp', 'leases', 'ingest']) await mkdir(join(store.root, path), { recursive: true });
    await mkdir(join(store.root, 'tmp', `${dead}-1`, 'fs'), { recursive: true });
    await writeFile(join(store.root, 'leases', dead), '[]');
    await writeFile(join(store.root, 'ingest', 'sha256-00'), 'cut');
    await prune();
    expect([...names('tmp'), ...names('ingest')]).toEqual([]);
    expect(names('leases')).not.toContain(dead);
    expect(counts()).toEqual({ blobs: 7, layers: 3 });
  });
});

requires({ root: true, tools: ['tar', 'mount', 'umount'] }).describe('what can’t be removed', () => {
  /** Nothing is removed across a mount. */
  async function mountedOver<T>(path: string, work: () => Promise<T>): Promise<T> {
    execFileSync('mount', ['-t', 'tmpfs', 'nacelle-test', path]);
    try {
      return await work();
    } finally {
      // by then it has another name
      for (const { target } of mounts()) if (target.startsWith(store.root)) execFileSync('umount', [target]);
    }
  }

  it('is told by who prunes, and goes with a later one', async () => {
    const [one] = await two();
    const [top = ''] = one ? ((await recipeOf(one)).mounts[0]?.lower ?? []) : [];
    await mkdir(join(top, 'sub'));
    await mountedOver(join(top, 'sub'), async () => {
      await expect(one?.remove()).rejects.toMatchObject({
        name: 'SyscallError',
        step: 'remove_tree',
        path: expect.stringContaining('/tmp/'),
      });
      // the names are gone all the same
      expect(counts()).toEqual({ blobs: 4, layers: 2 });
      expect(names('tmp')).toHaveLength(1);
    });
    await tidyLeases();
    await Image.prune();
    expect(names('tmp')).toEqual([]);
  });

  it('is told beside the reason why a layer could not be made', async () => {
    const chainId = `sha256:${'2'.repeat(64)}`;
    const fill = async (path: string): Promise<void> => {
      await mkdir(join(path, 'sub'));
      execFileSync('mount', ['-t', 'tmpfs', 'nacelle-test', join(path, 'sub')]);
      throw new ImageError('the first failure');
    };
    const failing = addLayer(chainId, fill, store.root);
    await expect(failing).rejects.toMatchObject({
      message: 'the first failure',
      cleanupError: { name: 'SyscallError', step: 'remove_tree' },
    });
    for (const { target } of mounts()) if (target.startsWith(store.root)) execFileSync('umount', [target]);
    await tidyLeases();
    await Image.prune();
    expect(names('tmp')).toEqual([]);
  });
});

describe('what was in use until a moment ago', () => {
  it('is not held by a wish that comes while the store is being pruned', async () => {
    const digest = `sha256:${'1'.repeat(64)}`;
    (await hold([digest], store.root)).release();
    let held: Promise<Hold> | undefined;
    let isHeld = false;
    await withLock(store.root, 'exclusive', async () => {
      expect((await livingLeases(store.root)).digests).not.toContain(digest);
      held = hold([digest], store.root);
      void held.then(() => {
        isHeld = true;
      });
      for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
      // what was looked at by then may be on its way out
      expect(isHeld).toBe(false);
    });
    (await held)?.release();
  });
});

describe('what a live container stands on', () => {
  it('stays, though its image was removed, until it has ended', async () => {
    const [image] = await Image.load(layoutOf({ 'app:one': [{ file: 'below' }] }, folder));
    if (!image) throw new Error('nothing was loaded');
    const mounts = [{ type: 'bind' as const, source: await busyboxRootfs(), target: '/bb', readOnly: true }];
    const container = await Container.create({ image, mounts, command: ['/bb/bin/busybox', 'cat', '/file'] });
    await image.remove();
    expect(counts().layers).toBe(1);
    await container.start();
    expect((await container.wait()).stdout).toBe('below');
    await container.remove();
    expect(await Image.prune()).toMatchObject({ layers: [expect.any(String)] });
    expect(counts()).toEqual({ blobs: 0, layers: 0 });
  });

  it('stays for another process, and goes when that is killed', async () => {
    const layout = layoutOf({ 'app:one': [{ file: 'below' }] }, folder);
    const program = startNode('hold-image', [layout]);
    await program.lines.next();
    const [image] = await Image.load(layout);
    await image?.remove();
    // what it has loaded it holds for a moment longer
    await until('the blobs are gone', async () => {
      await prune();
      return counts().blobs === 0;
    });
    expect(counts()).toEqual({ blobs: 0, layers: 1 });
    program.process.kill('SIGKILL');
    await program.ended;
    await prune();
    expect(counts()).toEqual({ blobs: 0, layers: 0 });
  });
});
