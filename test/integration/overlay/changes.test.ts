import { execFile, execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { OverlayFs } from '../../../lib/filesystem/overlay-fs.js';
import { descendants, shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { bash, changesOf, layerOf, tree } from '../../fixtures/overlay.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { type Inventory, inventory } from '../../fixtures/tree.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['bash', 'tar', 'getfattr', 'setfattr'] });
const withUmoci = requires({ root: true, tools: ['bash', 'tar', 'umoci', 'getfattr', 'setfattr'] });
const run = promisify(execFile);
const folder = temporaryFolder();

const BELOW = [
  'mkdir -p d/sub e gone o; echo 1 > f; echo 2 > d/1; echo 3 > d/2; echo 4 > d/sub/3; ln -s f l; mkfifo p; echo 5 > e/x',
  'echo 6 > gone/y; echo 7 > o/old; echo 8 > a; ln a b; echo 9 > perm',
].join('; ');

/** Every kind of change; names that only look like marks, too. */
const CHANGE = [
  'mkdir n; echo new > n/f; ln -s f n/l; mkfifo n/p; ln n/f n/hard',
  'rm f; mkdir f; echo > f/inside',
  'rm -r e; echo file > e',
  'rm -r gone',
  'rm -r o; mkdir o; echo new > o/new',
  'rm l p; echo more >> d/1; chmod 700 d; chown 5:6 d/2; touch d/sub; chmod 600 perm',
  'setfattr -n trusted.a -v b d/sub; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 d/2',
  'truncate -s 64M sparse; echo end >> sparse',
  "echo > $'\\377'; echo > $'a\\nb'; echo > .wx",
].join('; ');

const CHANGES = [
  'added file /.wx',
  'added file /a\nb',
  'modified directory /d',
  'modified file /d/1',
  'modified file /d/2',
  'modified directory /d/sub',
  'modified file /e',
  'modified directory /f',
  'added file /f/inside',
  'deleted directory /gone',
  'deleted symlink /l',
  'added directory /n',
  'added file /n/f',
  'added file /n/hard',
  'added symlink /n/l',
  'added other /n/p',
  'modified directory /o',
  'added file /o/new',
  'deleted file /o/old',
  'deleted other /p',
  'modified file /perm',
  'added file /sparse',
  'added file /\u{fffd}',
];

async function changed(): Promise<OverlayFs> {
  const overlay = await OverlayFs.mount({ lower: [tree(folder, BELOW)] });
  bash(overlay.path, CHANGE);
  return overlay;
}

/** The processes of ours beside the shim. */
function readers(): number[] {
  const shim = shimOf();
  return descendants()
    .filter(({ pid, parent }) => parent === shim?.pid && pid !== shim.pid)
    .map(({ pid }) => pid);
}

/** More than a pipe holds, so that the reader has to wait. */
async function large(): Promise<OverlayFs> {
  const overlay = await OverlayFs.mount({ lower: [tree(folder)] });
  for (let i = 0; i < 2000; ++i) writeFileSync(join(overlay.path, `${i}`.padStart(200, '0')), '');
  return overlay;
}

describe('changes', () => {
  it('lists every kind, sorted, and nothing when nothing was changed', async () => {
    await using untouched = await OverlayFs.mount({ lower: [tree(folder, BELOW)] });
    expect(await changesOf(untouched)).toEqual([]);
    await using overlay = await changed();
    expect(await changesOf(overlay)).toEqual(CHANGES);
    expect(await changesOf(overlay), 'a second time').toEqual(CHANGES);
  });

  it('lists the same of an upper on disk', async () => {
    await using overlay = await OverlayFs.mount({ lower: [tree(folder, BELOW)], upper: tree(folder) });
    bash(overlay.path, CHANGE);
    expect(await changesOf(overlay)).toEqual(CHANGES);
  });

  it('looks through several lower folders', async () => {
    const bottom = tree(folder, 'mkdir d; echo 1 > d/1; echo > gone; echo > back');
    const top = tree(folder, 'mkdir d; echo 2 > d/2; mknod gone c 0 0; mknod back c 0 0');
    await using overlay = await OverlayFs.mount({ lower: [top, bottom] });
    bash(overlay.path, 'rm -r d; echo new > back; echo new > gone; rm gone');
    expect(await changesOf(overlay)).toEqual(['added file /back', 'deleted directory /d']);
  });

  it('can be left early: the process that reads is gone then', async () => {
    await using overlay = await large();
    for await (const change of overlay.changes()) {
      expect(change).toEqual({ kind: 'added', type: 'file', path: `/${'0'.repeat(200)}` });
      expect(readers()).toHaveLength(1);
      break;
    }
    expect(readers()).toEqual([]);
  });

  it('lists more than a pipe holds', async () => {
    await using overlay = await large();
    expect(await changesOf(overlay)).toHaveLength(2000);
  });

  it("rejects with the reading process's failure", async () => {
    const upper = tree(folder, 'mkdir moved; setfattr -n trusted.overlay.redirect -v /elsewhere moved');
    await using overlay = await OverlayFs.mount({ lower: [tree(folder)], upper });
    await expect(changesOf(overlay)).rejects.toMatchObject({
      name: 'SyscallError',
      code: 'EOPNOTSUPP',
      message: expect.stringMatching(/^list the changes: .*\/moved/),
    });
    await expect(layerOf(overlay)).rejects.toMatchObject({
      code: 'EOPNOTSUPP',
      message: expect.stringMatching(/^pack the changes: .*moved/),
    });
  });

  it('rejects when a lower folder is gone', async () => {
    const lower = tree(folder);
    await using overlay = await OverlayFs.mount({ lower: [lower] });
    rmSync(lower, { recursive: true });
    await expect(changesOf(overlay)).rejects.toMatchObject({ code: 'ENOENT', path: lower });
  });
});

describe('layer', () => {
  it('is a tar of the changes, with whiteouts, as tar lists it', async () => {
    await using overlay = await changed();
    const listed = execFileSync('tar', ['-t', '--quoting-style=escape'], { input: await layerOf(overlay), encoding: 'utf8' });
    expect(listed.trimEnd().split('\n')).toEqual([
      ...['.wx', 'a\\nb', 'd/', 'd/1', 'd/2', 'd/sub/', 'e', 'f/', 'f/.wh..wh..opq', 'f/inside', '.wh.gone', '.wh.l'],
      ...['n/', 'n/f', 'n/hard', 'n/l', 'n/p', 'o/', 'o/.wh..wh..opq', 'o/new', '.wh.p', 'perm', 'sparse', '\\377'],
    ]);
  });

  it('has the same bytes each time, and is small where files have holes', async () => {
    await using overlay = await changed();
    const [first, second] = await Promise.all([layerOf(overlay), layerOf(overlay)]);
    expect(first.equals(second)).toBe(true);
    expect(first.length).toBeLessThan(100_000);
  });

  it('is what GNU tar unpacks to the same files', async () => {
    const upper = tree(folder);
    await using overlay = await OverlayFs.mount({ lower: [tree(folder)], upper });
    bash(overlay.path, CHANGE.replaceAll(/\brm [^;]*; /g, '').replace('mkdir n', `mkdir -p n d/sub; echo > d/2; echo > perm`));
    const unpacked = tree(folder);
    const tar = ['-x', '--xattrs', '--xattrs-include=*', '-C', unpacked];
    execFileSync('tar', tar, { input: await layerOf(overlay) });
    expect(inventory(unpacked)).toEqual(withoutOverlay(inventory(upper)));
  });

  it('goes at the pace of its reader, and ends with it', async () => {
    await using overlay = await large();
    const stream = await overlay.layer();
    await until('the first bytes are there', () => {
      stream.read(0);
      return stream.readableLength > 0;
    });
    expect(readers()).toHaveLength(1);
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    expect(readers()).toEqual([]);
  });

  it("fails when its process is killed, and doesn't just end", async () => {
    await using overlay = await large();
    const stream = await overlay.layer();
    const [reader = 0] = readers();
    process.kill(reader, 'SIGKILL');
    await expect(stream.toArray()).rejects.toMatchObject({ code: 'ERR_CHILD', message: expect.stringMatching(/killed by signal 9/) });
  });

  it('refuses names that would delete something', async () => {
    await using overlay = await OverlayFs.mount({ lower: [tree(folder)] });
    writeFileSync(join(overlay.path, '.wh.f'), '');
    await expect(layerOf(overlay)).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringMatching(/\.wh\.f/) });
  });
});

withUmoci.describe('layer, unpacked by umoci above the lower folder', () => {
  it('is what the overlay shows', async () => {
    const lower = tree(folder, BELOW);
    await using overlay = await OverlayFs.mount({ lower: [lower] });
    bash(overlay.path, CHANGE);
    const place = tree(folder);
    const image = ['--image', `${place}/layout:x`];
    bash(place, `tar -c --sort=name -C "$1" . > base.tar`, lower);
    writeFileSync(join(place, 'layer.tar'), await layerOf(overlay));
    await run('umoci', ['init', '--layout', `${place}/layout`]);
    await run('umoci', ['new', ...image]);
    for (const layer of ['base.tar', 'layer.tar']) await run('umoci', ['raw', 'add-layer', ...image, join(place, layer)]);
    await run('umoci', ['unpack', ...image, `${place}/bundle`]);
    expect(timeless(inventory(`${place}/bundle/rootfs`))).toEqual(timeless(inventory(overlay.path)));
  });
});

/** Without what overlayfs marks its own files with. */
function withoutOverlay(files: Inventory): Inventory {
  return mapped(files, (facts) => facts.replaceAll(/, trusted\.overlay\.[^,]*/g, ''));
}

/** umoci gives folders that it goes through another time, and our tar of the base has whole seconds. */
function timeless(files: Inventory): Inventory {
  return mapped(files, (facts) => facts.replace(/time \d+/, 'time'));
}

function mapped(files: Inventory, change: (facts: string) => string): Inventory {
  return Object.fromEntries(Object.entries(files).map(([path, facts]) => [path, change(facts)]));
}
