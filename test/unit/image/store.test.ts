import { readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { digestOf } from '../../../lib/image/digest.js';
import { addLayer, findLayer, storeRoot } from '../../../lib/image/store.js';

const chainId = digestOf('chain');
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'nacelle-store-'));
  vi.stubEnv('NACELLE_ROOT', root);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const fill = (text: string) => (folder: string) => writeFile(join(folder, 'file'), text);

it('reads NACELLE_ROOT at each use', () => {
  expect(storeRoot()).toBe(root);
  vi.stubEnv('NACELLE_ROOT', '/elsewhere');
  expect(storeRoot()).toBe('/elsewhere');
});

it('has a layer when it was filled, in folders of its user alone', async () => {
  expect(await findLayer(chainId)).toBeNull();
  const path = await addLayer(chainId, fill('one'));
  expect(await findLayer(chainId)).toBe(path);
  expect(await readFile(join(path, 'file'), 'utf8')).toBe('one');
  for (const [folder, mode] of [
    ['layers', 0o700],
    ['tmp', 0o700],
  ] as const)
    expect((await stat(join(root, folder))).mode & 0o777).toBe(mode);
  expect((await stat(path)).mode & 0o777).toBe(0o755);
});

it('keeps nothing when filling fails', async () => {
  await expect(addLayer(chainId, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await findLayer(chainId)).toBeNull();
  expect(await readdir(join(root, 'tmp'))).toEqual([]);
});

it('lets one of two win, and removes the other', async () => {
  const paths = await Promise.all([addLayer(chainId, fill('a')), addLayer(chainId, fill('b'))]);
  expect(new Set(paths).size).toBe(1);
  expect(['a', 'b']).toContain(await readFile(join(paths[0] ?? '', 'file'), 'utf8'));
  expect(await readdir(join(root, 'tmp'))).toEqual([]);
});

it('removes what dead processes left, and nothing of a living one or of another pid namespace', async () => {
  const namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  const start = (await readFile('/proc/self/stat', 'utf8')).replace(/^.*\) /, '').split(' ')[19];
  const dead = [`${namespace}-4194305-1-x`, `${namespace}-${process.pid}-1-x`];
  const kept = [`${namespace}-${process.pid}-${start}-x`, `1-4194305-1-x`, 'unknown'];
  for (const name of [...dead, ...kept]) await mkdir(join(root, 'tmp', name, 'fs'), { recursive: true });
  await addLayer(chainId, fill('one'));
  expect((await readdir(join(root, 'tmp'))).sort()).toEqual(kept.sort());
});
