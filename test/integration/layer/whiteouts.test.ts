import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { inventory } from '../../fixtures/tree.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'find', 'getfattr', 'unshare', 'mount'] });

let driver = '';
let root = '';
const parent = temporaryFolder();
beforeAll(async () => {
  driver = await layerDriver();
});
beforeEach(() => {
  root = newFolder(parent);
});

const file = (name: string, data = ''): TarEntry => ({ name, data });
const folder = (name: string): TarEntry => ({ name, type: '5' });

function unpack(whiteouts: 'apply' | 'overlay', ...entries: TarEntry[]): string {
  return feed(driver, ['unpack', root, `whiteouts=${whiteouts}`], tarArchive(...entries)).error;
}

/** Writes files, each with its own path as content. */
function below(base: string, ...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(base, path, '..'), { recursive: true });
    writeFileSync(join(base, path), path);
  }
}

function paths(base: string): string[] {
  return execFileSync('find', ['.', '-mindepth', '1', '!', '-type', 'd'], { cwd: base, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(2))
    .sort();
}

/** What overlayfs itself shows of the unpacked layer above a lower folder. */
function merged(lower: string): string[] {
  const script = 'mkdir /mnt/m && mount -t overlay overlay -o lowerdir="$1:$2" /mnt/m && cd /mnt/m && find . -mindepth 1 ! -type d';
  const text = execFileSync('unshare', ['-m', 'sh', '-ec', `mount -t tmpfs tmpfs /mnt; ${script}`, 'sh', root, lower], {
    encoding: 'utf8',
  });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(2))
    .sort();
}

function isWhiteout(path: string): boolean {
  const stats = lstatSync(join(root, path));
  return stats.isCharacterDevice() && stats.rdev === 0;
}

function opaque(path: string): boolean {
  return (inventory(root)[`/${path}`] ?? '').includes('trusted.overlay.opaque=0x79');
}

describe.each(['apply', 'overlay'] as const)('names of whiteouts, %s', (kind) => {
  it.each(['.wh.', '.wh..', '.wh...', 'd/.wh.', '.wh..wh.', '.wh..wh.f', '.wh..wh..plnk', '.wh..wh..opq.'])('%s is refused', (name) => {
    below(root, 'f', 'd/f');
    expect(unpack(kind, file(name))).toMatch(/^EBADMSG: entry .*a whiteout of nothing/);
    expect(paths(root)).toEqual(['d/f', 'f']);
  });

  it('a folder as a whiteout, or below one, is refused', () => {
    expect(unpack(kind, folder('.wh.d'))).toMatch(/^EBADMSG: .*a folder can't be a whiteout/);
    expect(unpack(kind, file('.wh.d/f'))).toMatch(/^EBADMSG: .*a folder can't be a whiteout/);
    expect(unpack(kind, file('.wh..wh..opq/f'))).toMatch(/^EBADMSG: .*a folder can't be a whiteout/);
  });
});

// What the merged view must be is the same whether the layer is applied to what is below, or laid over it by overlayfs.
describe.each(['apply', 'overlay'] as const)('what is hidden, %s', (kind) => {
  const lower = ['a/1', 'a/2', 'b/c/1', 'b/c/2', 'b/3', 'f', 'g'];
  const above = (...entries: TarEntry[]): string[] => {
    if (kind === 'apply') {
      below(root, ...lower);
      expect(unpack('apply', ...entries)).toBe('');
      return paths(root);
    }
    const lowerFolder = newFolder(parent);
    below(lowerFolder, ...lower);
    expect(unpack('overlay', ...entries)).toBe('');
    return merged(lowerFolder);
  };
  const without = (...gone: string[]): string[] => lower.filter((path) => !gone.includes(path)).sort();

  it('files and folders', () => {
    expect(above(file('.wh.f'), file('.wh.a'), file('b/.wh.c'), file('.wh.none'))).toEqual(['b/3', 'g']);
  });

  it('opaque before its siblings', () => {
    expect(above(file('a/.wh..wh..opq'), file('a/2'), file('a/new'))).toEqual([...without('a/1'), 'a/new'].sort());
  });

  it('opaque after its siblings', () => {
    expect(above(file('a/2'), file('a/new'), file('a/.wh..wh..opq'))).toEqual([...without('a/1'), 'a/new'].sort());
  });

  it('opaque after a folder of its own', () => {
    expect(above(folder('b'), folder('b/c'), file('b/c/2'), file('b/.wh..wh..opq'))).toEqual(without('b/c/1', 'b/3'));
  });

  it('a whiteout and the same name, in either order', () => {
    expect(above(file('.wh.f'), file('f'), file('g'), file('.wh.g'))).toEqual(without());
  });

  it('a whiteout and a folder of the same name, in either order', () => {
    expect(above(file('.wh.a'), folder('a'), file('a/new'), folder('b'), file('b/new'), file('.wh.b'))).toEqual([
      'a/new',
      'b/new',
      'f',
      'g',
    ]);
  });

  it('a whiteout and then a file below it without its folder', () => {
    expect(above(file('.wh.a'), file('a/new'))).toEqual([...without('a/1', 'a/2'), 'a/new'].sort());
  });
});

describe('applied', () => {
  it('a whiteout in a folder that isn’t there makes nothing', () => {
    below(root, 'f');
    expect(unpack('apply', file('no/where/.wh.x'), file('f/.wh.x'), file('no/.wh..wh..opq'))).toBe('');
    expect(Object.keys(inventory(root))).toEqual(['/f']);
  });
});

describe('as overlayfs has them', () => {
  it('devices 0:0 and trusted.overlay.opaque', () => {
    expect(unpack('overlay', file('d/.wh.f'), file('o/.wh..wh..opq'))).toBe('');
    expect(isWhiteout('d/.wh.f'.replace('.wh.', ''))).toBe(true);
    expect(opaque('o')).toBe(true);
    expect(opaque('d')).toBe(false);
  });

  it('an entry for the folder after its opaque mark keeps the mark', () => {
    expect(unpack('overlay', file('o/.wh..wh..opq'), { ...folder('o'), pax: { 'SCHILY.xattr.user.a': 'b' } })).toBe('');
    expect(opaque('o')).toBe(true);
  });

  it('attributes of overlayfs in an archive are not taken', () => {
    const marks = ['opaque', 'redirect', 'metacopy', 'origin', 'whiteout', 'overlay.redirect', 'x'];
    const pax = {
      ...Object.fromEntries(marks.flatMap((mark) => ['trusted', 'user'].map((space) => [`SCHILY.xattr.${space}.overlay.${mark}`, '/d']))),
      'SCHILY.xattr.user.kept': '1',
    };
    for (const kind of ['apply', 'overlay'] as const) {
      expect(
        unpack(
          kind,
          { ...folder('d'), pax },
          { ...file('f'), pax },
          { name: 'l', type: '2', link: 'f', pax: { 'SCHILY.xattr.trusted.overlay.x': '1' } },
        ),
      ).toBe('');
      const facts = Object.values(inventory(root)).join('\n');
      expect(facts).not.toContain('overlay');
      expect(facts.match(/user\.kept/g)).toHaveLength(2);
    }
  });

  it('a hard link can’t copy a whiteout', () => {
    expect(unpack('overlay', file('.wh.f'), { name: 'h', type: '1', link: 'f' })).toMatch(/^ENOENT: /);
    expect(existsSync(join(root, 'h'))).toBe(false);
  });

  it('a whiteout of what this layer has leaves it', () => {
    expect(unpack('overlay', file('f', 'mine'), file('.wh.f'))).toBe('');
    expect(readFileSync(join(root, 'f'), 'utf8')).toBe('mine');
  });
});
