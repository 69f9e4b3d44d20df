import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import { currentPlatform } from '../../../lib/image/formats/platform.js';
import type { ProgressEvent } from '../../../lib/index.js';
import { Container, Image } from '../../../lib/index.js';
import { startProxy } from '../../fixtures/fault-proxy.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { startRegistry, type TestRegistry } from '../../fixtures/registry.js';
import { fileIn, IMAGE_TOOLS, LAYERS, layoutIn, nameAt, placed } from '../../fixtures/registry-images.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { type LayerFiles, layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = { root: true, tools: [...IMAGE_TOOLS, 'busybox', 'setpriv'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

let plain: TestRegistry;
beforeAll(async () => {
  if (missing(needs).length > 0) return;
  plain = await startRegistry(folder);
});
afterAll(async () => plain?.close());
const layout = (layers?: readonly LayerFiles[]): string => layoutIn(folder, layers);

describe('pull', () => {
  it('brings what skopeo pushed, byte by byte, and tells of it', async () => {
    const { name, digest } = placed(`${nameAt(plain.host)}:one`, layout());
    const events: ProgressEvent[] = [];
    const image = await Image.pull(name, { onProgress: (event) => events.push(event) });
    expect(image).toMatchObject({ reference: name, digest });
    expect(await fileIn(image, 'opt/app')).toBe('new');
    for (const { digest: layer, size } of image.layers) {
      const told = events.filter((event) => event.digest === layer);
      expect(told).toContainEqual({ type: 'layer', status: 'downloaded', digest: layer, bytes: size, total: size });
      expect(told.at(-1)).toMatchObject({ status: 'done', bytes: size });
    }
    for (const blob of readdirSync(join(store.root, 'blobs/sha256')))
      expect(digestOf(readFileSync(join(store.root, 'blobs/sha256', blob)))).toBe(`sha256:${blob}`);
    expect(await Image.open(name)).toMatchObject({ digest });
  });

  it('asks for what the store lacks, and for that once', async () => {
    const proxy = await startProxy(plain.host);
    try {
      const path = nameAt(proxy.host).slice(proxy.host.length);
      placed(`${plain.host}${path}:one`, layout());
      placed(`${plain.host}${path}:two`, layout([...LAYERS, { more: '1' }]));
      await Image.pull(`${proxy.host}${path}:one`);
      await Image.pull(`${proxy.host}${path}:one`);
      await Image.pull(`${proxy.host}${path}:two`);
      const blobs = proxy.asked.map(({ path: asked }) => asked).filter((asked) => asked.includes('/blobs/'));
      expect(new Set(blobs).size).toBe(blobs.length - 1);
      // the config of the first is asked for anew: it is small, and tells what the layers are
      expect(blobs).toHaveLength(6);
    } finally {
      await proxy.close();
    }
  });

  it('of two processes at once downloads each layer once', async () => {
    const proxy = await startProxy(plain.host);
    try {
      const path = nameAt(proxy.host).slice(proxy.host.length);
      const { digest } = placed(`${plain.host}${path}:one`, layout());
      const pulls = [1, 2, 3].map(() => runNode<string>('pull', [`${proxy.host}${path}:one`]));
      expect(await Promise.all(pulls)).toEqual([digest, digest, digest]);
      const image = await Image.open(`${proxy.host}${path}:one`);
      const times = image.layers.map((layer) => proxy.asked.filter(({ path: asked }) => asked.endsWith(`/blobs/${layer.digest}`)).length);
      expect(times).toEqual([1, 1]);
    } finally {
      await proxy.close();
    }
  });

  it('takes a digest instead of a tag, and checks it', async () => {
    const { name, digest } = placed(nameAt(plain.host), layout());
    const image = await Image.pull(`${name}@${digest}`);
    expect(image).toMatchObject({ reference: `${name}@${digest}`, digest });
    await expect(Image.pull(`${name}@${digest.replace(/..$/, '00')}`)).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
  });

  it.each([
    ['docker schema 2', ['--format', 'v2s2'], /vnd\.docker\.image\.rootfs\.diff\.tar\.gzip/],
    ['OCI with zstd', ['--dest-compress', '--dest-compress-format', 'zstd', '--format', 'oci'], /zstd/],
  ])('takes %s', async (_, options, mediaType) => {
    // skopeo compresses what is not compressed, unless it knows a compressed one already
    const from = layoutOf(
      {
        v0: [
          { ...LAYERS[0], kind: `${mediaType}` },
          { 'opt/app': 'new', kind: `${mediaType}` },
        ],
      },
      folder,
      {
        compress: (tar) => tar,
        suffix: '',
      },
    );
    const { name, digest } = placed(nameAt(plain.host), from, ...options);
    const image = await Image.pull(name);
    expect(image.digest).toBe(digest);
    for (const layer of image.layers) expect(layer.mediaType).toMatch(mediaType);
    expect(await fileIn(image, 'opt/app')).toBe('new');
  });

  it('takes of an index what fits this machine, or the platform that is asked for', async () => {
    const name = nameAt(plain.host);
    const [own, other] = [placed(`${name}:own`, layout()), placed(`${name}:other`, layout([{ other: '1' }]))];
    const entry = async (tag: string, platform: Record<string, string>) => {
      const [{ size, mediaType }] = await Promise.all([manifestAt(`${name}:${tag}`)]);
      return { mediaType, size, digest: tag === 'own' ? own.digest : other.digest, platform };
    };
    const index = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        await entry('other', { os: 'unknown', architecture: 'unknown' }),
        await entry('other', { os: 'linux', architecture: 'riscv64', variant: 'rva23' }),
        await entry('own', { os: 'linux', architecture: 'amd64' }),
        await entry('own', { os: 'linux', architecture: 'arm64' }),
      ],
    };
    const url = `http://${name.replace('/', '/v2/')}/manifests/all`;
    await fetch(url, { method: 'PUT', body: JSON.stringify(index), headers: { 'content-type': index.mediaType } });
    expect((await Image.pull(`${name}:all`)).digest).toBe(own.digest);
    expect((await Image.pull(`${name}:all`, { platform: 'linux/riscv64' })).digest).toBe(other.digest);
    expect((await Image.pull(`${name}:all`, { platform: 'linux/riscv64/rva23' })).digest).toBe(other.digest);
    await expect(Image.pull(`${name}:all`, { platform: 'linux/riscv64/rva20' })).rejects.toThrow(/no image for linux\/riscv64\/rva20/);
    await expect(Image.pull(`${name}:all`, { platform: 'linux/s390x' })).rejects.toThrow(/it has linux\/riscv64\/rva23, linux\/amd64/);
  });

  it('refuses an image for another machine, unless that is asked for', async () => {
    const { name, digest } = placed(`${nameAt(plain.host)}:one`, layout());
    const { os, architecture } = currentPlatform();
    await expect(Image.pull(name, { platform: 'linux/s390x' })).rejects.toThrow(
      `the image is for ${os}/${architecture}, not for linux/s390x`,
    );
    expect((await Image.pull(name, { platform: architecture })).digest).toBe(digest);
    expect((await Image.pull(name)).digest).toBe(digest);
  });

  it('is for any user, whose store it comes into, not unpacked', async () => {
    const { name, digest } = placed(`${nameAt(plain.host)}:one`, layout());
    mkdirSync(store.root);
    chmodSync(folder, 0o711);
    chownSync(store.root, 65534, 65534);
    const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    expect(await runNode('pull', [name], { through, env: { NACELLE_RUNROOT: '' } })).toBe(digest);
    expect(readdirSync(store.root)).not.toContain('layers');
    expect(statSync(join(store.root, 'index.json')).uid).toBe(65534);
  });

  it("is left to run's policy", async () => {
    const proxy = await startProxy(plain.host);
    try {
      const path = nameAt('').slice(1);
      const image = `${proxy.host}/${path}:one`;
      const first = placed(`${plain.host}/${path}:one`, layout());
      const command = ['/bin/busybox', 'true'];
      const mounts = [{ type: 'bind' as const, source: join(await busyboxRootfs(), 'bin'), target: '/bin' }];
      await expect(Container.run({ image, command, mounts, pull: 'never' })).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
      expect(proxy.asked).toEqual([]);
      expect(await Container.run({ image, command, mounts })).toMatchObject({ status: 'ok' });
      const asked = proxy.asked.length;
      const second = placed(`${plain.host}/${path}:one`, layout([{ another: '' }]));
      expect(await Container.run({ image, command, mounts, pull: 'missing' })).toMatchObject({ status: 'ok' });
      expect(proxy.asked).toHaveLength(asked);
      expect((await Image.open(image)).digest).toBe(first.digest);
      expect(await Container.run({ image, command, mounts, pull: 'always' })).toMatchObject({ status: 'ok' });
      expect((await Image.open(image)).digest).toBe(second.digest);
    } finally {
      await proxy.close();
    }
  });

  it('asks mirrors first, and the registry where they have nothing', async () => {
    const proxy = await startProxy(plain.host);
    const nobody = await startProxy(null, ({ send }) => send({ status: 404, headers: {}, body: Buffer.from('none here') }));
    try {
      const path = nameAt('').slice(1);
      const { digest } = placed(`${plain.host}/mirrored/${path}:one`, layout());
      // neither resolves, and needs not be asked
      expect(await Image.pull(`registry.invalid/${path}:one`, { mirrors: [`${proxy.host}/mirrored`] })).toMatchObject({ digest });
      store.renew();
      const mirrors = [nobody.host, `${proxy.host}/nothing`];
      placed(`${plain.host}/${path}:one`, layout());
      expect(await Image.pull(`${plain.host}/${path}:one`, { mirrors })).toMatchObject({ digest, reference: `${plain.host}/${path}:one` });
      expect(nobody.asked.length).toBeGreaterThan(0);
    } finally {
      await proxy.close();
      await nobody.close();
    }
  });

  it('asks the registry itself for what a mirror gave wrong bytes for', async () => {
    const { name, digest } = placed(`${nameAt(plain.host)}:one`, layout());
    const forger = await startProxy(plain.host, async ({ path, pass, send }) => {
      if (!path.includes('/blobs/')) return;
      const answer = await pass();
      answer.body.writeUInt8(answer.body.readUInt8(0) ^ 1, 0);
      send(answer);
    });
    const shortener = await startProxy(plain.host, async ({ path, pass, send }) => {
      if (!path.includes('/blobs/')) return;
      const { status, body } = await pass();
      const half = body.subarray(0, body.length / 2);
      send({ status, headers: { 'content-length': `${half.length}` }, body: half });
    });
    try {
      const [host = ''] = name.split('/');
      for (const mirror of [forger, shortener]) {
        store.renew();
        const image = await Image.pull(name, { mirrors: [mirror.host], retries: 0 });
        expect(image.digest).toBe(digest);
        expect(mirror.asked.filter(({ path }) => path.includes('/blobs/')).length).toBeGreaterThan(image.layers.length);
        store.renew();
        // and no other, where that is the registry
        await expect(Image.pull(name.replace(host, mirror.host), { retries: 0 })).rejects.toMatchObject({ name: 'ImageError' });
      }
    } finally {
      await forger.close();
      await shortener.close();
    }
  });

  it('says what is wrong before anything is asked', async () => {
    for (const [options, option] of [
      [{ platform: 'linux/' }, 'platform'],
      [{ mirrors: ['no registry'] }, 'mirrors'],
      [{ mirrors: ['name'] }, 'mirrors'],
      [{ auth: { username: 'a:b', password: '' } }, 'auth'],
      [{ auth: { user: 'a' } }, 'auth'],
      [{ ca: 'no certificate' }, 'ca'],
      [{ retries: -1 }, 'retries'],
      [{ timeout: 0 }, 'timeout'],
      [{ registry: 'x' }, 'registry'],
    ] as const) {
      const pulling = Image.pull('registry.invalid/a', JSON.parse(JSON.stringify(options)));
      await expect(pulling).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${option}`) });
    }
    await expect(Image.pull('host')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Image.pull('oci:somewhere')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    const missingImage = Image.pull(`${plain.host}/nothing:here`);
    await expect(missingImage).rejects.toMatchObject({ code: 'ERR_NO_IMAGE', message: expect.stringContaining('nothing:here') });
  });
});

async function manifestAt(name: string): Promise<{ size: number; mediaType: string }> {
  const [, path = '', tag = ''] = /^[^/]*\/(.*):(.*)$/.exec(name) ?? [];
  const answer = await fetch(`http://${plain.host}/v2/${path}/manifests/${tag}`, {
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  return { size: (await answer.arrayBuffer()).byteLength, mediaType: answer.headers.get('content-type') ?? '' };
}
