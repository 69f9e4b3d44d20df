import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect } from 'vitest';
import { Container, Image } from '../../../lib/index.js';
import { tidyLeases } from '../../../lib/store/lease.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { PODMAN_TOOLS, podmanIn, runInPodman } from '../../fixtures/podman.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';

useLeakCheck();
const needs = { root: true, tools: [...PODMAN_TOOLS, 'busybox', 'skopeo', 'umoci', 'zstd', 'tar', 'getfattr'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

const NAME = 'docker.io/local/busybox:1';
const tool = (name: string, ...args: string[]): string => execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
let podman: (...args: string[]) => string;
/** An image of two layers that umoci made: 'busybox' in the layout. */
let layout = '';
let digest = '';

beforeAll(async () => {
  if (missing(needs).length > 0) return;
  podman = podmanIn(folder);
  layout = join(folder, 'layout');
  tool('umoci', 'init', '--layout', layout);
  tool('umoci', 'new', '--image', `${layout}:busybox`);
  tool('umoci', 'insert', '--rootless', '--image', `${layout}:busybox`, await busyboxRootfs(), '/');
  const more = mkdtempSync(join(folder, 'more-'));
  execFileSync('sh', ['-ec', 'echo marked > "$0/mark"; ln "$0/mark" "$0/link"', more]);
  tool('umoci', 'insert', '--rootless', '--image', `${layout}:busybox`, more, '/more');
  tool('umoci', 'config', '--image', `${layout}:busybox`, '--config.cmd', 'cat', '--config.cmd', '/more/mark', '--config.env', 'A=b');
  digest = tool('skopeo', 'inspect', '--format', '{{.Digest}}', `oci:${layout}:busybox`).trim();
});

let files = 0;
const newPath = (name: string): string => join(folder, `${files++}-${name}`);
/** As skopeo copies it. */
function copied(to: string, name: string, ...options: string[]): string {
  const path = newPath(name);
  tool('skopeo', 'copy', '-q', ...options, `oci:${layout}:busybox`, `${to}:${path}:${NAME}`);
  return path;
}

async function expectRuns(image: Image | undefined): Promise<void> {
  if (!image) throw new Error('nothing was loaded');
  expect(await Container.run({ image })).toMatchObject({ status: 'ok', stdout: 'marked\n' });
}

describe('what others write is loaded, and runs', () => {
  it.each(['oci', 'oci-archive'])("skopeo's %s, with the same digest", async (format) => {
    const [image, ...others] = await Image.load(copied(format, format));
    expect(others).toEqual([]);
    expect(image).toMatchObject({ reference: NAME, digest, config: { env: { A: 'b' } } });
    await expectRuns(image);
    await expectRuns(await Image.open(NAME));
  });

  it("skopeo's docker-archive, also as a reference", async () => {
    const path = copied('docker-archive', 'docker.tar');
    const [image] = await Image.load(path);
    expect(image?.reference).toBe(NAME);
    await expectRuns(image);
    store.renew();
    const opened = await Image.open(`docker-archive:${path}`);
    await expectRuns(opened);
    expect(await Image.open(`docker-archive:${path}`)).toMatchObject({ digest: opened.digest });
  });

  it.each(['docker-archive', 'oci-archive'])("podman's save as %s", async (format) => {
    podman('load', '-q', '-i', copied('docker-archive', 'to-save.tar'));
    const path = newPath('saved.tar');
    podman('save', '-q', '--format', format, '-o', path, NAME);
    const [image] = await Image.load(path);
    expect(image?.reference).toBe(NAME);
    await expectRuns(image);
  });

  it("podman's export, a plain root file system", async () => {
    podman('load', '-q', '-i', copied('docker-archive', 'to-export.tar'));
    const [id = ''] = podman('create', `--cgroup-parent=/nacelle-test-${process.pid}`, NAME).trim().split('\n');
    const path = newPath('export.tar');
    podman('export', '-o', path, id);
    podman('rm', id);
    const [image] = await Image.load(path);
    expect(image).toMatchObject({ reference: null, config: {} });
    if (image) expect(await Container.run({ image, command: ['cat', '/more/link'] })).toMatchObject({ stdout: 'marked\n' });
  });

  it.each([
    ['gzip', (tar: Buffer) => gzipSync(tar)],
    ['zstd', (tar: Buffer) => execFileSync('zstd', ['-qc'], { input: tar, maxBuffer: 1 << 28 })],
    ['none', (tar: Buffer) => tar],
  ])('an archive compressed with %s, from a stream in small pieces', async (_, compress) => {
    const bytes = compress(readFileSync(copied('oci-archive', 'plain.tar')));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7001) }, (__, i) => bytes.subarray(i * 7001, (i + 1) * 7001));
    const [image] = await Image.load(Readable.from(pieces));
    expect(image).toMatchObject({ reference: NAME, digest });
    await expectRuns(image);
  });

  it('a file as a stream, and several images of a layout', async () => {
    const [image] = await Image.load(createReadStream(copied('docker-archive', 'stream.tar')));
    await expectRuns(image);
    tool('umoci', 'tag', '--image', `${layout}:busybox`, 'again');
    const loaded = await Image.load(layout);
    expect(loaded.map((each) => each.digest)).toEqual([digest, digest]);
    tool('umoci', 'rm', '--image', `${layout}:again`);
  });

  it('a stream that brings nothing ends when it is cancelled', async () => {
    const controller = new AbortController();
    const silent = new PassThrough();
    const loading = Image.load(silent, { cancelSignal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(loading).rejects.toThrow('enough');
    const begun = new PassThrough();
    begun.write(Buffer.alloc(1000));
    await expect(Image.load(begun, { cancelSignal: AbortSignal.timeout(50) })).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('what is none of these, or cut off, is refused', async () => {
    await expect(Image.load(Readable.from([]))).rejects.toMatchObject({ name: 'ImageError' });
    await expect(Image.load(Readable.from([Buffer.from('no archive at all')]))).rejects.toMatchObject({ name: 'ImageError' });
    const whole = readFileSync(copied('oci-archive', 'whole.tar'));
    await expect(Image.load(Readable.from([whole.subarray(0, whole.length / 2)]))).rejects.toMatchObject({ name: 'ImageError' });
    await expect(Image.load(Readable.from([gzipSync(whole).subarray(0, 5000)]))).rejects.toMatchObject({ name: 'ImageError' });
    const damaged = gzipSync(whole);
    damaged.fill(0, 4000, 4100);
    await expect(Image.load(Readable.from([damaged]))).rejects.toMatchObject({ name: 'ImageError' });
    // and then says nothing more
    const silent = new PassThrough();
    silent.write(damaged);
    await expect(Image.load(silent)).rejects.toMatchObject({ name: 'ImageError' });
    expect(silent.destroyed).toBe(true);
    expect(await Image.list()).toEqual([]);
  });

  it('a stream that fails before it is read is told', async () => {
    await tidyLeases();
    await expect(Image.load(createReadStream(join(folder, 'missing')))).rejects.toMatchObject({
      name: 'ImageError',
      message: expect.stringMatching(/ENOENT/),
    });
  });

  it('a pipe is read as a stream, and one in the place of a document is refused', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writing = pipeline(createReadStream(copied('oci-archive', 'piped.tar')), createWriteStream(pipe));
    expect(await Image.load(pipe)).toHaveLength(1);
    await writing;
    const layout = copied('oci', 'with-pipe');
    execFileSync('sh', ['-c', 'rm index.json && mkfifo index.json'], { cwd: layout });
    await expect(Image.open(`oci:${layout}`)).rejects.toMatchObject({
      name: 'ImageError',
      message: expect.stringMatching(/is not a file/),
    });
  });
});

describe('what is saved is read by others', () => {
  const loaded = async (): Promise<Image> => {
    const [image] = await Image.load(copied('oci', 'to-save'));
    if (!image) throw new Error('nothing was loaded');
    return image;
  };

  it('a folder by skopeo and umoci, with the same digest and files, beside what is there', async () => {
    const image = await loaded();
    const target = `${newPath('saved')}/`;
    await image.save(target);
    expect(tool('skopeo', 'inspect', '--format', '{{.Digest}}', `oci:${target}:${NAME}`).trim()).toBe(digest);
    const other = await loadBusybox();
    await other.tag('local/other:1');
    await (await Image.open('local/other:1')).save(target);
    expect(tool('umoci', 'ls', '--layout', target).trim().split('\n').sort()).toEqual([NAME, 'docker.io/local/other:1'].sort());
    const bundle = newPath('bundle');
    tool('umoci', 'unpack', '--image', `${target}:${NAME}`, bundle);
    const { mounts } = await recipeOf(await Image.open(NAME));
    expect(differences(inventory(join(mounts[0]?.lower[0] ?? '', 'more')), inventory(join(bundle, 'rootfs/more')))).toEqual([]);
  });

  it.each(['oci', 'docker'] as const)('an archive of %s by podman, which runs it, and by skopeo', async (format) => {
    const image = await loaded();
    const path = newPath('saved.tar');
    await image.save(path, { format });
    const fresh = podmanIn(folder);
    fresh('load', '-q', '-i', path);
    expect(await runInPodman(fresh, NAME)).toBe('marked\n');
    const source = format === 'oci' ? `oci-archive:${path}` : `docker-archive:${path}`;
    expect(JSON.parse(tool('skopeo', 'inspect', '--config', source))).toMatchObject({ config: { Env: ['A=b'] } });
    store.renew();
    expect((await Image.load(path)).map((each) => [each.reference, each.digest])).toEqual([[NAME, digest]]);
  });

  it('the same bytes each time, to a file or a stream', async () => {
    const image = await loaded();
    const [one, two] = [newPath('one.tar'), newPath('two.tar')];
    await image.save(one);
    await image.save(two);
    const stream = new PassThrough();
    const [bytes] = await Promise.all([buffer(stream), image.save(stream)]);
    expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
    expect(readFileSync(one).equals(bytes)).toBe(true);
  });

  it('what was committed, by podman', async () => {
    const image = await loaded();
    await using container = await Container.create({ image, command: ['sh', '-c', 'rm /more/link; echo changed > /more/mark'] });
    await container.start();
    await container.wait();
    const made = await Image.commit(container, {
      reference: 'local/committed:1',
      config: { cmd: ['sh', '-c', 'ls /more; cat /more/mark'] },
    });
    const path = newPath('committed.tar');
    await made.save(path, { format: 'docker' });
    const fresh = podmanIn(folder);
    fresh('load', '-q', '-i', path);
    expect(await runInPodman(fresh, 'local/committed:1')).toBe('mark\nchanged\n');
    expect(await Container.run({ image: made })).toMatchObject({ stdout: 'mark\nchanged\n' });
  });

  it('nothing is left of a save that fails', async () => {
    const image = await loaded();
    const target = newPath('nowhere');
    await expect(image.save(join(target, 'x.tar'))).rejects.toMatchObject({ name: 'ImageError' });
    await expect(image.save(`${newPath('folder')}/`, { format: 'docker' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Image.host().save(newPath('host'))).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});
