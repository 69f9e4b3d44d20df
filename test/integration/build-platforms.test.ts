import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type BuildOptions, type BuildResult, build, Image } from '../../lib/index.js';
import { BASE, dockerfile, told, useBuilds } from '../fixtures/builds.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startRegistry, type TestRegistry } from '../fixtures/registry.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const TOOLS = ['busybox', 'tar', 'gzip', 'skopeo', 'umoci'];
const { describe, it } = requires({ containers: true, tools: TOOLS });
const notEmulated = requires({ containers: true, tools: TOOLS, foreign: 's390x' });
const withRegistry = requires({ containers: true, tools: [...TOOLS, 'docker-registry'] });
const own = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
/** Another architecture. */
const other = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';
const BOTH = [own, other];

describe('build for other platforms', () => {
  const { folder, store, context, built } = useBuilds();
  let count = 0;

  /** Files alone, which differ by platform. */
  const FILES = ['ARG ANY=$TARGETARCH', 'FROM scratch', 'ARG TARGETARCH', 'COPY $TARGETARCH /file', 'ENV HAS=$TARGETARCH'];

  function files(options: BuildOptions): Promise<BuildResult> {
    const path = context({ amd64: 'of amd64', arm64: 'of arm64', arm: 'of arm' });
    return build({ context: path, ...dockerfile(FILES.join('\n')), ...options });
  }

  const skopeo = (...args: string[]) => JSON.parse(execFileSync('skopeo', ['inspect', ...args], { encoding: 'utf8' }));
  const archOf = (platform: string): string => platform.split('/')[1] ?? '';

  async function contentOf(image: Image, path: string): Promise<string> {
    const archive = join(folder, `content-${count++}.tar`);
    await image.save(archive);
    const blob = image.layers.at(-1)?.digest.replace(':', '/') ?? '';
    const layer = execFileSync('tar', ['-xOf', archive, `blobs/${blob}`], { maxBuffer: 1 << 28 });
    return execFileSync('tar', ['-xzO', path], { input: layer, encoding: 'utf8' });
  }

  it('writes the files of each platform into a folder of its own', async () => {
    const directory = join(folder, 'by-platform');
    const lines = ['FROM --platform=$BUILDPLATFORM scratch', ...FILES.slice(2)].join('\n');
    await files({ platforms: [...BOTH, 'linux/arm/v7'], output: { directory }, ...dockerfile(lines) });
    const folders = [...BOTH.map((platform) => platform.replace('/', '_')), 'linux_arm_v7'];
    expect(readdirSync(directory).toSorted()).toEqual(folders.toSorted());
    for (const name of folders) {
      expect(readFileSync(join(directory, name, 'file'), 'utf8')).toBe(`of ${name.split('_')[1]}`);
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o700);
    }
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    // of one platform there are the files alone, and nothing appears where one fails
    const one = join(folder, 'of-one');
    await files({ platforms: [own], output: { directory: one } });
    expect(readdirSync(one)).toEqual(['file']);
    const none = join(folder, 'of-none');
    await expect(files({ platforms: [...BOTH, 'linux/386'], output: { directory: none } })).rejects.toMatchObject({
      code: 'ERR_DOCKERFILE',
    });
    expect(readdirSync(folder).filter((name) => name.includes('of-none'))).toEqual([]);
  });

  it('makes an index, which skopeo and umoci read as it is meant', async () => {
    const { image, steps } = await files({ platforms: [...BOTH, 'linux/arm/v6'], tags: ['test/files:1'] });
    expect(image.index?.manifests.map(({ platform }) => platform)).toEqual([...BOTH, 'linux/arm/v6']);
    expect(image.digest).toBe(image.index?.manifests[0]?.digest);
    expect(steps.map(({ platform }) => platform)).toEqual([...BOTH, 'linux/arm/v6'].flatMap((one) => [one, one, one]));

    const layout = join(folder, 'layout');
    mkdirSync(layout);
    await image.save(layout);
    const name = `oci:${layout}:docker.io/test/files:1`;
    const raw = skopeo('--raw', name);
    expect(raw.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(raw.manifests.map(({ digest, platform }: { digest: string; platform: object }) => [digest, platform])).toEqual([
      [image.index?.manifests[0]?.digest, { os: 'linux', architecture: archOf(own) }],
      [image.index?.manifests[1]?.digest, { os: 'linux', architecture: archOf(other) }],
      [image.index?.manifests[2]?.digest, { os: 'linux', architecture: 'arm', variant: 'v6' }],
    ]);
    const config = execFileSync('skopeo', ['inspect', '--config', `--override-arch=${archOf(other)}`, name], { encoding: 'utf8' });
    expect(JSON.parse(config)).toMatchObject({ os: 'linux', architecture: archOf(other) });
    expect(JSON.parse(config).config.Env).toContain(`HAS=${archOf(other)}`);
    // umoci goes through the index to what it finds first
    const listed = execFileSync('umoci', ['ls', '--layout', layout], { encoding: 'utf8' });
    expect(listed.trim()).toBe('docker.io/test/files:1');
    const archive = join(folder, 'all.tar');
    await image.save(archive);
    // skopeo would unpack an archive with its owners, which are root's
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xf', archive, '--no-same-owner', '-C', unpacked]);
    expect(skopeo('--raw', `oci:${unpacked}:docker.io/test/files:1`)).toEqual(raw);
    const docker = join(folder, 'docker.tar');
    await image.save(docker, { format: 'docker' });
    expect(skopeo('--config', `docker-archive:${docker}`).architecture).toBe(archOf(own));
  });

  it('opens the image of each, and removes all of them together', async () => {
    const { image } = await files({ platforms: BOTH, tags: ['test/files:1', 'test/files:2'] });
    const mine = await Image.open('test/files:1');
    expect([mine.digest, mine.index]).toEqual([image.digest, image.index]);
    const theirs = await Image.open('test/files:2', { platform: other });
    expect([theirs.digest, theirs.index, theirs.reference]).toEqual([image.index?.manifests[1]?.digest, null, null]);
    expect((await Image.open(theirs.digest)).layers).toEqual(theirs.layers);
    expect((await Image.open(`test/files@${theirs.digest}`)).layers).toEqual(theirs.layers);
    expect((await Image.open(image.index?.digest ?? '')).index).toEqual(image.index);
    expect(await contentOf(mine, 'file')).toBe(`of ${archOf(own)}`);
    expect(await contentOf(theirs, 'file')).toBe(`of ${archOf(other)}`);
    await expect(Image.open('test/files:1', { platform: 'linux/s390x' })).rejects.toMatchObject({
      code: 'ERR_NO_IMAGE',
      message: expect.stringContaining(`docker.io/test/files:1 is there for ${BOTH.join(', ')}, not for linux/s390x`),
    });
    // the whole keeps its names when the image of one platform loses its own
    await theirs.tag('test/alone:1');
    await theirs.remove();
    expect((await Image.list()).map(({ reference }) => reference)).toEqual(['docker.io/test/files:1', 'docker.io/test/files:2']);
    await mine.tag('test/files:3');
    expect((await Image.list()).map(({ reference, digest }) => [reference, digest])).toEqual(
      [1, 2, 3].map((tag) => [`docker.io/test/files:${tag}`, image.index?.digest]),
    );
    // what only the other platform's image needs stays with the name
    await Image.prune();
    expect(await contentOf(await Image.open('test/files:3', { platform: other }), 'file')).toBe(`of ${archOf(other)}`);
    for (const tag of [1, 2, 3]) await (await Image.open(`test/files:${tag}`)).remove();
    expect(await Image.list()).toEqual([]);
    await Image.prune();
    await expect(Image.open(theirs.digest)).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
  });

  it('makes an index of one platform, and an image for one', async () => {
    const index = await files({ platforms: [other] });
    expect(index.image.index?.manifests).toEqual([{ platform: other, digest: index.image.digest }]);
    const alone = await files({ platform: other, tags: ['test/alone'] });
    expect([alone.image.index, alone.image.digest]).toEqual([null, index.image.digest]);
    expect((await Image.list()).find(({ reference }) => reference === 'docker.io/test/alone:latest')?.platform).toBe(other);
    await files({ platform: 'linux/arm/v6', tags: ['test/variant'] });
    expect((await Image.list()).find(({ reference }) => reference === 'docker.io/test/variant:latest')?.platform).toBe('linux/arm/v6');
  });

  it('is the same image with the platform that is its own anyway, and the same index again', async () => {
    const first = await files({ platforms: BOTH, sourceDateEpoch: 0 });
    const plain = await files({ sourceDateEpoch: 0 });
    expect(plain.image.digest).toBe(first.image.digest);
    expect((await files({ platform: own, sourceDateEpoch: 0 })).image.digest).toBe(plain.image.digest);
    const again = await files({ platforms: BOTH, sourceDateEpoch: 0 });
    expect([again.image.index, told(again)]).toEqual([first.image.index, '-c--c-']);
    store.renew();
    expect((await files({ platforms: BOTH, sourceDateEpoch: 0 })).image.index).toEqual(first.image.index);
  });

  it('has the arguments of each platform, in FROM too', async () => {
    const names = ['PLATFORM', 'OS', 'ARCH', 'VARIANT'].flatMap((name) => [`TARGET${name}`, `BUILD${name}`]);
    const lines = [
      'FROM scratch AS for-amd64',
      'COPY amd64 /file',
      'FROM scratch AS for-arm64',
      'COPY arm64 /file',
      'FROM scratch AS for-arm',
      'COPY arm /file',
      'FROM for-$TARGETARCH',
      `ARG ${names.join(' ')}`,
      `LABEL ${names.map((name) => `${name}="$${name}"`).join(' ')}`,
    ];
    const { image } = await files({ ...dockerfile(lines.join('\n')), platforms: [...BOTH, 'arm'] });
    for (const [index, platform] of [...BOTH, 'linux/arm/v7'].entries()) {
      const one = await Image.open(image.index?.manifests[index]?.digest ?? '');
      expect(await contentOf(one, 'file')).toBe(`of ${archOf(platform)}`);
      const [os, arch, variant = ''] = platform.split('/');
      expect(one.config.labels).toEqual({
        ...{ TARGETPLATFORM: platform, TARGETOS: os, TARGETARCH: arch, TARGETVARIANT: variant },
        ...{ BUILDPLATFORM: own, BUILDOS: 'linux', BUILDARCH: archOf(own), BUILDVARIANT: '' },
      });
    }
  });

  it('carries a stage of the build platform out once, and what differs for each', async () => {
    const lines = [
      `FROM --platform=$BUILDPLATFORM ${BASE} AS tools`,
      'RUN cat /proc/sys/kernel/random/uuid > /same && echo same',
      'ARG TARGETARCH',
      'RUN echo "for $TARGETARCH" > /differs && cat /differs',
      'FROM scratch',
      'COPY --from=tools /same /differs /',
    ];
    const result = await built(lines, { platforms: BOTH });
    expect(result.output.trim().split('\n').toSorted()).toEqual(['for amd64', 'for arm64', 'same']);
    const [mine, theirs] = await Promise.all(BOTH.map((_, index) => Image.open(result.image.index?.manifests[index]?.digest ?? '')));
    if (!mine || !theirs) throw new Error('no images');
    expect(await contentOf(mine, 'same')).toBe(await contentOf(theirs, 'same'));
    expect(await contentOf(theirs, 'differs')).toBe(`for ${archOf(other)}\n`);
    expect(theirs.withLayers('look').config).toMatchObject({ os: 'linux', architecture: archOf(other) });
    expect(result.steps.filter(({ stage }) => stage === 'tools').map(({ platform }) => platform)).toEqual([own, own, own, own, own, own]);
    expect(
      result.steps
        .filter(({ instruction }) => instruction === lines[1])
        .map(({ cached }) => cached)
        .toSorted(),
    ).toEqual([false, true]);
  });

  notEmulated.it.each([
    [['FROM scratch AS other', `COPY --from=${BASE} /bin/busybox /bin/`, 'RUN ["/bin/busybox", "true"]'], 3, { platform: 'linux/s390x' }],
    [['FROM scratch', `COPY --from=${BASE} /bin/busybox /bin/`, 'RUN ["/bin/busybox", "true"]'], 3, { platforms: [own, 'linux/s390x'] }],
    [
      [`FROM --platform=$BUILDPLATFORM ${BASE} AS a`, 'RUN true', 'FROM scratch AS b', 'COPY --from=a / /', 'RUN true'],
      5,
      { platform: 's390x' },
    ],
  ])('refuses %j, whose RUN nothing here can execute, before anything is carried out', async (lines, line, options) => {
    const events: string[] = [];
    const failing = built(lines, { ...options, onProgress: ({ type }) => void events.push(type) });
    await expect(failing).rejects.toMatchObject({
      name: 'UnsupportedError',
      code: 'ERR_UNSUPPORTED',
      feature: `Dockerfile:${line}: RUN for linux/s390x`,
      reason: expect.stringContaining('programs of s390x'),
      fix: expect.stringContaining('qemu-user-static'),
    });
    expect(events).toEqual([]);
  });

  notEmulated.it('refuses a RUN that a base has for later, too', async () => {
    await files({ ...dockerfile('FROM scratch\nCOPY arm /\nONBUILD RUN ["/arm"]'), platform: 's390x', tags: ['test/later'] });
    const failing = build({ context: context(), ...dockerfile('FROM test/later'), platform: 's390x' });
    await expect(failing).rejects.toMatchObject({ name: 'UnsupportedError', feature: 'Dockerfile:1: RUN for linux/s390x' });
  });

  it('takes an image, a layout and the store for what they are, by platform', async () => {
    const { image } = await files({ platforms: BOTH, tags: ['test/files:1'] });
    const layout = join(folder, 'contexts');
    mkdirSync(layout);
    await image.save(layout);
    const contexts = { image, named: 'docker-image://test/files:1', layout: `oci-layout://${layout}:docker.io/test/files:1` };
    for (const from of [...Object.keys(contexts), 'test/files:1']) {
      const next = await build({ context: context(), contexts, ...dockerfile(`FROM ${from}\nENV a=b`), platforms: BOTH });
      for (const [index, platform] of BOTH.entries()) {
        const one = await Image.open(next.image.index?.manifests[index]?.digest ?? '');
        expect([from, await contentOf(one, 'file')]).toEqual([from, `of ${archOf(platform)}`]);
      }
    }
  });

  it('warns of no base whose platform has a variant, or is called otherwise', async () => {
    const VARIANTS = ['linux/arm/v6', 'linux/arm/v7'];
    await files({ platforms: [...VARIANTS, 'linux/amd64'], tags: ['test/files:1'] });
    const strict = (text: string) => dockerfile(`# check=skip=FromPlatformFlagConstDisallowed;error=true\n${text}\nENV a=b`);
    const next = await build({ context: context(), ...strict('FROM test/files:1'), platforms: VARIANTS });
    expect([next.warnings, next.image.index?.manifests.map(({ platform }) => platform)]).toEqual([[], VARIANTS]);
    const named = await build({ context: context(), ...strict('FROM --platform=x86_64 test/files:1'), platform: 'linux/amd64' });
    expect(named.warnings).toEqual([]);
  });

  withRegistry.describe('with a registry', () => {
    async function withServer<T>(work: (host: string) => Promise<T>): Promise<T> {
      const registry: TestRegistry = await startRegistry(folder);
      try {
        return await work(registry.host);
      } finally {
        await registry.close();
      }
    }

    withRegistry.it('pushes all platforms, of which each can be pulled, and builds on each', () =>
      withServer(async (host) => {
        const { image } = await files({ platforms: BOTH, tags: ['test/files:1'] });
        const name = `${host}/test/files:1`;
        expect(await image.push(name)).toEqual({ digest: image.index?.digest });
        const raw = execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
        expect(JSON.parse(raw.toString()).manifests.map(({ digest }: { digest: string }) => digest)).toEqual(
          image.index?.manifests.map(({ digest }) => digest),
        );
        store.renew();
        const text = `FROM ${name}\nENV a=b`;
        const options = { context: context(), dockerfile: { content: text }, platforms: BOTH };
        const { image: next } = await build({ ...options, tags: ['test/next'] });
        const theirs = await Image.open('test/next', { platform: other });
        expect(await contentOf(theirs, 'file')).toBe(`of ${archOf(other)}`);
        // the name is this machine's platform's, and what was pulled for the other has none
        expect((await Image.open(name)).digest).toBe(image.digest);
        expect((await Image.list()).map(({ reference, platform }) => [reference, platform])).toEqual(
          expect.arrayContaining([
            [name, own],
            [null, other],
          ]),
        );
        expect((await Image.prune()).images).toEqual([image.index?.manifests[1]?.digest]);
        expect((await build(options)).image.index).toEqual(next.index);
        // and where the store has all of them, nothing is pulled
        await next.tag(name);
        const again = await build({ ...options, pull: 'never' });
        expect(again.image.index?.manifests).toHaveLength(2);
        expect((await Image.pull(name, { platform: other })).digest).toBe(image.index?.manifests[1]?.digest);
      }),
    );
  });
});
