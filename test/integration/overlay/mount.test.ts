import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { afterEach, expect, vi } from 'vitest';
import { OverlayFs } from '../../../lib/filesystem/overlay-fs.js';
import { mounts } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { bash, changesOf, layerOf, named, overlaysOn, temporaryTargets, tree } from '../../fixtures/overlay.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { inventory } from '../../fixtures/tree.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['bash', 'mount', 'umount', 'getfattr', 'setfattr'] });
const folder = temporaryFolder();
const undo: (() => unknown)[] = [];

afterEach(() => {
  vi.unstubAllEnvs();
  for (const step of undo.splice(0).reverse()) step();
});

/** What mount(8) makes is taken away by umount(8). */
function mount(...args: string[]): void {
  execFileSync('mount', args);
  undo.push(() => execFileSync('umount', [args.at(-1) ?? '']));
}

function otherFileSystem(place: string): string {
  mount('-t', 'tmpfs', 'nacelle-test', `${place}/other`);
  return `${place}/other`;
}

describe('OverlayFs.mount', () => {
  it('shows the lower folders as one, takes changes in the upper and leaves the lower alone', async () => {
    const lower = tree(folder, 'echo one > 1; echo two > 2; echo three > 3');
    const [upper, work, target] = [tree(folder), tree(folder), tree(folder)];
    const before = inventory(lower);
    await using overlay = await OverlayFs.mount({ lower: [lower], upper, work, target });
    expect([overlay.path, overlay.lower, overlay.upper]).toEqual([target, [lower], upper]);
    expect(readdirSync(target)).toEqual(['1', '2', '3']);
    bash(target, 'rm 2; echo more >> 3; echo four > 4');
    expect(readdirSync(upper)).toEqual(['2', '3', '4']);
    expect(statSync(join(upper, '2'))).toMatchObject({ rdev: 0, size: 0 });
    expect(readFileSync(join(upper, '3'), 'utf8')).toBe('three\nmore\n');
    expect(inventory(lower)).toEqual(before);
    await overlay.unmount();
    expect(readdirSync(target)).toEqual([]);
    expect(overlaysOn(target)).toEqual([]);
    expect(readdirSync(upper)).toEqual(['2', '3', '4']);
  });

  it('shows what mount(8) shows of the same folders', async () => {
    const bottom = tree(
      folder,
      'mkdir -p d/sub o; echo 1 > d/1; echo 2 > d/2; echo 3 > o/3; ln -s d l; mkfifo p; echo 4 > gone; ln gone gone2',
    );
    const middle = tree(
      folder,
      'mkdir d o; echo new > d/2; mknod gone c 0 0; setfattr -n trusted.overlay.opaque -v y o; echo 5 > o/5; chmod 700 d',
    );
    const top = tree(folder, 'mkdir d; echo top > d/top; mknod d/1 c 0 0; chown 5:6 d; setfattr -n trusted.a -v b d/top');
    const lower = [top, middle, bottom];
    const oracle = tree(folder);
    mount('-t', 'overlay', 'overlay', '-o', `lowerdir=${lower.join(':')}`, oracle);
    await using overlay = await OverlayFs.mount({ lower });
    expect(inventory(overlay.path)).toEqual(inventory(oracle));
    expect(readdirSync(join(overlay.path, 'd'))).toEqual(['2', 'sub', 'top']);
  });

  it('has a tmpfs of its own for the changes, no larger than asked for', async () => {
    const lower = tree(folder, 'echo 1 > 1; chmod 750 .; chown 5:6 .');
    await using overlay = await OverlayFs.mount({ lower: [lower], upperSize: '1m' });
    expect(overlay.upper).toBeNull();
    expect(statSync(overlay.path)).toMatchObject({ mode: 0o40750, uid: 5, gid: 6 });
    expect(() => writeFileSync(join(overlay.path, 'big'), Buffer.alloc(2 << 20))).toThrow(/ENOSPC/);
    rmSync(join(overlay.path, 'big'));
    writeFileSync(join(overlay.path, 'small'), Buffer.alloc(512 << 10));
    expect(await changesOf(overlay)).toEqual(['added file /small']);
    expect(readdirSync(lower)).toEqual(['1']);
  });

  it('takes 250 lower folders, the topmost first', async () => {
    const many = tree(folder);
    const lower = Array.from({ length: 250 }, (_, i) => named(many, `layer ${i}`));
    for (const [i, path] of lower.entries()) {
      writeFileSync(join(path, 'all'), `${i}`);
      writeFileSync(join(path, `only ${i}`), `${i}`);
      if (i >= 100) writeFileSync(join(path, 'lower half'), `${i}`);
    }
    await using overlay = await OverlayFs.mount({ lower });
    expect(readdirSync(overlay.path)).toHaveLength(252);
    expect(readFileSync(join(overlay.path, 'all'), 'utf8')).toBe('0');
    expect(readFileSync(join(overlay.path, 'lower half'), 'utf8')).toBe('100');
    bash(overlay.path, 'rm "only 249"; echo > new');
    expect(await changesOf(overlay)).toEqual(['added file /new', 'deleted file /only 249']);
  });

  it.each([
    ['commas and colons', 'a,b:c,upperdir=d'],
    ['backslashes', 'a\\b\\:c\\054'],
    ['spaces', ' a b '],
    ['newlines and tabs', 'a\nb\tc\n'],
    ['quotes, percent and beyond ASCII', '\'"%s$(é)'],
  ])('takes paths with %s', async (_, name) => {
    const place = tree(folder);
    const [lower, upper, work, target] = ['l', 'u', 'w', 't'].map((prefix) => named(place, `${prefix}${name}`)) as [
      string,
      string,
      string,
      string,
    ];
    writeFileSync(join(lower, name), 'x');
    await using overlay = await OverlayFs.mount({ lower: [lower], upper, work, target });
    expect(overlaysOn(target)).toHaveLength(1);
    expect(readdirSync(target)).toEqual([name]);
    rmSync(join(target, name));
    expect(await changesOf(overlay)).toEqual([`deleted file /${name}`]);
  });

  it('takes paths relative to the current folder, and links', async () => {
    const lower = tree(folder, 'echo 1 > 1');
    const target = tree(folder);
    const link = `${target}-link`;
    symlinkSync(target, link);
    await using overlay = await OverlayFs.mount({ lower: [relative(process.cwd(), lower)], target: relative(process.cwd(), link) });
    expect([overlay.path, overlay.lower]).toEqual([target, [lower]]);
    expect(readdirSync(target)).toEqual(['1']);
  });

  it.each([1, 2])('can be read-only, of %d lower folders', async (count) => {
    const lower = Array.from({ length: count }, (_, i) => tree(folder, `echo ${i} > ${i}; chmod 711 .`));
    await using overlay = await OverlayFs.mount({ lower, readOnly: true });
    expect(readdirSync(overlay.path)).toHaveLength(count);
    expect(statSync(overlay.path).mode & 0o777).toBe(0o711);
    expect(() => writeFileSync(join(overlay.path, 'new'), '')).toThrow(/EROFS/);
    expect(await changesOf(overlay)).toEqual([]);
    expect(await layerOf(overlay)).toEqual(Buffer.alloc(1024));
  });

  it('can be volatile, again and again on the same upper', async () => {
    const [lower, upper] = [tree(folder), tree(folder)];
    for (const name of ['first', 'second']) {
      await using overlay = await OverlayFs.mount({ lower: [lower], upper, volatile: true });
      expect(overlaysOn(overlay.path)[0]).toMatch(/,volatile\b|,fsync=volatile\b/);
      writeFileSync(join(overlay.path, name), '');
    }
    expect(readdirSync(upper).sort()).toEqual(['first', 'second']);
  });

  it('keeps whole files and folders in the upper: no redirects, no metacopy', async () => {
    const [lower, upper] = [tree(folder, 'mkdir d; echo 1 > d/1; echo 2 > 2'), tree(folder)];
    await using overlay = await OverlayFs.mount({ lower: [lower], upper });
    // mv(1) copies what rename(2) refuses
    bash(overlay.path, 'mv d e; chmod 600 2');
    expect(readFileSync(join(upper, '2'), 'utf8')).toBe('2\n');
    expect(readFileSync(join(upper, 'e', '1'), 'utf8')).toBe('1\n');
  });

  it('follows no redirect of a lower layer, where the kernel by itself would', async () => {
    const bottom = tree(folder, 'mkdir secret d; echo 1 > secret/1; echo 2 > d/2');
    const gone = tree(folder, 'mknod secret c 0 0');
    const top = tree(folder, 'mkdir d; setfattr -n trusted.overlay.redirect -v /secret d');
    const plain = named(folder, 'plain');
    // the redirect is a real one
    mount('-t', 'overlay', 'overlay', '-o', `ro,redirect_dir=follow,lowerdir=${top}:${bottom}`, plain);
    expect(readdirSync(join(plain, 'd'))).toEqual(['1']);
    for (const lower of [
      [top, bottom],
      [top, gone, bottom],
    ]) {
      await using overlay = await OverlayFs.mount({ lower });
      expect(() => readdirSync(join(overlay.path, 'd'))).toThrow(/EPERM/);
    }
  });

  it('makes a work folder beside the upper, and removes it', async () => {
    const place = tree(folder);
    const [lower, upper] = [tree(folder, 'echo 1 > 1'), named(place, 'upper')];
    const overlay = await OverlayFs.mount({ lower: [lower], upper });
    expect(readdirSync(place)).toEqual([expect.stringMatching(/^\.nacelle-work-/), 'upper']);
    rmSync(join(overlay.path, '1'));
    await overlay.unmount();
    expect(readdirSync(place)).toEqual(['upper']);
  });

  it('can lie on its own lower folder', async () => {
    const lower = tree(folder, 'echo 1 > 1; echo 2 > 2');
    const overlay = await OverlayFs.mount({ lower: [lower], target: lower });
    bash(lower, 'rm 1; echo 3 > 3; echo 4 >> 2');
    expect(await changesOf(overlay)).toEqual(['deleted file /1', 'modified file /2', 'added file /3']);
    await overlay.unmount();
    expect(readdirSync(lower)).toEqual(['1', '2']);
  });

  it('mounts sixteen at once', async () => {
    const lower = tree(folder, 'echo 1 > 1');
    const overlays = await Promise.all(Array.from({ length: 16 }, () => OverlayFs.mount({ lower: [lower] })));
    expect(new Set(overlays.map(({ path }) => path)).size).toBe(16);
    for (const [i, { path }] of overlays.entries()) writeFileSync(join(path, `own ${i}`), '');
    expect(await Promise.all(overlays.map(changesOf))).toEqual(overlays.map((_, i) => [`added file /own ${i}`]));
    await Promise.all(overlays.map((overlay) => overlay.unmount()));
  });
});

describe('what can not be mounted leaves nothing', () => {
  it.each<[string, (place: string) => Parameters<typeof OverlayFs.mount>[0], object]>([
    [
      'a lower folder that is missing',
      (place) => ({ lower: [place, `${place}/no`] }),
      { code: 'ENOENT', path: expect.stringMatching(/\/no$/) },
    ],
    ['a lower folder that is a file', (place) => ({ lower: [`${place}/file`] }), { code: 'ERR_INVALID_OPTION' }],
    ['a lower folder below a file', (place) => ({ lower: [`${place}/file/x`] }), { code: 'ENOTDIR' }],
    ['an upper folder that is missing', (place) => ({ lower: [place], upper: `${place}/no` }), { code: 'ENOENT' }],
    ['a target that is missing', (place) => ({ lower: [place], target: `${place}/no` }), { code: 'ENOENT' }],
    ['a target that is a file', (place) => ({ lower: [place], target: `${place}/file` }), { code: 'ERR_INVALID_OPTION' }],
    [
      'a work folder of another file system',
      (place) => ({ lower: [`${place}/l`], upper: `${place}/u`, work: otherFileSystem(place) }),
      { code: 'ERR_INVALID_OPTION' },
    ],
    [
      'an upper that is the top of its file system',
      (place) => ({ lower: [`${place}/l`], upper: otherFileSystem(place) }),
      { code: 'ERR_INVALID_OPTION' },
    ],
    ['a lower in a lower', (place) => ({ lower: [place, `${place}/l`], upper: `${place}/u` }), { code: 'ELOOP', step: 'overlay' }],
    [
      'a file system that takes no xattrs',
      (place) => ({ lower: [`${place}/l`], upper: '/proc/self' }),
      { name: expect.stringMatching(/Error$/) },
    ],
  ])('%s', async (_, options, error) => {
    const place = tree(folder, 'mkdir l u other; echo > file');
    // other files of tests mount too
    vi.stubEnv('TMPDIR', folder);
    const before = [temporaryTargets(), bash(place, 'find . | sort')];
    await expect(OverlayFs.mount(options(place))).rejects.toMatchObject(error);
    expect([temporaryTargets(), bash(place, 'find . | sort')]).toEqual(before);
  });
});

describe('unmount', () => {
  it('may be called again and again, and closes the rest', async () => {
    const overlay = await OverlayFs.mount({ lower: [tree(folder)] });
    await Promise.all([overlay.unmount(), overlay.unmount()]);
    await overlay.unmount();
    await overlay[Symbol.asyncDispose]();
    expect(existsSync(overlay.path)).toBe(false);
    await expect(overlay.layer()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(changesOf(overlay)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('takes away a mount that is in use', async () => {
    const overlay = await OverlayFs.mount({ lower: [tree(folder, 'echo 1 > 1')] });
    const fd = openSync(join(overlay.path, '1'), 'r');
    await overlay.unmount();
    expect(existsSync(overlay.path)).toBe(false);
    expect(readFileSync(fd, 'utf8')).toBe('1\n');
    closeSync(fd);
  });

  it('leaves alone what else is mounted on the target: before, and later', async () => {
    const target = tree(folder);
    mount('-t', 'tmpfs', 'before', target);
    const overlay = await OverlayFs.mount({ lower: [tree(folder)], target });
    execFileSync('umount', ['--lazy', target]);
    mount('-t', 'tmpfs', 'later', target);
    await overlay.unmount();
    expect(mounts().filter((item) => item.target === target)).toHaveLength(2);
    expect(overlaysOn(target)).toEqual([]);
  });

  it('is needed for a mount that persists, too', async () => {
    const place = tree(folder);
    const overlay = await OverlayFs.mount({ lower: [tree(folder)], upper: named(place, 'upper'), persist: true });
    expect(overlaysOn(overlay.path)).toHaveLength(1);
    await overlay.unmount();
    expect(existsSync(overlay.path)).toBe(false);
    expect(readdirSync(place)).toEqual(['upper']);
    expect(existsSync(dirname(overlay.path))).toBe(true);
  });
});
