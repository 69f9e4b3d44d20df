import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { LookedUp } from '../../../../lib/container/pool/looked-up.js';
import type { SeenFile } from '../../../../lib/native/seen-files.js';
import type { CoverEntry, OverlayRecipe, RootRecipe } from '../../../../lib/plan/recipe.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

const folder = temporaryFolder();
const ROOT = { mode: 0o755, uid: 0, gid: 0 };

let image: string;

beforeEach(() => {
  image = mkdtempSync(join(folder, 'image-'));
});

function overlay(lower: readonly string[] = [image], more: Partial<OverlayRecipe> = {}): OverlayRecipe {
  return { target: '/', lower, attributes: 0, root: ROOT, cover: [], ...more };
}

function recipe(...mounts: OverlayRecipe[]): RootRecipe {
  return { mounts: mounts.length === 0 ? [overlay()] : mounts, binds: [], userxattr: false };
}

function make(path: string, below = image): void {
  mkdirSync(join(below, path), { recursive: true });
}

/** A file comes to be in a folder. */
function touch(path: string, below = image): void {
  make(dirname(path), below);
  writeFileSync(join(below, path), '');
}

/** As the addon does it, which this test does without (test/integration/seen-files.test.ts). */
function isAsSeen({ path, follows, status }: SeenFile): boolean {
  const now = (follows ? statSync : lstatSync)(path, { throwIfNoEntry: false, bigint: true });
  return now?.ino === status?.ino && now?.dev === status?.dev && now?.ctimeNs === status?.ctimeNs;
}

function lookedUpIn(of: RootRecipe, targets: readonly string[]): LookedUp {
  return new LookedUp(of, targets, (seen) => ({ areAsSeen: () => seen.every(isAsSeen) }));
}

/** Whether a change is noticed by who has looked before it. */
function isNoticed(lookedUp: LookedUp, change: () => void): boolean {
  expect([lookedUp.isWhole, lookedUp.isCurrent()]).toEqual([true, true]);
  change();
  return !lookedUp.isCurrent();
}

it.each<[string, () => void]>([
  ['another folder in its place', () => [renameSync(join(image, 'a'), join(image, 'z')), make('a')]],
  ['other rights', () => chmodSync(join(image, 'a'), 0o700)],
  ['what has come to be there', () => make('a/b')],
  ['other rights of the root', () => chmodSync(image, 0o700)],
  ['a link in its place', () => [renameSync(join(image, 'a'), join(image, 'z')), symlinkSync('z', join(image, 'a'))]],
])('notices %s', (_, change) => {
  make('a');
  expect(isNoticed(lookedUpIn(recipe(), ['/a/b']), change)).toBe(true);
});

it('looks at no folder that is on the way to none', () => {
  make('a');
  make('other');
  expect(isNoticed(lookedUpIn(recipe(), ['/a/b']), () => touch('other/x'))).toBe(false);
});

it.each([
  ['/srv/data', 'srv/data'],
  ['data', 'var/data'],
  ['../../srv/./data', 'srv/data'],
])('follows the link %s below the root of the image', (link, real) => {
  make(real);
  make('var');
  symlinkSync(link, join(image, 'var/link'));
  expect(isNoticed(lookedUpIn(recipe(), ['/var/link/below']), () => touch(`${real}/x`))).toBe(true);
});

it('never follows a link to the host', () => {
  const host = mkdtempSync(join(folder, 'host-'));
  make('app', host);
  symlinkSync(host, join(image, 'run'));
  make(join(host, 'app'));
  const lookedUp = lookedUpIn(recipe(), ['/run/app/x']);
  expect(isNoticed(lookedUp, () => touch('app/x', host))).toBe(false);
  expect(isNoticed(lookedUp, () => touch(join(host, 'app/x')))).toBe(true);
});

it('goes up from where a link has led to', () => {
  make('real/deep');
  make('real/side');
  symlinkSync('real/deep', join(image, 'short'));
  expect(isNoticed(lookedUpIn(recipe(), ['/short/../side/x']), () => touch('real/side/x'))).toBe(true);
});

it('gives up links that lead to each other as the kernel does', () => {
  symlinkSync('b', join(image, 'a'));
  symlinkSync('a', join(image, 'b'));
  const lookedUp = lookedUpIn(recipe(), ['/a/x']);
  expect([lookedUp.isWhole, lookedUp.isCurrent()]).toEqual([true, true]);
});

it('looks at so many paths and no more, and says so', () => {
  const lookedUp = lookedUpIn(
    recipe(),
    Array.from({ length: 2000 }, (_, i) => `/${i}`),
  );
  expect([lookedUp.isWhole, lookedUp.isCurrent()]).toEqual([false, true]);
});

it('says so where it can’t look', () => {
  const lookedUp = lookedUpIn(recipe(), [`/${'x'.repeat(300)}`]);
  expect([lookedUp.isWhole, lookedUp.isCurrent()]).toEqual([false, true]);
});

it.each<[string, CoverEntry]>([
  ['an emptied folder', { kind: 'folder', path: 'tmp', opaque: true, ...ROOT }],
  ['what is hidden', { kind: 'whiteout', path: 'tmp' }],
])('looks at nothing of the layers in %s', (_, entry) => {
  make('tmp/below');
  const lookedUp = lookedUpIn(recipe(overlay([image], { cover: [entry] })), ['/tmp', '/tmp/below/x']);
  expect(isNoticed(lookedUp, () => touch('tmp/x'))).toBe(false);
  expect(isNoticed(lookedUp, () => touch('tmp/below/x'))).toBe(false);
});

it('follows links of the covering layer, and looks into folders that it has for their entries alone', () => {
  make('real');
  make('open');
  const cover: CoverEntry[] = [
    { kind: 'link', path: 'link', target: 'real' },
    { kind: 'folder', path: 'open', opaque: false, ...ROOT },
  ];
  const of = (target: string) => lookedUpIn(recipe(overlay([image], { cover })), [target]);
  expect(isNoticed(of('/link/x'), () => touch('real/x'))).toBe(true);
  expect(isNoticed(of('/open/x'), () => touch('open/x'))).toBe(true);
});

it('looks at all layers of a folder, down to the first that has none there', () => {
  const [upper, lower] = [mkdtempSync(join(folder, 'upper-')), mkdtempSync(join(folder, 'lower-'))];
  for (const layer of [upper, lower]) make('both', layer);
  make('only', lower);
  touch('file', upper);
  make('file', lower);
  const of = (target: string) => lookedUpIn(recipe(overlay([upper, lower])), [target]);
  expect(isNoticed(of('/both/x'), () => touch('both/x', lower))).toBe(true);
  expect(isNoticed(of('/only/x'), () => touch('only/x', lower))).toBe(true);
  expect(isNoticed(of('/file/x'), () => touch('file/x', lower))).toBe(false);
});

it('looks below another mount at what that shows', () => {
  const home = mkdtempSync(join(folder, 'home-'));
  make('home/user');
  make('user', home);
  const lookedUp = lookedUpIn(recipe(overlay(), overlay([home], { target: '/home' })), ['/home/user/x']);
  expect(isNoticed(lookedUp, () => touch('home/user/x'))).toBe(false);
  expect(isNoticed(lookedUp, () => touch('user/x', home))).toBe(true);
});
