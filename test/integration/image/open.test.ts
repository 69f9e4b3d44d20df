import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import type { UnpackLimits } from '../../../lib/image/formats/unpack-limits.js';
import { Image } from '../../../lib/image/image.js';
import type { ProgressEvent } from '../../../lib/options/progress.js';
import { descendants, namespaceOf, readText, shimOf, statusField } from '../../fixtures/host.js';
import { DEBIAN_TOOLS, debianImage, EVERY_KIND_TOOLS, everyKindImage } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { layersOfPodman, PODMAN_TOOLS, podmanIn } from '../../fixtures/podman.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { tarArchive } from '../../fixtures/tar.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';

useLeakCheck();

const folder = temporaryFolder();
const store = (): string => join(folder, 'store');
beforeEach(() => {
  process.env.NACELLE_ROOT = store();
});
afterEach(async () => {
  delete process.env.NACELLE_ROOT;
  await rm(folder, { recursive: true });
  await mkdir(folder);
});

const tools = [...DEBIAN_TOOLS, ...EVERY_KIND_TOOLS, ...PODMAN_TOOLS, 'getfattr', 'mount'];
const images = requires({ root: true, tools });
const root = requires({ root: true, tools: ['tar'] });

const leftInTmp = (): string[] => (existsSync(join(store(), 'tmp')) ? readdirSync(join(store(), 'tmp')) : []);
const storedLayers = (): string[] => (existsSync(join(store(), 'layers/sha256')) ? readdirSync(join(store(), 'layers/sha256')) : []);

/** The image as umoci, another implementation, unpacks it. */
function umoci(layout: string, tag: string): string {
  const bundle = join(folder, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${layout}:${tag}`, bundle], { stdio: 'ignore' });
  return join(bundle, 'rootfs');
}

/** The layers as the kernel's overlayfs shows them, in a plain folder. */
function merged(lower: readonly string[]): string {
  // the kernel wants two where nothing is written
  if (lower.length === 1) return lower[0] ?? '';
  const [mount, target] = [mkdtempSync(join(folder, 'mount-')), mkdtempSync(join(folder, 'merged-'))];
  const script = 'mount -t overlay overlay -o "ro,lowerdir=$1" "$2"; cp -a "$2/." "$3"';
  execFileSync('unshare', ['-m', 'sh', '-euc', script, 'sh', lower.join(':'), mount, target]);
  return target;
}

images.it('unpacks a Debian image as umoci does', async () => {
  const layout = await debianImage();
  const image = await Image.open(`oci:${layout}:debian`);
  expect(image.config).toMatchObject({ cmd: ['bash'], workingDir: '/root' });
  const recipe = await recipeOf(image);
  expect(recipe.mounts).toHaveLength(1);
  const [mount] = recipe.mounts;
  expect(differences(inventory(mount?.lower[0] ?? ''), inventory(umoci(layout, 'debian')))).toEqual([]);
  expect(leftInTmp()).toEqual([]);
});

images.it('unpacks every kind of entry, in layers that overlayfs puts together as umoci does', async () => {
  const layout = await everyKindImage();
  const image = await Image.open(`oci:${layout}:busybox`);
  const [mount] = (await recipeOf(image)).mounts;
  expect(mount?.lower).toHaveLength(image.layers.length);
  const [ours, theirs] = [inventory(merged(mount?.lower ?? [])), inventory(umoci(layout, 'busybox'))];
  expect(ours['/kinds/file']).toContain('user.note');
  expect(ours['/kinds/hard1']).toContain('same as /kinds/file');
  expect(ours['/removed']).toBeUndefined();
  expect(differences(ours, theirs)).toEqual([]);
});

images.it.each<[string, () => Promise<string>]>([
  ['debian', debianImage],
  ['busybox', everyKindImage],
])('unpacks the image %s as podman does', async (tag, makeLayout) => {
  const layout = await makeLayout();
  const [mount] = (await recipeOf(await Image.open(`oci:${layout}:${tag}`))).mounts;
  const [ours, theirs] = [
    inventory(merged(mount?.lower ?? [])),
    inventory(merged(layersOfPodman(podmanIn(folder, 'overlay'), `oci:${layout}:${tag}`))),
  ];
  expect(Object.keys(ours).length).toBeGreaterThan(300);
  // podman leaves 0755 and the time of unpacking for folders that only their files imply; here, and by umoci, they stay as they were
  const implied = tag === 'debian' ? [] : ['/etc', '/kinds', '/kinds/folder', '/kinds/sticky'];
  expect(differences(ours, theirs).map((line) => line.split(': ')[0])).toEqual(implied);
});

images.it('gives a layer without an entry for its own root the root of the layer below', async () => {
  const below = join(folder, 'below');
  await mkdir(below);
  execFileSync('sh', ['-euc', 'chmod 0551 .; chown 7:8 .; : > file', 'sh'], { cwd: below });
  const layers = [
    execFileSync('tar', ['-c', '.'], { cwd: below }),
    tarArchive({ name: 'only', data: 'x' }),
    tarArchive({ name: './', type: '5', mode: 0o711 }, { name: 'own', data: 'x' }),
  ];
  const roots = (await recipeOf(await Image.open(`oci:${await layoutOfLayers(layers)}`))).mounts[0]?.lower ?? [];
  expect(roots.map((path) => statSync(path)).map(({ mode, uid, gid }) => `${(mode & 0o7777).toString(8)} ${uid}:${gid}`)).toEqual([
    '711 0:0',
    '551 7:8',
    '551 7:8',
  ]);
});

images.it('unpacks layers that umoci insert wrote, which end without the archive’s end mark', async () => {
  const layout = join(folder, 'layout');
  const image = ['--image', `${layout}:inserted`];
  await writeFile(join(folder, 'file'), 'hello\n');
  await mkdir(join(folder, 'tree'));
  await writeFile(join(folder, 'tree/exact'), 'x'.repeat(1024));
  execFileSync('umoci', ['init', '--layout', layout]);
  execFileSync('umoci', ['new', ...image]);
  execFileSync('umoci', ['insert', ...image, join(folder, 'file'), '/file']);
  execFileSync('umoci', ['insert', ...image, join(folder, 'tree'), '/tree']);
  const { layers } = await Image.open(`oci:${layout}`);
  const ends = layers.map(({ digest }) => gunzipSync(readFileSync(join(layout, 'blobs', digest.replace(':', '/')))).subarray(-1024));
  expect(ends.map((end) => end.every((byte) => byte === 0))).toEqual([false, false]);
  const [mount] = (await recipeOf(await Image.open(`oci:${layout}`))).mounts;
  expect(differences(inventory(merged(mount?.lower ?? [])), inventory(umoci(layout, 'inserted')))).toEqual([]);
});

images.it('unpacks nothing the second time, and once when asked twice at a time', async () => {
  const layout = await everyKindImage();
  const events: ProgressEvent[] = [];
  const image = await Image.open(`oci:${layout}:busybox`);
  const other = await Image.open(`oci:${layout}:busybox`);
  const [one, two] = await Promise.all([recipeOf(image, (event) => events.push(event)), recipeOf(other, (event) => events.push(event))]);
  expect(one).toEqual(two);
  const done = events.filter(({ status }) => status === 'done').map(({ digest }) => digest);
  expect(done.sort()).toEqual(image.layers.map(({ digest }) => digest).sort());
  events.length = 0;
  await recipeOf(image, (event) => events.push(event));
  expect(events.map(({ status }) => status)).toEqual(image.layers.map(() => 'exists'));
});

/** A layout of one image with one layer. */
async function layoutOf(layer: Buffer, overrides: { diffId?: string; tar?: Buffer } = {}): Promise<string> {
  return layoutOfLayers([layer], overrides);
}

async function layoutOfLayers(layers: readonly Buffer[], overrides: { diffId?: string; tar?: Buffer } = {}): Promise<string> {
  const layout = join(folder, 'layout');
  const put = async (mediaType: string, bytes: Buffer) => {
    const path = join(layout, 'blobs', digestOf(bytes).replace(':', '/'));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: digestOf(bytes), size: bytes.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const diffIds = layers.map((layer) => overrides.diffId ?? digestOf(overrides.tar ?? layer));
  const config = await put('config.v1+json', json({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } }));
  const blobs = [];
  for (const layer of layers) blobs.push(await put(overrides.tar ? 'layer.v1.tar+gzip' : 'layer.v1.tar', layer));
  const manifest = await put('manifest.v1+json', json({ schemaVersion: 2, config, layers: blobs }));
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, 'index.json'), json({ schemaVersion: 2, manifests: [manifest] }));
  return layout;
}

function tarOf(script: string): Buffer {
  return execFileSync('sh', ['-euc', `cd "$(mktemp -d "$1/XXXXXX")"; ${script}`, 'sh', folder], { maxBuffer: 1 << 28 });
}

const plainTar = (): Buffer => tarOf('mkdir etc; echo hello > etc/greeting; tar -c etc');

async function unpack(layout: string): Promise<string> {
  const [mount] = (await recipeOf(await Image.open(`oci:${layout}`))).mounts;
  return mount?.lower[0] ?? '';
}

root.it('unpacks layers that are not compressed, and gzip in several members', async () => {
  const tar = plainTar();
  expect(await readFile(join(await unpack(await layoutOf(tar)), 'etc/greeting'), 'utf8')).toBe('hello\n');
  await rm(store(), { recursive: true });
  const members = Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]);
  expect(await readFile(join(await unpack(await layoutOf(members, { tar })), 'etc/greeting'), 'utf8')).toBe('hello\n');
});

root.it('unpacks in a process that is confined from its first byte on', async () => {
  const image = await Image.open(`oci:${await layoutOf(plainTar())}`);
  const seen: Record<string, string>[] = [];
  await recipeOf(image, ({ status }) => {
    if (status !== 'unpacking') return;
    const unpacking = descendants().filter(({ parent }) => parent === shimOf()?.pid);
    for (const { pid } of unpacking) {
      const text = readText(`/proc/${pid}/status`) ?? '';
      seen.push(
        Object.fromEntries(['Seccomp', 'Seccomp_filters', 'NoNewPrivs', 'CapEff', 'CapBnd'].map((name) => [name, statusField(name, text)])),
      );
      expect(namespaceOf(pid, 'net')).not.toBe(namespaceOf('self', 'net'));
    }
  });
  const kept = '000000008820001b';
  expect(seen).toEqual([{ Seccomp: '2', Seccomp_filters: '1', NoNewPrivs: '1', CapEff: kept, CapBnd: kept }]);
});

/** A layer of some entries, its bombs among them, with limits. */
const refused = async (tar: Buffer, limits: UnpackLimits, blob = tar): Promise<unknown> => {
  const image = await Image.open(`oci:${await layoutOf(blob, { tar })}`, { limits });
  return recipeOf(image).catch((error: unknown) => error);
};

root.it.each<[string, UnpackLimits, string]>([
  ['maxBytes', { maxBytes: 2000 }, 'more than the 2000 bytes that maxBytes allows'],
  ['maxEntries', { maxEntries: 2 }, 'entry deep/er/file: there are more entries than maxEntries allows'],
  ['maxPathLength', { maxPathLength: 9 }, 'entry deep/er/file: its path has more bytes than maxPathLength allows'],
  ['maxDepth', { maxDepth: 2 }, 'entry deep/er/file: its path is deeper than maxDepth allows'],
])('keeps nothing of a layer beyond %s, and says which', async (_, limits, message) => {
  const tar = tarArchive({ name: 'deep/', type: '5' }, { name: 'deep/er/', type: '5' }, { name: 'deep/er/file', data: 'x' });
  const error = await refused(tar, limits, gzipSync(tar));
  expect(error).toMatchObject({ name: 'ImageError', code: 'ERR_IMAGE_LIMIT', message: expect.stringContaining(message) });
  expect(storedLayers()).toEqual([]);
  expect(leftInTmp()).toEqual([]);
  expect(await refused(tar, {}, gzipSync(tar))).toMatchObject({ mounts: [{}] });
});

root.it('stops a bomb by its ratio, long before its end', async () => {
  const tar = tarArchive({ name: 'zeros', data: Buffer.alloc(200 * 1024 ** 2) });
  const bomb = gzipSync(tar);
  expect(await refused(tar, {}, bomb)).toMatchObject({
    code: 'ERR_IMAGE_LIMIT',
    message: expect.stringContaining(`${64 * 1024 ** 2} bytes that maxRatio allows`),
  });
  expect(await refused(tar, { maxRatio: 1100 }, bomb)).toMatchObject({ mounts: [{}] });
});

root.it('bounds a compressed archive that is loaded', async () => {
  const path = join(folder, 'root.tar.gz');
  await writeFile(path, gzipSync(tarArchive({ name: 'zeros', data: Buffer.alloc(100 * 1024 ** 2) })));
  const limit = { code: 'ERR_IMAGE_LIMIT', name: 'ImageError' };
  await expect(Image.load(path)).rejects.toMatchObject({ ...limit, message: expect.stringContaining('maxRatio') });
  await expect(Image.load(createReadStream(path))).rejects.toMatchObject({ ...limit, message: expect.stringContaining('maxRatio') });
  const limits = { maxRatio: 2000, maxBytes: '50m' };
  await expect(Image.load(createReadStream(path), { limits })).rejects.toMatchObject({
    ...limit,
    message: expect.stringContaining('maxBytes'),
  });
  expect(leftInTmp()).toEqual([]);
  expect(await Image.load(createReadStream(path), { limits: { maxRatio: 2000 } })).toHaveLength(1);
  // of a file it is known how much will follow
  const archive = tarArchive({ name: 'zeros', data: Buffer.alloc(100 * 1024 ** 2) }, { name: 'noise', data: randomBytes(1024 ** 2) });
  await writeFile(path, gzipSync(archive));
  expect(await Image.load(path)).toHaveLength(1);
  await expect(Image.load(createReadStream(path))).rejects.toMatchObject(limit);
});

root.it('refuses wrong limits before anything is looked at', async () => {
  await expect(Image.open('oci:/nonexistent', { limits: { maxDepth: 0 } })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringContaining('limits.maxDepth'),
  });
});

root.it('ends unpacking when it is cancelled, and keeps nothing', async () => {
  const image = await Image.open(`oci:${await layoutOf(tarArchive({ name: 'much', data: Buffer.alloc(32 * 1024 ** 2) }))}`);
  const stop = new AbortController();
  const reason = new Error('enough');
  let read = 0;
  const onProgress = ({ status, bytes }: ProgressEvent): void => {
    read = bytes;
    if (status === 'unpacking') stop.abort(reason);
  };
  await expect(image.use({ signal: stop.signal, onProgress })).rejects.toBe(reason);
  expect(read).toBeLessThan(image.size / 2);
  expect(storedLayers()).toEqual([]);
  expect(leftInTmp()).toEqual([]);
  expect(descendants().filter(({ parent }) => parent === shimOf()?.pid)).toEqual([]);
});

root.it('keeps nothing of a layer whose process was killed, and says so', async () => {
  const image = await Image.open(`oci:${await layoutOf(plainTar())}`);
  const unpacking = recipeOf(image, ({ status }) => {
    const child = descendants().find(({ parent }) => parent === shimOf()?.pid);
    if (status === 'unpacking' && child) process.kill(child.pid, 'SIGKILL');
  });
  await expect(unpacking).rejects.toThrow(/^(unpack|read) layer sha256:\w+: /);
  expect([...storedLayers(), ...leftInTmp()]).toEqual([]);
});

root.it.each<[string, () => Promise<string>, RegExp]>([
  [
    'a diff_id of other bytes',
    () => layoutOf(gzipSync(plainTar()), { tar: plainTar(), diffId: digestOf('other') }),
    /uncompressed layer .* damaged or forged/,
  ],
  ['damaged gzip', () => layoutOf(gzipSync(plainTar()).subarray(0, 60), { tar: plainTar() }), /layer/],
  ['a truncated archive', () => layoutOf(plainTar().subarray(0, 1027)), /unpack layer/],
  ['what is no archive', () => layoutOf(Buffer.alloc(4096, 'x')), /unpack layer/],
  ['a name that climbs', () => layoutOf(tarOf('echo x > x; tar -c -P --transform "s,^x,../../../escaped," x')), /unpack layer/],
])('publishes nothing of a layer with %s', async (_, layout, message) => {
  const error = await unpack(await layout()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'ImageError' });
  expect(String(error)).toMatch(message);
  expect(storedLayers()).toEqual([]);
  expect(leftInTmp()).toEqual([]);
  expect(existsSync(join(folder, 'escaped'))).toBe(false);
});

root.it('publishes nothing of a blob whose bytes were changed, its size left as it was', async () => {
  const layout = await layoutOf(gzipSync(plainTar()), { tar: plainTar() });
  const { layers } = await Image.open(`oci:${layout}`);
  const blob = await open(join(layout, 'blobs', (layers[0]?.digest ?? '').replace(':', '/')), 'r+');
  // The gzip header's time: what comes out is the same.
  await blob.write(Buffer.from([1, 2, 3, 4]), 0, 4, 4);
  await blob.close();
  await expect(unpack(layout)).rejects.toThrow(/layer .* is damaged or forged/);
  expect(storedLayers()).toEqual([]);
});

it('says what is not there, and pulls nothing', async () => {
  await expect(Image.open('registry.invalid/app')).rejects.toMatchObject({
    code: 'ERR_NO_IMAGE',
    reference: 'registry.invalid/app:latest',
  });
  await expect(Image.open('dir:/nonexistent')).rejects.toMatchObject({ name: 'ImageError' });
  await expect(Image.open('docker-archive:/nonexistent')).rejects.toMatchObject({ name: 'ImageError' });
  await expect(Image.load('/nonexistent')).rejects.toMatchObject({ name: 'ImageError', message: expect.stringContaining('/nonexistent') });
});

root.it('loads all images of a layout', async () => {
  const layout = await layoutOf(plainTar());
  await cp(layout, join(folder, 'copy'), { recursive: true });
  const loaded = await Image.load(join(folder, 'copy'));
  expect(loaded.map(({ digest }) => digest)).toEqual([(await Image.open(`oci:${layout}`)).digest]);
});
