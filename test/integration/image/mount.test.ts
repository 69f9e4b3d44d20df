import { lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { recordFiles } from '../../../lib/host/journal.js';
import { Container, Image, reap } from '../../../lib/index.js';
import { isAlive, shimOf } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { changesOf, overlaysOn } from '../../fixtures/overlay.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf, wholeTar } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();

const { describe, it } = requires({ kernel: '6.6', tools: ['busybox', 'tar'] });
const root = requires({ root: true, tools: ['busybox', 'tar'] });
// on a disk: what is mounted of a tmpfs is no part of what a user sees
const folder = temporaryFolder('/var/tmp');
useNewStore(folder);

/** Two layers over busybox: the second takes one of the first's files away. */
async function loaded(): Promise<Image> {
  const upper = tarArchive(
    { name: 'data/', type: '5', mode: 0o750 },
    { name: 'data/kept', mode: 0o640, data: 'kept\n' },
    { name: 'data/gone', data: 'gone\n' },
    { name: 'suid', mode: 0o4755, data: '#!/bin/sh\n' },
  );
  const top = tarArchive({ name: 'data/.wh.gone', data: '' }, { name: 'new', data: 'new\n' });
  const [image] = await Image.load(layoutOf({ 'app:1': [wholeTar(await busyboxRootfs()), upper, top] }, folder));
  if (!image) throw new Error('the layout has an image');
  return image;
}

describe('an image that is mounted', () => {
  it('shows the files of all layers, and takes changes that the image never sees', async () => {
    const image = await loaded();
    await using mount = await image.mount();
    expect(readdirSync(join(mount.path, 'data'))).toEqual(['kept']);
    expect(readFileSync(join(mount.path, 'new'), 'utf8')).toBe('new\n');
    expect(lstatSync(join(mount.path, 'data/kept')).mode & 0o7777).toBe(0o640);
    writeFileSync(join(mount.path, 'data/mine'), 'mine\n');
    expect(await changesOf(mount)).toEqual(['added file /data/mine']);
    await using again = await image.mount({ readOnly: true });
    expect(readdirSync(join(again.path, 'data'))).toEqual(['kept']);
    expect(() => writeFileSync(join(again.path, 'data/mine'), '')).toThrow(/EROFS/);
    expect([mount.upper, again.upper]).toEqual([null, null]);
  });

  it('is the root of several containers, which see what each other has written', async () => {
    await using mount = await (await loaded()).mount();
    const write = await Container.run({ rootfs: mount, command: ['sh', '-c', 'cat /data/kept > /data/copy'] });
    expect(write.failed, write.stderr).toBe(false);
    expect((await Container.run({ rootfs: mount, command: ['cat', '/data/copy', '/new'] })).stdout).toBe('kept\nnew\n');
  });

  it('keeps its layers in the store until it is unmounted', async () => {
    const image = await loaded();
    const mount = await image.mount({ readOnly: true });
    const layers = mount.lower.filter((path) => path !== '');
    await image.remove();
    await Image.prune();
    expect(layers.map((path) => statSync(path).isDirectory())).toEqual([true, true, true]);
    expect(readFileSync(join(mount.path, 'new'), 'utf8')).toBe('new\n');
    await mount.unmount();
    await mount.unmount();
    await until('they can be pruned', async () => {
      await Image.prune();
      return layers.every((path) => statSync(path, { throwIfNoEntry: false }) === undefined);
    });
  });

  it('can be a folder, and not the host', async () => {
    await using mount = await (await Image.fromDirectory(await busyboxRootfs())).mount({ readOnly: true });
    expect(readdirSync(join(mount.path, 'etc'))).toContain('passwd');
    await expect(Image.host().mount()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('mount host'),
    });
  });

  it('refuses wrong options, and an abort, before anything is mounted', async () => {
    const image = await loaded();
    await expect(image.mount(JSON.parse('{"readonly":true}'))).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining("did you mean 'readOnly'?"),
    });
    await expect(image.mount(JSON.parse('{"readOnly":1}'))).rejects.toThrow(/readOnly/);
    await expect(image.mount({ cancelSignal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });

  it('is unmounted by an abort that comes after its layers are there', async () => {
    const image = await Image.fromDirectory(await busyboxRootfs());
    await expect(image.mount({ cancelSignal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    const controller = new AbortController();
    const mounted = image.mount({ cancelSignal: controller.signal });
    controller.abort(new Error('meanwhile'));
    await expect(mounted).rejects.toThrow('meanwhile');
  });
});

root.describe('an image that root has mounted', () => {
  root.it('is where nobody else gets to its set-user-ID programs, and its devices open nothing', async () => {
    const devices = tarArchive({ name: 'null', type: '3', mode: 0o666, device: [1, 3] }, { name: 'suid', mode: 0o4755, data: '' });
    const [image] = await Image.load(layoutOf({ 'devices:1': [devices] }, folder));
    await using mount = await (image ?? Image.host()).mount();
    expect(statSync(join(mount.path, 'suid')).mode & 0o7777).toBe(0o4755);
    expect(statSync(dirname(mount.path))).toMatchObject({ mode: 0o040700, uid: 0 });
    expect(lstatSync(join(mount.path, 'null')).isCharacterDevice()).toBe(true);
    expect(() => readFileSync(join(mount.path, 'null'))).toThrow(/EACCES/);
  });

  root.it('goes with its folders when Node is killed, and by a reap when the shim is, too', async () => {
    await loaded();
    for (const both of [false, true]) {
      const program = startNode('mount-image', ['app:1']);
      const { value } = await program.lines.next();
      const { path, owner } = JSON.parse(value ?? '{}');
      const shim = shimOf(program.pid)?.pid ?? 0;
      expect(overlaysOn(path)).toHaveLength(1);
      if (both) process.kill(shim, 'SIGKILL');
      program.process.kill('SIGKILL');
      await program.ended;
      await until('its shim has ended', () => !isAlive(shim));
      if (both) await until('its records are worked off', async () => (await reap()) && recordFiles(owner).length === 0);
      expect(overlaysOn(path)).toEqual([]);
      expect(statSync(dirname(path), { throwIfNoEntry: false })).toBeUndefined();
    }
  });
});
