import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { digestOf } from '../../lib/image/formats/digest.js';
import { type Index, type Manifest, parseIndex, parseManifest } from '../../lib/image/formats/image-documents.js';
import { BuildCache, type BuildOptions, type BuildResult, build, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { told } from '../fixtures/builds.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startRegistry } from '../fixtures/registry.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';
/** What a step writes that is never the same twice. */
const RANDOM = 'head -c 16 /dev/urandom | hexdump';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip', 'docker-registry'] });

describe('build: caches from elsewhere', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);
  let count = 0;

  const LINES = [
    'FROM test/busybox:1 AS tools',
    `RUN ${RANDOM} > /tool`,
    'FROM test/busybox:1',
    'COPY . /app/',
    `RUN --mount=from=tools,target=/t ${RANDOM} > /one`,
    'WORKDIR /tmp',
    'ENV A=1',
  ];

  async function run(cache: BuildOptions['cache'], options: BuildOptions = {}): Promise<BuildResult> {
    await (await loadBusybox()).tag(BASE);
    const context = buildContext(folder, { a: 'a' });
    return build({ context, dockerfile: { content: LINES.join('\n') }, pull: 'never', cache, ...options });
  }

  /** A build on another machine, as it were. */
  async function elsewhere(cache: BuildOptions['cache'], options?: BuildOptions): Promise<BuildResult> {
    store.renew();
    return run(cache, options);
  }

  /** A cache of {@link LINES} in a folder, and the documents in there. */
  async function inFolder() {
    const path = join(folder, `cache-${count++}`);
    const first = await run({ to: `oci:${path}:main` });
    const blob = (digest: string): string => join(path, 'blobs', digest.replace(':', '/'));
    const index = parseIndex(readFileSync(join(path, 'index.json')), 'index');
    const manifest = parseManifest(readFileSync(blob(index.manifests[0]?.digest ?? '')), 'manifest');
    return { place: `oci:${path}:main`, path, first, blob, index, manifest };
  }

  /** Puts other documents in the place of a cache's. */
  function rewrite(
    { path, blob, index, manifest }: Awaited<ReturnType<typeof inFolder>>,
    change: (config: { records: { digest: string }[] }, layers: Manifest['layers']) => void,
  ): void {
    const config = JSON.parse(readFileSync(blob(manifest.config.digest), 'utf8'));
    change(config, manifest.layers);
    const put = (content: object): { digest: string; size: number } => {
      const bytes = Buffer.from(JSON.stringify(content));
      writeFileSync(blob(digestOf(bytes)), bytes);
      return { digest: digestOf(bytes), size: bytes.length };
    };
    const own = put({ ...manifest, config: { ...manifest.config, ...put(config) } });
    const changed: Index = { ...index, manifests: index.manifests.map((entry) => ({ ...entry, ...own })) };
    writeFileSync(join(path, 'index.json'), JSON.stringify(changed));
  }

  it('another store goes on from a registry, and brings back what it had from there', async () => {
    const registry = await startRegistry(folder);
    try {
      const cache = { from: [`${registry.host}/test/app:cache`], to: `${registry.host}/test/app:cache` };
      const first = await run(cache);
      const second = await elsewhere(cache);
      expect([told(first), told(second)]).toEqual(['rrrr-', 'cccc-']);
      expect([second.image.digest, second.warnings]).toEqual([first.image.digest, []]);
      // of what is from elsewhere nothing is this store's to know
      expect(await BuildCache.list()).toEqual([]);
      const third = await elsewhere({ from: [cache.to, `${registry.host}/test/none`] });
      expect([told(third), third.image.digest]).toEqual(['cccc-', first.image.digest]);
    } finally {
      await registry.close();
    }
  });

  it('takes no layer that nothing needs, and carries out what the cache has lost', async () => {
    const cache = await inFolder();
    const [tool = ''] = cache.manifest.layers.map(({ digest }) => digest).filter((digest) => !layersOf(cache.first).includes(digest));
    // nobody reads it: it is named by its digest alone
    const bytes = readFileSync(cache.blob(tool));
    writeFileSync(cache.blob(tool), Buffer.alloc(bytes.length));
    expect(told(await elsewhere({ from: [cache.place] }))).toBe('cccc-');
    expect(existsSync(join(store.root, 'blobs', tool.replace(':', '/')))).toBe(false);
    writeFileSync(cache.blob(tool), bytes);
    const [, , one = ''] = layersOf(cache.first);
    rmSync(cache.blob(one));
    // what it writes now is something else, so that the step after it is another one
    expect(told(await elsewhere({ from: [cache.place] }))).toBe('ccrr-');
  });

  it('mode min brings the layers of the image alone', async () => {
    const path = join(folder, 'min');
    const first = await run({ to: `oci:${path}`, mode: 'min' });
    const { manifests } = parseIndex(readFileSync(join(path, 'index.json')), 'index');
    const manifest = readFileSync(join(path, 'blobs', (manifests[0]?.digest ?? '').replace(':', '/')));
    expect(
      parseManifest(manifest, 'manifest')
        .layers.map(({ digest }) => digest)
        .toSorted(),
    ).toEqual(layersOf(first).slice(1).toSorted());
  });

  it.each<[string, (cache: Awaited<ReturnType<typeof inFolder>>) => void, string]>([
    [
      'other bytes',
      ({ blob, first }) => {
        const path = blob(layersOf(first)[1] ?? '');
        writeFileSync(path, Buffer.alloc(readFileSync(path).length));
      },
      'damaged or forged',
    ],
    [
      'what is no layer of its image',
      (cache) =>
        rewrite(cache, (_, layers) => {
          for (const layer of layers)
            layer.annotations = { ...layer.annotations, 'containerd.io/uncompressed': `sha256:${'0'.repeat(64)}` };
        }),
      'the uncompressed layer',
    ],
  ])('a layer with %s fails the build, and nothing is left', async (_, change, message) => {
    const cache = await inFolder();
    change(cache);
    const failing = elsewhere({ from: [cache.place] }, { tags: ['test/never:1'] });
    await expect(failing).rejects.toMatchObject({
      name: expect.stringMatching('BuildError|ImageError'),
      message: expect.stringContaining(message),
    });
    expect((await Image.list()).map(({ reference }) => reference)).toEqual(['docker.io/test/busybox:1']);
    expect(told(await run(true))).toBe('rrrr-');
  });

  it('what a cache says of a step is believed by nobody who does not name it', async () => {
    const cache = await inFolder();
    // each step gets the layer of another one
    rewrite(cache, ({ records }) => {
      const keys = records.map(({ digest }) => digest);
      for (const [index, record] of records.entries()) record.digest = keys[(index + 1) % keys.length] ?? '';
    });
    // whoever names it gets what it says: for COPY what another step has left
    const believed = await elsewhere({ from: [cache.place] });
    expect(told(believed)).toBe('ccrr-');
    expect(believed.image.layers).not.toContainEqual(cache.first.image.layers[1]);
    // and the store has no word of it for the others
    const next = await run(true);
    expect(told(next)).toBe('rrrr-');
    expect(next.image.layers).not.toContainEqual(believed.image.layers[1]);
  });

  it.each<[string, (cache: Awaited<ReturnType<typeof inFolder>>) => void, string]>([
    ['a config that is damaged', ({ blob, manifest }) => writeFileSync(blob(manifest.config.digest), 'x'), 'damaged or forged'],
    ['an index that is none', ({ path }) => writeFileSync(join(path, 'index.json'), '{'), 'JSON'],
    [
      'records that are none',
      (cache) => rewrite(cache, (config) => Object.assign(config, { records: [{ digest: 1 }] })),
      'is malformed: records.0.digest',
    ],
  ])('%s is a warning', async (_, change, message) => {
    const cache = await inFolder();
    change(cache);
    const { warnings, ...result } = await elsewhere({ from: [cache.place] });
    expect(told({ warnings, ...result })).toBe('rrrr-');
    expect(warnings).toEqual([
      { rule: null, file: '', line: 0, message: expect.stringMatching(`^the cache oci:.*:main can't be read: .*${message}`) },
    ]);
  });

  it.each<[BuildOptions['cache'], string]>([
    [{ from: ['host'] }, 'cache.from[0]'],
    [{ from: ['a', 'dir:/x'] }, 'cache.from[1]'],
    [{ to: 'docker-archive:/x' }, 'cache.to'],
    [{ to: `a@sha256:${'0'.repeat(64)}` }, 'cache.to'],
    [{ from: ['A B'] }, 'cache.from[0]'],
  ])('refuses %j', async (cache, option) => {
    await expect(build({ dockerfile: { content: 'FROM scratch' }, cache })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(option),
    });
  });

  it('tells when a cache can not be brought where it is to be; the image is there', async () => {
    writeFileSync(join(folder, 'a-file'), '');
    const failing = run({ to: `oci:${folder}/a-file/cache` }, { tags: ['test/made:1'] });
    await expect(failing).rejects.toMatchObject({ name: 'ImageError', message: expect.stringContaining('a-file/cache') });
    expect((await Image.open('test/made:1')).layers.length).toBe(3);
  });

  function layersOf({ image }: BuildResult): string[] {
    return image.layers.map(({ digest }) => digest);
  }
});
