import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { Container, Image } from '../../../lib/index.js';
import { tidyLeases } from '../../../lib/store/lease.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf, tarOf } from '../../fixtures/tiny-image.js';

// How an image of the store is found, named and removed.
useLeakCheck();
const { it } = requires({ containers: true, tools: ['tar'] });

const folder = temporaryFolder();
const store = useNewStore(folder);

const loaded = async (...names: string[]): Promise<Image[]> =>
  Image.load(layoutOf(Object.fromEntries(names.map((name) => [name, [{ of: name }]])), folder));
const listed = async (): Promise<(string | null)[]> => (await Image.list()).map(({ reference }) => reference);
const entries = (path: string): string[] => (existsSync(join(store.root, path)) ? readdirSync(join(store.root, path)) : []);
const rootFs = (): NodeJS.ReadableStream & import('node:stream').Readable => {
  const path = join(folder, `root-${Math.random()}.tar`);
  writeFileSync(path, tarOf({ file: 'text' }, folder));
  return createReadStream(path);
};

describe('an image without a name', () => {
  it('is found by its digest, in a process of its own, which leaves nothing but the layer', async () => {
    const [image] = await Image.load(rootFs());
    const [info] = await Image.list();
    expect(info).toMatchObject({ reference: null, digest: image?.digest });
    await tidyLeases();
    const seen = await runNode('use-image', [info?.digest ?? '']);
    expect(seen).toEqual({ reference: null, digest: info?.digest });
    expect(entries('layers/sha256')).toHaveLength(1);
    expect(entries('leases')).toEqual([]);
  });

  it("is found by its config's digest, which is docker's id", async () => {
    const [image] = await loaded('app:1');
    const manifest = JSON.parse(readFileSync(join(store.root, 'blobs', (image?.digest ?? '').replace(':', '/')), 'utf8'));
    expect(await Image.open(manifest.config.digest)).toMatchObject({ reference: 'docker.io/library/app:1', digest: image?.digest });
  });

  it('that is not there is asked of no registry', async () => {
    const command = ['true'];
    const image = `sha256:${'0'.repeat(64)}`;
    await expect(Container.run({ image, command })).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
    await expect(Container.run({ image, command, pull: 'always' })).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
  });

  it('gets one when it is loaded', async () => {
    const [image, ...others] = await Image.load(rootFs(), { reference: 'app:1' });
    expect(others).toEqual([]);
    expect(image?.reference).toBe('docker.io/library/app:1');
    expect(await listed()).toEqual(['docker.io/library/app:1']);
  });
});

describe('a name given to what is loaded', () => {
  it('is instead of the one that it has there', async () => {
    const layout = layoutOf({ 'app:1': [{ a: '' }] }, folder);
    const [image] = await Image.load(layout, { reference: 'other:2' });
    expect(image?.reference).toBe('docker.io/library/other:2');
    expect(await listed()).toEqual(['docker.io/library/other:2']);
  });

  it('is refused for two images, and when it is none', async () => {
    const layout = layoutOf({ 'app:1': [{ a: '' }], 'app:2': [{ b: '' }] }, folder);
    await expect(Image.load(layout, { reference: 'other:2' })).rejects.toMatchObject({
      name: 'ImageError',
      message: expect.stringMatching(/2 images/),
    });
    expect(await listed()).toEqual([]);
    await expect(Image.load(layout, { reference: 'a//b' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('is for an image, however many names that has', async () => {
    const [image] = await loaded('app:1');
    await image?.tag('app:2');
    const archive = join(folder, 'two-names.tar');
    execFileSync('tar', ['-c', '-f', archive, '-C', store.root, 'oci-layout', 'index.json', 'blobs']);
    store.renew();
    expect((await Image.load(archive, { reference: 'other:1' }))[0]?.digest).toBe(image?.digest);
    expect(await listed()).toEqual(['docker.io/library/other:1']);
  });

  it('replaces one that is wrong there', async () => {
    const layout = layoutOf({ 'Not/A:Name:': [{ a: '' }] }, folder);
    await expect(Image.load(layout)).rejects.toMatchObject({
      name: 'ImageError',
      message: expect.stringMatching(/is no name: Image.load takes another/),
    });
    expect((await Image.load(layout, { reference: 'app:1' }))[0]?.reference).toBe('docker.io/library/app:1');
  });
});

describe('removing', () => {
  it('what was found by a digest takes the name that it has, of its repository if there is one', async () => {
    const [image] = await loaded('app:1');
    await image?.tag('mirror.example/app:1');
    await image?.tag('other/app:1');
    const found = await Image.open(`mirror.example/app@${image?.digest}`);
    expect(found.reference).toBe('mirror.example/app:1');
    await found.remove();
    expect(await listed()).toEqual(['docker.io/library/app:1', 'docker.io/other/app:1']);
    await (await Image.open(image?.digest ?? '')).remove();
    expect(await listed()).toEqual(['docker.io/other/app:1']);
  });

  it.each(['name', 'digest', 'name and digest'] as const)('by %s opens nothing', async (what) => {
    const [one, other] = await loaded('app:1', 'app:2');
    await one?.tag('app:3');
    const references = { name: 'app:1', digest: one?.digest ?? '', 'name and digest': `app@${one?.digest}` };
    await Image.remove(references[what]);
    const left = what === 'name' ? ['docker.io/library/app:2', 'docker.io/library/app:3'] : ['docker.io/library/app:2'];
    expect((await listed()).sort()).toEqual(left);
    await Image.remove(references[what]);
    expect((await listed()).sort()).toEqual(left);
    expect(entries('blobs/sha256')).toHaveLength(what === 'name' ? 6 : 3);
    expect(other?.digest).not.toBe(one?.digest);
  });

  it.each(['host', 'dir:/', 'oci:x', 'a//b'])('%s is no name of the store', async (reference) => {
    await expect(Image.remove(reference)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('leaves the name to who has it by now', async () => {
    const [old] = await loaded('app:1');
    const [fresh] = await Image.load(layoutOf({ 'app:1': [{ another: '' }] }, folder));
    await old?.remove();
    expect((await Image.list()).map(({ reference, digest }) => [reference, digest])).toEqual([['docker.io/library/app:1', fresh?.digest]]);
    expect(entries('blobs/sha256')).toHaveLength(3);
  });

  it('an image of a layout or an archive keeps what the store has under a name', async () => {
    const layout = layoutOf({ 'app:1': [{ a: '' }] }, folder);
    await Image.load(layout);
    await (await Image.open(`oci:${layout}`)).remove();
    expect(await listed()).toEqual(['docker.io/library/app:1']);
  });

  it('leaves what of another image was cut off', async () => {
    const [image] = await loaded('app:1');
    writeFileSync(join(store.root, 'ingest', 'sha256-00'), 'cut');
    await image?.remove();
    expect(entries('ingest')).toEqual(['sha256-00']);
    await Image.prune();
    expect(entries('ingest')).toEqual([]);
  });
});

describe('an image of a layout', () => {
  it('goes by its name in full, also where several are, and keeps it when it is saved', async () => {
    const path = join(folder, 'by:name');
    for (const image of await loaded('app:1', 'team/app:1')) await image.save(`${path}/`);
    for (const name of ['docker.io/library/app:1', 'docker.io/team/app:1']) {
      const image = await Image.open(`oci:${path}:${name}`);
      expect(image.reference).toBe(`oci:${path}:${name}`);
      const again = join(folder, `again-${name.length}`);
      await image.save(`${again}/`);
      expect((await Image.open(`oci:${again}`)).reference).toBe(`oci:${again}:${name}`);
      expect((await Image.open(`oci:${store.root}:${name}`)).digest).toBe(image.digest);
    }
    await expect(Image.open(`oci:${folder}/missing:tag`)).rejects.toMatchObject({ message: expect.stringMatching(/missing'/) });
  });
});

describe('a damaged image', () => {
  /** Of the same size, as a disk does it; and what this process has read before is read anew, as by one that begins now. */
  const damage = (digest: string): void => {
    const path = join(store.root, 'blobs', digest.replace(':', '/'));
    writeFileSync(path, ' '.repeat(statSync(path).size));
    utimesSync(join(store.root, 'index.json'), new Date(), new Date());
  };

  it('is listed as such, hides no other, and can be removed and had again', async () => {
    const layout = layoutOf({ 'app:1': [{ a: '' }], 'app:2': [{ b: '' }] }, folder);
    const [one, two] = await Image.load(layout);
    damage(one?.digest ?? '');
    expect(await Image.list()).toMatchObject([
      { reference: 'docker.io/library/app:1', size: 0, error: { name: 'ImageError', message: expect.stringContaining(one?.digest ?? '') } },
      { reference: 'docker.io/library/app:2', digest: two?.digest, error: null },
    ]);
    await expect(Image.open('app:1')).rejects.toMatchObject({ name: 'ImageError' });
    await expect(Image.prune()).rejects.toMatchObject({ name: 'ImageError' });
    const archive = join(folder, 'two.tar');
    await two?.save(archive, { format: 'docker' });
    expect((await Image.open(`docker-archive:${archive}`)).digest).toBe(two?.digest);
    await Image.remove('app:1');
    expect(await listed()).toEqual(['docker.io/library/app:2']);
    await Image.load(layout);
    expect((await Image.open('app:1')).digest).toBe(one?.digest);
    await Image.prune();
  });

  it('keeps nobody from removing another', async () => {
    const [one, two] = await loaded('app:1', 'app:2');
    await two?.tag('app:3');
    for (const image of [one, two]) damage(image?.digest ?? '');
    await Image.remove('app:3');
    expect(await listed()).toEqual(['docker.io/library/app:1', 'docker.io/library/app:2']);
    await Image.remove('app:1');
    expect(await listed()).toEqual(['docker.io/library/app:2']);
    // whose damaged blobs are still there
    await Image.load(layoutOf({ 'app:1': [{ of: 'app:1' }] }, folder));
    expect((await Image.open('app:1')).digest).toBe(one?.digest);
    await Image.remove('app:2');
    await Image.remove('app:1');
    expect([...(await listed()), ...entries('blobs/sha256')]).toEqual([]);
  });
});

describe('what the system refuses is an ImageError that says what was being done', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['load', () => Image.load(rootFs())],
    ['list', () => Image.list()],
    ['prune', () => Image.prune()],
    ['remove', () => Image.remove('app:1')],
  ])('%s', async (_, act) => {
    // a store that is a file
    writeFileSync(store.root, '');
    await expect(act()).rejects.toMatchObject({ name: 'ImageError', message: expect.stringMatching(/^(use the store|list the images)/) });
    execFileSync('rm', [store.root]);
  });
});

it('a folder is no image with a config that is none', async () => {
  // @ts-expect-error: a program without types
  await expect(Image.fromDirectory(folder, { Cmd: ['sh'] })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  expect((await Image.fromDirectory(folder, { cmd: ['sh'] })).config).toEqual({ cmd: ['sh'] });
});
