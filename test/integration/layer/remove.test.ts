import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'prlimit'] });

/** Tens of thousands of files take their time on a disk. */
const LONG = { timeout: 300_000 };
const parent = temporaryFolder();
let driver = '';
beforeAll(async () => {
  driver = await layerDriver();
});

/** With a dozen descriptors and little stack, as one who counts on neither. */
function unpack(root: string, entries: TarEntry[], whiteouts: 'apply' | 'overlay'): string {
  return feed('prlimit', ['--nofile=12', '--stack=262144', driver, 'unpack', root, `whiteouts=${whiteouts}`], tarArchive(...entries)).error;
}

/** Folders in each other, deeper than a path may be long, with a file at each level. */
function nest(root: string, depth: number): void {
  const before = process.cwd();
  process.chdir(root);
  try {
    for (let level = 0; level < depth; level++) {
      mkdirSync('folder');
      writeFileSync('file', '');
      process.chdir('folder');
    }
  } finally {
    process.chdir(before);
  }
}

function crowd(folder: string, count: number): void {
  mkdirSync(folder);
  for (let index = 0; index < count; index++) writeFileSync(join(folder, `${index}`), '');
}

requires({ root: true, tools: [LAYER_COMPILER, 'setpriv', 'unshare'] }).describe('what root of a user namespace owns', () => {
  const OWNER = 700_000;

  it('may be in folders that are closed, and of a group which is none there, as set-group-id folders hand theirs on', () => {
    const root = newFolder(parent);
    for (const path of [parent, dirname(root), root]) chmodSync(path, 0o755);
    const top = join(root, 'top');
    const closed = [0o000, 0o200, 0o300, 0o500, 0o600];
    mkdirSync(top);
    for (const mode of closed) {
      const folder = join(top, `of-${mode.toString(8)}`);
      mkdirSync(join(folder, 'inner'), { recursive: true });
      for (const path of [join(folder, 'file'), join(folder, 'inner', 'file')]) writeFileSync(path, '');
      for (const path of [join(folder, 'inner'), folder]) chmodSync(path, 0o2000 | mode);
    }
    execFileSync('chown', ['-R', `${OWNER}:4`, top]);
    // chown clears the bit
    execFileSync('chmod', ['-R', 'g+s', top]);
    chownSync(root, OWNER, OWNER);
    const inside = [`--reuid=${OWNER}`, `--regid=${OWNER}`, '--clear-groups', 'unshare', '--map-root-user'];
    expect(feed('setpriv', [...inside, driver, 'remove', root, 'top']).error).toBe('');
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('what a layer takes away', () => {
  it.each([
    ['apply', rounds(20_000, 100_000)],
    ['overlay', 100],
  ] as const)('may be 5,000 folders deep and hold many files: a file takes its place (%s, %d)', LONG, (whiteouts, count) => {
    const root = newFolder(parent);
    mkdirSync(join(root, 'deep'));
    nest(join(root, 'deep'), 5000);
    crowd(join(root, 'crowd'), count);
    expect(unpack(root, [{ name: 'deep' }, { name: 'crowd' }], whiteouts)).toBe('');
    expect(readdirSync(root, { withFileTypes: true }).map((entry) => [entry.name, entry.isFile()])).toEqual([
      ['crowd', true],
      ['deep', true],
    ]);
  });

  it('may be so by whiteouts, and what the layer itself has made there stays', LONG, () => {
    const root = newFolder(parent);
    for (const name of ['gone', 'hidden']) {
      mkdirSync(join(root, name));
      nest(join(root, name), 5000);
      crowd(join(root, name, 'crowd'), 100);
    }
    const [first, second] = ['hidden/folder/folder/new', 'hidden/folder/kept/new'];
    expect(unpack(root, [{ name: first }, { name: second }, { name: '.wh.gone' }, { name: 'hidden/.wh..wh..opq' }], 'apply')).toBe('');
    expect((readdirSync(root, { recursive: true }) as string[]).sort()).toEqual(
      [first, second]
        .flatMap((path) => path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/')))
        .filter(unique)
        .sort(),
    );
  });
});

function unique<T>(value: T, index: number, all: readonly T[]): boolean {
  return all.indexOf(value) === index;
}
