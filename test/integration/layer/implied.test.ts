import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { inventory } from '../../fixtures/tree.js';

// Folders that a layer only implies: 'etc/hosts' without an entry 'etc/'.
const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'getfattr', 'setfattr'] });

let driver = '';
let root = '';
let lower = '';
const parent = temporaryFolder();
beforeAll(async () => {
  driver = await layerDriver();
});
beforeEach(() => {
  root = newFolder(parent);
  lower = newFolder(parent);
});

const OLD = new Date('2001-02-03T04:05:06Z');
const file = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, data: 'x', ...more });
const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', ...more });

/** A folder of a lower layer that looks like no other. */
function special(base: string, path: string): void {
  mkdirSync(join(base, path), { recursive: true });
  chownSync(join(base, path), 12, 34);
  chmodSync(join(base, path), 0o1730);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'lower', join(base, path)]);
  utimesSync(join(base, path), OLD, OLD);
}

const OURS = 'mode 40755, owner 0:0, time 1000000000000000000';
const LOWERS = `mode 41730, owner 12:34, time ${OLD.getTime()}000000, user.note=0x6c6f776572`;

function unpack(entries: TarEntry[], layers = [lower]): Record<string, string> {
  const options = ['whiteouts=overlay', ...layers.map((layer) => `lower=${layer}`)];
  const before = layers.map((layer) => inventory(layer));
  expect(feed(driver, ['unpack', root, ...options], tarArchive(...entries)).error).toBe('');
  expect(layers.map((layer) => inventory(layer))).toEqual(before);
  return inventory(root);
}

describe('a folder that is only implied', () => {
  it('is as the lower layers have it: owner, mode, time, attributes', () => {
    for (const path of ['etc', 'etc/deep', 'var']) special(lower, path);
    utimesSync(join(lower, 'etc'), OLD, OLD);
    const found = unpack([file('etc/deep/new'), file('var/.wh.gone')]);
    expect(found).toMatchObject({ '/etc': LOWERS, '/etc/deep': LOWERS, '/var': LOWERS });
  });

  it('is as the topmost of them has it', () => {
    const bottom = newFolder(parent);
    special(bottom, 'etc');
    mkdirSync(join(lower, 'etc'), { mode: 0o700 });
    chmodSync(join(lower, 'etc'), 0o700);
    expect(unpack([file('etc/x')], [lower, bottom])['/etc']).toMatch(/^mode 40700, owner 0:0/);
  });

  it("is root's, 0755, and of the entry's time where none has it", () => {
    expect(unpack([file('new/deep/x')])).toMatchObject({ '/new': OURS, '/new/deep': OURS });
  });

  it('gets what its own entry says, wherever that stands', () => {
    special(lower, 'etc');
    const found = unpack([file('etc/x'), folder('etc', { mode: 0o711, uid: 5, gid: 6, mtime: 77 })]);
    expect(found['/etc']).toBe('mode 40711, owner 5:6, time 77000000000');
  });

  it.each<[string, (base: string) => void, TarEntry[]]>([
    ['whiteout of this layer', () => undefined, [file('.wh.etc', { data: '' })]],
    ['opaque folder of this layer', () => undefined, [file('.wh..wh..opq', { data: '' })]],
    ['whiteout of a layer between', (base) => execFileSync('mknod', [join(base, 'etc'), 'c', '0', '0']), []],
    ['file of a layer between', (base) => writeFileSync(join(base, 'etc'), ''), []],
    ['link of a layer between', (base) => symlinkSync('other', join(base, 'etc')), []],
  ])('takes nothing through a %s', (_, between, before) => {
    const middle = newFolder(parent);
    special(lower, 'etc');
    between(middle);
    expect(unpack([...before, file('etc/x')], [middle, lower])['/etc']).toContain(OURS);
  });

  it('below a link of this layer is where the link leads, and inside', () => {
    special(lower, 'etc');
    special(lower, 'real/etc');
    const found = unpack([folder('real'), { name: 'link', type: '2', link: '../../real' }, file('link/etc/x')]);
    expect(found['/real/etc']).toBe(OURS);
    expect(lstatSync(join(root, 'real/etc/x')).isFile()).toBe(true);
  });

  it('is not looked for without end', () => {
    const path = Array.from({ length: 45 }, () => 'd').join('/');
    const layers = Array.from({ length: 12 }, () => newFolder(parent));
    for (const layer of layers) special(layer, path);
    const options = ['whiteouts=overlay', 'maxEntries=70', ...layers.map((layer) => `lower=${layer}`)];
    const { error } = feed(driver, ['unpack', root, ...options], tarArchive(file(`${path}/x`)));
    expect(error).toMatch(/^EDOM: the folder d\/d\/.*: looking for it in the lower layers is more work than maxEntries allows$/);
    expect(unpack([file(`${path}/x`)], layers)[`/${path}`]).toBe(LOWERS);
  });

  it('is never made in the place of a file', () => {
    special(lower, 'etc');
    const { error } = feed(driver, ['unpack', root, 'whiteouts=overlay', `lower=${lower}`], tarArchive(file('etc'), file('etc/x')));
    expect(error).toBe('ENOTDIR: the folder etc: something else is there');
  });
});
