import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, linkSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { type BuildOptions, type BuildResult, build, Container, type Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip', 'mkfifo'] });

describe('build: contexts', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  const run = (options: BuildOptions): Promise<BuildResult> => build({ pull: 'never', ...options });

  async function names(image: Image, index = 0): Promise<(string | undefined)[]> {
    return (await layerListing(image, index, folder)).map((line) => /:\d\d (.*)$/.exec(line)?.[1]);
  }

  /** What is left of contexts that were given. */
  const left = (): string[] =>
    (existsSync(join(store.root, 'tmp')) ? readdirSync(join(store.root, 'tmp')) : []).filter((name) => !name.endsWith('.lease'));

  it('files by their paths', async () => {
    const context = {
      Dockerfile: 'FROM scratch\nCOPY . /',
      '.dockerignore': 'Dockerfile\n.dockerignore\n*.log',
      'a/b/c': 'text',
      'a/bytes': new Uint8Array([0, 255]),
      'a/x.log': '',
      'a/y\nz ü': '',
    };
    const { image } = await run({ context, sourceDateEpoch: 1_000_000_000 });
    expect(await layerListing(image, 0, folder)).toEqual([
      'drwxr-xr-x 0/0               0 2001-09-09 01:46:40 a/',
      'drwxr-xr-x 0/0               0 2001-09-09 01:46:40 a/b/',
      '-rw-r--r-- 0/0               4 2001-09-09 01:46:40 a/b/c',
      '-rw-r--r-- 0/0               2 2001-09-09 01:46:40 a/bytes',
      '-rw-r--r-- 0/0               0 2001-09-09 01:46:40 a/x.log',
      '-rw-r--r-- 0/0               0 2001-09-09 01:46:40 a/y\\nz \\303\\274',
    ]);
    const again = await run({ context, sourceDateEpoch: 1_000_000_000, cache: false });
    expect(again.image.digest).toBe(image.digest);
    expect(left()).toEqual([]);
  });

  it.each([
    ['tar', (tar: Buffer) => tar],
    ['gzip', gzipSync],
  ])('the stream of an archive (%s) gives what the folder gives', async (_, compress) => {
    const path = buildContext(folder, {
      Dockerfile: 'FROM scratch\nCOPY d /',
      'd/a': 'one',
      'd/deep/b': 'two',
      [`d/${'n'.repeat(150)}`]: '',
    });
    symlinkSync('../../../../etc/passwd', join(path, 'd/link'));
    linkSync(join(path, 'd/a'), join(path, 'd/other'));
    chmodSync(join(path, 'd/deep'), 0o711);
    chmodSync(join(path, 'd/a'), 0o4755);
    const tar = compress(execFileSync('tar', ['-cf', '-', '-C', path, '.']));
    const given = { sourceDateEpoch: 2_000_000_000, cache: false };
    const { image } = await run({ context: path, ...given });
    const chunks = Array.from({ length: Math.ceil(tar.length / 1000) }, (_, index) => tar.subarray(index * 1000, (index + 1) * 1000));
    const { image: streamed } = await run({ context: Readable.from(chunks), ...given });
    expect(await layerListing(streamed, 0, folder)).toEqual(await layerListing(image, 0, folder));
    expect(streamed.digest).toBe(image.digest);
    expect(left()).toEqual([]);
  });

  it('no link in an archive leads to a file of this machine', async () => {
    const path = buildContext(folder, { Dockerfile: 'FROM scratch\nCOPY up/etc /x/' });
    symlinkSync('/', join(path, 'up'));
    symlinkSync('../../../../../../etc', join(path, 'etc'));
    const context = (): Readable => Readable.from([execFileSync('tar', ['-cf', '-', '-C', path, '.'])]);
    await expect(run({ context: context() })).rejects.toThrow('too many links');
    await expect(run({ context: context(), dockerfile: { content: 'FROM scratch\nCOPY up/etc/passwd /x/' } })).rejects.toThrow();
    await expect(run({ context: context(), dockerfile: 'etc/hostname' })).rejects.toThrow();
    expect(left()).toEqual([]);
  });

  it.each<[BuildOptions | object, string]>([
    [{ context: { '../a': '' } }, '../a'],
    [{ context: { '/a': '' } }, '/a'],
    [{ context: { 'a//b': '' } }, 'a//b'],
    [{ context: { 'a\0': '' } }, 'NUL'],
    [{ context: { 'a/./b': '' } }, 'a/./b'],
    [{ context: { a: 1 } }, 'context'],
    [{ context: { a: '', 'a/b': '' } }, 'non-directory: /a'],
    [{ context: { [`a/${'b'.repeat(300)}`]: '' } }, 'ENAMETOOLONG'],
    [{ context: 1 }, 'context'],
    [{ contexts: { 'a b': '.' } }, 'a b'],
    [{ contexts: { a: '/none/at/all' } }, 'contexts.a'],
    [{ contexts: { a: 1 } }, 'contexts.a'],
    [{ contexts: { a: { '../b': '' } } }, '../b'],
    [{ contexts: { a: { b: '', 'b/c': '' } } }, 'contexts.a'],
    [{ contexts: { a: 'oci-layout:///none/at/all' } }, 'contexts.a'],
    [{ contexts: { a: 'docker-image://A B' } }, 'contexts.a'],
    [{ contexts: { a: 'https://example.org/x.tar' } }, "'docker-image://NAME'"],
  ])('refuses %j', async (options, message) => {
    await expect(build({ dockerfile: { content: 'FROM scratch' }, ...options })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
    expect(left()).toEqual([]);
  });

  it.each<[string, () => Readable, string]>([
    ['that is none', () => Readable.from(['no archive']), 'no tar archive'],
    ['that is empty', () => Readable.from([]), 'no tar archive'],
    ['that fails', () => failing(), 'the wire was cut'],
    ['with a name that leads out', () => Readable.from([escaping()]), 'names with ..'],
    ['with a FIFO', () => Readable.from([withFifo()]), 'a device or a FIFO'],
    ['that ends early', () => Readable.from([escaping().subarray(0, 512)]), 'ends too early'],
  ])('refuses a stream %s', async (_, context, message) => {
    await expect(run({ context: context() })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
    expect(left()).toEqual([]);
  });

  it('an abort ends the reading of a stream', async () => {
    const cancel = new AbortController();
    const context = Readable.from(
      (async function* () {
        yield withFifo().subarray(0, 512);
        cancel.abort(new RangeError('enough'));
        await new Promise(() => undefined);
      })(),
    );
    await expect(run({ context, cancelSignal: cancel.signal })).rejects.toThrow('enough');
    expect(context.destroyed).toBe(true);
    expect(left()).toEqual([]);
  });

  it('named ones: folders with ignore files of their own, images, and both in the place of stages', async () => {
    const busybox = await loadBusybox();
    await busybox.tag(BASE);
    const more = buildContext(folder, { x: 'more', 'y.log': '', '.dockerignore': '*.log\n.dockerignore' });
    const content = [
      'FROM mine AS first',
      'COPY --from=files . /more/',
      'FROM scratch AS replaced',
      'COPY none /',
      'FROM first',
      'COPY --from=replaced x /last/',
      'COPY --from=other /bin/busybox /copied',
      'RUN test -x /copied',
    ].join('\n');
    const { image } = await run({
      context: {},
      dockerfile: { content },
      contexts: { mine: busybox, files: more, replaced: more, other: busybox },
    });
    expect(await names(image, 1)).toEqual(['more/', 'more/x']);
    const { stdout } = await Container.run({ image, command: ['/bin/sh', '-c', 'cat /last/x'], reject: true });
    expect(stdout).toBe('more');
  });

  it('named files, whatever their names, with an ignore file, which are gone with the build', async () => {
    const files = { digest: '1', layers: '2', 'd/x': new Uint8Array([0x33]), 'y.log': '', '.dockerignore': '*.log\n.dockerignore' };
    const content = 'FROM files\nFROM scratch\nCOPY --from=files . /\nCOPY --from=0 d/x /y';
    const { image } = await run({ context: {}, contexts: { files }, dockerfile: { content } });
    expect([await names(image), await names(image, 1)]).toEqual([['d/', 'd/x', 'digest', 'layers'], ['y']]);
    expect(left()).toEqual([]);
    const other = buildContext(folder, { ...files, 'd/x': '3' });
    const again = await run({ context: {}, contexts: { files: other }, dockerfile: { content } });
    expect(again.steps.map(({ cached }) => cached)).toEqual([true, true]);
  });

  it('a folder that a stage is on: its files are the first layer, on nothing', async () => {
    const base = buildContext(folder, { x: 'x', 'y.log': '', '.dockerignore': '*.log\n.dockerignore' });
    const given = { context: {}, contexts: { base }, sourceDateEpoch: 2_000_000_000 };
    const content = 'FROM base AS one\nENV A=1\nFROM one\nCOPY --from=one x /copied';
    const { image, steps } = await run({ ...given, dockerfile: { content } });
    expect([await names(image), await names(image, 1)]).toEqual([['x'], ['copied']]);
    expect(image.config).toMatchObject({ workingDir: '/', env: { A: '1' } });
    const again = await run({ ...given, dockerfile: { content } });
    expect([again.image.digest, steps.length]).toEqual([image.digest, 2]);
    const { layers } = (await run({ ...given, dockerfile: { content: 'FROM scratch\nCOPY --from=base . /' } })).image;
    expect(layers).toEqual(image.layers.slice(0, 1));
    expect((await build({ ...given, dockerfile: { content }, check: true })).warnings).toEqual([]);
  });

  it("an image by its name, or of an OCI layout, in docker's words", async () => {
    const busybox = await loadBusybox();
    await busybox.tag(BASE);
    const layout = join(folder, 'layout');
    await busybox.save(`${layout}/`);
    const contexts = { one: `docker-image://${BASE}`, two: `oci-layout://${layout}` };
    const { image } = await run({ context: {}, dockerfile: { content: 'FROM one\nCOPY --from=two /bin/busybox /copied' }, contexts });
    expect(await names(image, 1)).toEqual(['copied']);
    expect(
      (await run({ context: {}, dockerfile: { content: 'FROM two\nCOPY --from=one /bin/busybox /copied' }, contexts })).image.digest,
    ).toBe(image.digest);
  });

  function escaping(): Buffer {
    const path = buildContext(folder, { x: 'x' });
    return execFileSync('tar', ['-Pcf', '-', '-C', path, '--transform=s,x,../../x,', 'x']);
  }

  function withFifo(): Buffer {
    const path = buildContext(folder, {});
    execFileSync('mkfifo', [join(path, 'pipe')]);
    return execFileSync('tar', ['-cf', '-', '-C', path, 'pipe']);
  }
});

function failing(): Readable {
  return new Readable({
    read() {
      this.destroy(new Error('the wire was cut'));
    },
  });
}
