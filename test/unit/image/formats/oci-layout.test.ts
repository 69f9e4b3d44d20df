import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../../../lib/image/formats/digest.js';
import { imageConfig, ociConfig } from '../../../../lib/image/formats/image-config.js';
import { chainIds, MAX_JSON, parseConfig } from '../../../../lib/image/formats/image-documents.js';
import { OciLayout, splitLocation } from '../../../../lib/image/formats/oci-layout.js';
import { currentPlatform } from '../../../../lib/image/formats/platform.js';

const OCI = 'application/vnd.oci.image';
const diffId = digestOf('diff');
const settings = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [diffId] } };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nacelle-layout-'));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
});
afterEach(() => rm(folder, { recursive: true }));

async function blob(mediaType: string, content: unknown): Promise<{ mediaType: string; digest: string; size: number }> {
  const bytes = typeof content === 'string' ? content : JSON.stringify(content);
  const digest = digestOf(bytes);
  const path = join(folder, 'blobs', digest.replace(':', '/'));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
  return { mediaType, digest, size: Buffer.byteLength(bytes) };
}

async function image(overrides: { config?: unknown; layerType?: string; configType?: string; note?: string } = {}) {
  const layer = await blob(overrides.layerType ?? `${OCI}.layer.v1.tar+gzip`, 'not read here');
  const config = await blob(overrides.configType ?? `${OCI}.config.v1+json`, overrides.config ?? settings);
  return blob(`${OCI}.manifest.v1+json`, { schemaVersion: 2, config, layers: [layer], note: overrides.note });
}

const writeIndex = (...manifests: unknown[]): Promise<void> =>
  writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
const named = (descriptor: object, tag: string): object => ({ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } });
const find = async (tag: string | null = null) => (await OciLayout.open(folder)).find(tag, 'oci:x');

describe('an image in a layout', () => {
  it('is found by its tag', async () => {
    const [one, two] = [await image({ note: 'one' }), await image({ note: 'two' })];
    await writeIndex(named(one, 'one'), named(two, 'two'));
    expect((await find('two')).descriptor.digest).toBe(two.digest);
    await expect(find('three')).rejects.toThrow('it has one, two');
    await expect(find()).rejects.toThrow('say which image');
    expect((await (await OciLayout.open(folder)).images()).map(({ tag }) => tag)).toEqual(['one', 'two']);
  });

  it('is found without one when it is alone', async () => {
    const only = await image();
    await writeIndex(only);
    expect(await find()).toMatchObject({ tag: null, descriptor: { digest: only.digest } });
  });

  it("of several platforms is this machine's, attestations left aside", async () => {
    const [mine, other] = [await image({ note: 'mine' }), await image({ note: 'other' })];
    const nested = await blob(`${OCI}.index.v1+json`, {
      schemaVersion: 2,
      manifests: [
        { ...other, platform: { os: 'unknown', architecture: 'unknown' } },
        { ...other, platform: { os: 'windows', architecture: currentPlatform().architecture } },
        { ...mine, platform: currentPlatform() },
      ],
    });
    await writeIndex(named(nested, 'multi'));
    expect((await find('multi')).descriptor.digest).toBe(mine.digest);
  });

  it('is one of each tag, whatever else lies there', async () => {
    const [mine, other, third] = [await image({ note: 'mine' }), await image({ note: 'other' }), await image({ note: 'third' })];
    const artefact = await image({ configType: 'application/vnd.example.signature+json' });
    const signature = await image({ layerType: 'application/vnd.dev.cosign.simplesigning.v1+json' });
    const elsewhere = await blob(`${OCI}.index.v1+json`, {
      schemaVersion: 2,
      manifests: [{ ...other, platform: { os: 'linux', architecture: 'none' } }],
    });
    await writeIndex(
      { ...named(other, 'both'), platform: { os: 'linux', architecture: 'none' } },
      { ...named(mine, 'both'), platform: currentPlatform() },
      artefact,
      signature,
      named(elsewhere, 'elsewhere'),
      await blob('application/xml', '<xml/>'),
      third,
    );
    const images = await (await OciLayout.open(folder)).images();
    expect(images.map(({ tag, descriptor }) => [tag, descriptor.digest])).toEqual([
      ['both', mine.digest],
      [null, third.digest],
    ]);
    await writeIndex(artefact);
    await expect((await OciLayout.open(folder)).images()).rejects.toThrow(/not an image/);
    await writeIndex();
    await expect((await OciLayout.open(folder)).images()).rejects.toThrow(/no image for this machine/);
  });

  it('is known by its name in full where the tag is no more than that, as docker writes it', async () => {
    const dockers = (descriptor: object, name: string, tag: string): object => ({
      ...descriptor,
      platform: currentPlatform(),
      annotations: { 'io.containerd.image.name': `${name}:${tag}`, 'org.opencontainers.image.ref.name': tag },
    });
    const [one, two] = [await image({ note: 'one' }), await image({ note: 'two' })];
    await writeIndex(
      dockers(one, 'docker.io/library/a', 'latest'),
      dockers(two, 'docker.io/library/b', 'latest'),
      dockers(one, 'reg.example/a', 'latest'),
    );
    const images = await (await OciLayout.open(folder)).images();
    expect(images.map(({ name, descriptor }) => [name, descriptor.digest])).toEqual([
      ['docker.io/library/a:latest', one.digest],
      ['docker.io/library/b:latest', two.digest],
      ['reg.example/a:latest', one.digest],
    ]);
  });

  it.each(['application/vnd.docker.image.rootfs.diff.tar.gzip', `${OCI}.layer.v1.tar`, `${OCI}.layer.nondistributable.v1.tar+gzip`])(
    'may have layers of type %s',
    async (layerType) => {
      await writeIndex(await image({ layerType }));
      await expect(find()).resolves.toBeDefined();
    },
  );
});

describe('a location', () => {
  it.each([
    ['/there', ['/there', null]],
    ['/there:12', ['/there', '12']],
    ['/there:docker.io/library/app:1', ['/there', 'docker.io/library/app:1']],
    ['/a:b/c', ['/a:b/c', null]],
    ['/a:b/c:tag', ['/a:b/c', 'tag']],
    ['/none:tag', ['/none', 'tag']],
    ['/none', ['/none', null]],
    ['/n:one/x', ['/n:one/x', null]],
  ])('%s is a folder and a tag', async (location, [path, tag]) => {
    for (const layout of ['there', 'a:b/c']) {
      await mkdir(join(folder, layout), { recursive: true });
      await writeFile(join(folder, layout, 'oci-layout'), '');
    }
    await rm(join(folder, 'oci-layout'));
    expect(splitLocation(`${folder}${location}`)).toEqual({ path: `${folder}${path}`, tag });
  });
});

describe('refused', () => {
  it.each([
    ['an unknown layer type', { layerType: `${OCI}.layer.v1.tar+gzip+encrypted` }, /unknown media type/],
    ['an artefact', { configType: 'application/vnd.example.chart+json' }, /not an image/],
    ['a count of layers that differs', { config: { ...settings, rootfs: { type: 'layers', diff_ids: [] } } }, /1 layers, its config 0/],
    [
      'a diff_id that climbs',
      { config: { ...settings, rootfs: { type: 'layers', diff_ids: ['sha256:../../etc'] } } },
      /diff_ids\.0: must be a sha256/,
    ],
    ['Env that is no list', { config: { ...settings, config: { Env: 'A=1' } } }, /config\.Env/],
  ])('%s', async (_, overrides, message) => {
    await writeIndex(await image(overrides));
    await expect(find()).rejects.toThrow(message);
  });

  it('other bytes under a digest', async () => {
    const only = await image();
    await writeIndex(only);
    await writeFile(join(folder, 'blobs', only.digest.replace(':', '/')), ' '.repeat(only.size));
    await expect(find()).rejects.toThrow(/damaged or forged/);
  });

  it.each([
    ['an index as well', { manifests: [] }],
    ['something else by its own words', { mediaType: `${OCI}.index.v1+json` }],
  ])('a manifest that is %s', async (_, more) => {
    const manifest = await image();
    const path = join(folder, 'blobs', manifest.digest.replace(':', '/'));
    await writeIndex(await blob(manifest.mediaType, { ...JSON.parse(await readFile(path, 'utf8')), ...more }));
    await expect(find()).rejects.toThrow(/is ambiguous/);
  });

  it('another size', async () => {
    const only = await image();
    await writeIndex({ ...only, size: only.size + 1 });
    await expect(find()).rejects.toThrow(/bytes where its descriptor says/);
  });

  it('a digest that climbs', async () => {
    await writeIndex({ ...(await image()), digest: 'sha256:../../../../etc/passwd' });
    await expect(find()).rejects.toThrow(/manifests\.0\.digest/);
  });

  it('an index that holds itself in ever new wrappings', async () => {
    let nested = await image();
    for (let depth = 0; depth < 6; depth++) nested = await blob(`${OCI}.index.v1+json`, { schemaVersion: 2, manifests: [nested] });
    await writeIndex(nested);
    await expect(find()).rejects.toThrow(/no image for this machine/);
  });

  it('documents past the cap, and what is no file', async () => {
    await writeFile(join(folder, 'index.json'), '');
    await truncate(join(folder, 'index.json'), MAX_JSON + 1);
    await expect(find()).rejects.toThrow(/larger than/);
    await rm(join(folder, 'index.json'));
    await symlink('/dev', join(folder, 'index.json'));
    await expect(find()).rejects.toThrow(/not a file/);
  });

  it('no layout, and JSON that is none', async () => {
    await writeFile(join(folder, 'index.json'), '{');
    await expect(find()).rejects.toThrow(/index.json is no JSON/);
    await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await expect(find()).rejects.toThrow(/must be a version 1/);
    await expect(OciLayout.open('/nonexistent')).rejects.toThrow(expect.objectContaining({ name: 'ImageError' }));
  });
});

it('reads a configuration into its own words', () => {
  const source = {
    Env: ['A=1', 'B=', 'C=x=y', 'D'],
    Cmd: ['sh'],
    Entrypoint: null,
    WorkingDir: '',
    User: '1000:1000',
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
  };
  const more = { Labels: { a: 'b' }, StopSignal: 'SIGQUIT', Healthcheck: { Test: ['CMD', 'true'], Interval: 30e9 }, OnBuild: ['x'] };
  const { config } = parseConfig(Buffer.from(JSON.stringify({ ...settings, config: { ...source, ...more } })), 'config');
  expect(imageConfig(config)).toEqual({
    env: { A: '1', B: '', C: 'x=y' },
    cmd: ['sh'],
    user: '1000:1000',
    exposedPorts: ['80/tcp'],
    volumes: ['/data'],
    labels: { a: 'b' },
    stopSignal: 'SIGQUIT',
    healthcheck: { test: ['CMD', 'true'], interval: 30_000 },
  });
  expect(imageConfig(undefined)).toEqual({});
  expect(ociConfig({ healthcheck: { interval: 1e-7, timeout: 0 } })).toEqual({ Healthcheck: { Interval: 1 } });
});

it('names chains as the specification does', () => {
  const [a, b] = [digestOf('a'), digestOf('b')];
  expect(chainIds([a, b])).toEqual([a, digestOf(`${a} ${b}`)]);
});
