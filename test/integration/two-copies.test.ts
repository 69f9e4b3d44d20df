import { cpSync, mkdtempSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, expect } from 'vitest';
import type * as Nacelle from '../../lib/index.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { isRoot, missing, requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { layoutOf } from '../fixtures/tiny-image.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();
useNewStore(folder);

const project = fileURLToPath(new URL('../..', import.meta.url));

/** Another copy of the package, as a program has it of which two dependencies have different versions. */
function copyOfPackage(): string {
  const copy = mkdtempSync(join(folder, 'package-'));
  for (const name of ['dist', 'package.json', 'binding.gyp']) cpSync(join(project, name), join(copy, name), { recursive: true });
  for (const name of ['build', 'node_modules']) symlinkSync(join(project, name), join(copy, name));
  return copy;
}

const required: typeof Nacelle = createRequire(import.meta.url)(join(project, 'dist/index.cjs'));
const { href } = pathToFileURL(join(copyOfPackage(), 'dist/index.js'));
const imported: typeof Nacelle = await import(/* @vite-ignore */ href);

const image = 'host';
const copies = [
  ['imported', 'required', imported, required],
  ['required', 'imported', required, imported],
] as const;

// what stays open in Node and in the shim from the first use on
beforeAll(async () => {
  if (missing({ containers: true }).length > 0) return;
  for (const copy of [imported, required]) await copy.Container.run({ image, command: ['true'] });
});

it('they are two', () => expect(imported.Container).not.toBe(required.Container));

describe.each(copies)('what the copy that was %s made, given to the one that was %s', (_from, _to, from, to) => {
  it('is as good as its own', async () => {
    await using holder = await from.Container.create({ image, command: ['true'] });
    await using group = await from.Cgroup.create(`nacelle-test-${process.pid}-copies`, { pidsLimit: 20 });
    // all that a user's container joins belongs to one user namespace
    const ipc = isRoot ? (await from.Namespace.create(['ipc'])).ipc : await holder.namespace('ipc');
    await using overlay = await from.OverlayFs.mount({ lower: [await busyboxRootfs()] });
    const result = await to.Container.run({
      image: from.Image.host(),
      command: ['sh', '-c', 'readlink /proc/self/ns/ipc; readlink /proc/self/ns/net'],
      namespaces: { ipc },
      network: holder,
      cgroupParent: group,
    });
    await using net = await holder.namespace('net');
    expect(result.stdout).toBe(`ipc:[${ipc.inode}]\nnet:[${net.inode}]\n`);
    expect((await to.Container.run({ rootfs: overlay, command: ['true'] })).status).toBe('ok');
    const volumes = [`${overlay.path}/bin:/seen`];
    expect((await to.Container.run({ image, command: ['ls', '/seen'], volumes })).stdout).toContain('busybox');
    if (isRoot) {
      await using pair = await to.VethPair.create({ peer: holder, namespace: net });
      expect(pair.peer.addresses).toEqual(expect.any(Array));
    }
    await ipc.close();
  });

  it('becomes an image, with what it lies on', async () => {
    const layout = layoutOf({ app: [{ file: 'text' }] }, folder);
    const base = await from.Image.open(`oci:${layout}:app`);
    await using container = await from.Container.create({ image: base, command: ['/none'], copyIn: { '/more': 'text' } });
    const made = await to.Image.commit(container, { reference: 'copies:1' });
    expect(made.layers).toHaveLength(2);
    await made.remove();
    await to.Image.prune();
  });

  it('fails with its own errors, told by name and code', async () => {
    const overlay = await from.OverlayFs.mount({ lower: [folder] });
    await overlay.unmount();
    await expect(to.Image.commit(overlay)).rejects.toMatchObject({ name: 'NacelleError', code: 'ERR_CLOSED' });
    await using container = await from.Container.create({ image, command: ['true'] });
    await expect(to.Image.commit(container)).rejects.toMatchObject({ name: 'UnsupportedError', code: 'ERR_UNSUPPORTED' });
  });
});
