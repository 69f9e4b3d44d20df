import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { digestOf } from '../../../lib/image/digest.js';
import { Image, type ProgressEvent } from '../../../lib/index.js';
import { startConnectProxy } from '../../fixtures/connect-proxy.js';
import { startProxy } from '../../fixtures/fault-proxy.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { makeCertificates, SOMEBODY, startRegistry, type TestCertificates, type TestRegistry } from '../../fixtures/registry.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { type LayerFiles, layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = { root: true, tools: ['tar', 'docker-registry', 'skopeo', 'openssl', 'zstd'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

let plain: TestRegistry;
let secure: TestRegistry;
let guarded: TestRegistry;
let tls: TestCertificates;
beforeAll(async () => {
  if (missing(needs).length > 0) return;
  tls = makeCertificates(folder);
  plain = await startRegistry(folder);
  secure = await startRegistry(folder, { tls });
  guarded = await startRegistry(folder, { tls, password: true });
});
afterAll(async () => {
  for (const registry of [plain, secure, guarded]) await registry?.close();
});

const LAYERS: readonly LayerFiles[] = [{ 'etc/base': 'shared' }, { 'opt/app': 'new' }];
let repositories = 0;
/** A name that no other test has. */
const nameAt = (host: string): string => `${host}/test/app${repositories++}`;
const skopeo = (...args: string[]): string => execFileSync('skopeo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const layout = (...images: (readonly LayerFiles[])[]): string =>
  layoutOf(Object.fromEntries(images.map((files, i) => [`v${i}`, files])), folder);

/** An image at a registry, brought there by skopeo. */
function placed(name: string, from = layout(LAYERS), ...options: string[]): { name: string; digest: string } {
  skopeo('copy', '-q', '--dest-tls-verify=false', ...options, `oci:${from}:v0`, `docker://${name}`);
  return { name, digest: skopeo('inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${name}`).trim() };
}

async function fileIn(image: Image, path: string): Promise<string> {
  const { mounts } = await recipeOf(image);
  const lower = mounts[0]?.lower ?? [];
  const found = lower.map((layer) => join(layer, path)).find((file) => readdirSync(join(file, '..')).length > 0);
  return readFileSync(found ?? path, 'utf8');
}

describe('pull', () => {
  it('brings what skopeo pushed, byte by byte, and tells of it', async () => {
    const { name, digest } = placed(`${nameAt(plain.host)}:one`);
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
      placed(`${plain.host}${path}:one`, layout(LAYERS));
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
      const { digest } = placed(`${plain.host}${path}:one`);
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
    const { name, digest } = placed(nameAt(plain.host));
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
    const [own, other] = [placed(`${name}:own`), placed(`${name}:other`, layout([{ other: '1' }]))];
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

  it('asks mirrors first, and the registry where they have nothing', async () => {
    const proxy = await startProxy(plain.host);
    const nobody = await startProxy(null, ({ send }) => send({ status: 404, headers: {}, body: Buffer.from('none here') }));
    try {
      const path = nameAt('').slice(1);
      const { digest } = placed(`${plain.host}/mirrored/${path}:one`);
      // neither resolves, and needs not be asked
      expect(await Image.pull(`registry.invalid/${path}:one`, { mirrors: [`${proxy.host}/mirrored`] })).toMatchObject({ digest });
      store.renew();
      const mirrors = [nobody.host, `${proxy.host}/nothing`];
      placed(`${plain.host}/${path}:one`);
      expect(await Image.pull(`${plain.host}/${path}:one`, { mirrors })).toMatchObject({ digest, reference: `${plain.host}/${path}:one` });
      expect(nobody.asked.length).toBeGreaterThan(0);
    } finally {
      await proxy.close();
      await nobody.close();
    }
  });

  it('says what is wrong before anything is asked', async () => {
    for (const [options, option] of [
      [{ platform: 'amd64' }, 'platform'],
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

describe('TLS', () => {
  it('is trusted by an authority that is named, or by nothing', async () => {
    const { name, digest } = placed(nameAt(secure.host));
    await expect(Image.pull(name, { retries: 0 })).rejects.toThrow(/certificate|signed|issuer/);
    expect((await Image.pull(name, { ca: readFileSync(tls.ca, 'utf8') })).digest).toBe(digest);
    expect((await Image.pull(name, { ca: readFileSync(tls.ca) })).digest).toBe(digest);
    expect((await Image.pull(name, { insecure: true })).digest).toBe(digest);
  });
});

describe('a proxy of the environment', () => {
  it('is used, but not for what it is not for', async () => {
    const { name, digest } = placed(nameAt(secure.host));
    const path = name.slice(secure.host.length);
    const proxy = await startConnectProxy(secure.host);
    process.env.HTTPS_PROXY = proxy.host;
    try {
      // the name resolves nowhere
      expect((await Image.pull(`registry.invalid${path}`, { insecure: true })).digest).toBe(digest);
      expect(new Set(proxy.asked)).toEqual(new Set(['registry.invalid:443']));
      const before = proxy.asked.length;
      await Image.pull(name, { insecure: true });
      process.env.NO_PROXY = 'registry.invalid';
      await expect(Image.pull(`registry.invalid${path}`, { insecure: true, retries: 0 })).rejects.toMatchObject({ name: 'ImageError' });
      process.env.NO_PROXY = '*';
      await expect(Image.pull(`registry.invalid${path}`, { insecure: true, retries: 0 })).rejects.toMatchObject({ name: 'ImageError' });
      expect(proxy.asked).toHaveLength(before);
    } finally {
      delete process.env.HTTPS_PROXY;
      delete process.env.NO_PROXY;
      await proxy.close();
    }
  });
});

describe('a registry that wants to know who asks', () => {
  const auth = SOMEBODY;
  const config = (value: object): string => {
    const here = mkdtempSync(join(folder, 'config-'));
    writeFileSync(join(here, 'config.json'), JSON.stringify(value));
    process.env.DOCKER_CONFIG = here;
    return here;
  };
  const base64 = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
  const placedThere = (): string => {
    const name = nameAt(guarded.host);
    skopeo(
      'copy',
      '-q',
      '--dest-tls-verify=false',
      '--dest-creds',
      `${auth.username}:${auth.password}`,
      `oci:${layout(LAYERS)}:v0`,
      `docker://${name}`,
    );
    return name;
  };

  it('gives nothing without, or with the wrong ones', async () => {
    const name = placedThere();
    const insecure = true;
    await expect(Image.pull(name, { insecure })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    const wrong = Image.pull(name, { insecure, auth: { ...auth, password: 'wrong' } });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED', message: expect.not.stringContaining('wrong') });
    expect(await Image.pull(name, { insecure, auth })).toMatchObject({ reference: `${name}:latest` });
  });

  it("takes docker's configuration", async () => {
    const name = placedThere();
    config({ auths: { [guarded.host]: { auth: base64 } } });
    await Image.pull(name, { insecure: true });
    store.renew();
    config({ auths: { [`https://${guarded.host}/v1/`]: { auth: base64 } } });
    await Image.pull(name, { insecure: true });
    store.renew();
    config({ auths: { [guarded.host]: { registrytoken: 'is used, and refused' } } });
    await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    config({ auths: { 'elsewhere.example': { auth: base64 } } });
    await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    const here = config({});
    writeFileSync(join(here, 'config.json'), `{"auths": ${base64}`);
    const broken = Image.pull(name, { insecure: true });
    await expect(broken).rejects.toMatchObject({ message: expect.stringContaining(join(here, 'config.json')) });
    await expect(broken).rejects.not.toMatchObject({ message: expect.stringContaining(base64) });
  });

  it('takes what a credential helper says', async () => {
    const name = placedThere();
    const here = config({ credHelpers: { [guarded.host]: 'of-a-test' } });
    const path = process.env.PATH;
    process.env.PATH = `${here}:${path}`;
    try {
      await expect(Image.pull(name, { insecure: true })).rejects.toThrow(/docker-credential-of-a-test.*not in PATH/);
      const answer = JSON.stringify({ ServerURL: guarded.host, Username: auth.username, Secret: auth.password });
      writeFileSync(
        join(here, 'docker-credential-of-a-test'),
        `#!/bin/sh\nread server\n[ "$1 $server" = "get ${guarded.host}" ] && echo '${answer}'\n`,
      );
      chmodSync(join(here, 'docker-credential-of-a-test'), 0o755);
      await Image.pull(name, { insecure: true });
      store.renew();
      writeFileSync(join(here, 'docker-credential-of-a-test'), `#!/bin/sh\necho '${answer}'\nexit 1\n`);
      const failed = Image.pull(name, { insecure: true });
      await expect(failed).rejects.toMatchObject({ message: expect.stringContaining('it failed') });
      await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining(auth.password) });
      writeFileSync(join(here, 'docker-credential-of-a-test'), "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n");
      await expect(Image.pull(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    } finally {
      process.env.PATH = path;
    }
  });
});

describe('push', () => {
  const loaded = async (files = LAYERS): Promise<Image> => {
    const [image] = await Image.load(layoutOf({ 'local/app:one': files }, folder));
    if (!image) throw new Error('nothing was loaded');
    return image;
  };

  it('brings what skopeo finds again, with the same digest, and we too', async () => {
    const image = await loaded();
    const name = `${nameAt(plain.host)}:one`;
    const events: ProgressEvent[] = [];
    expect(await image.push(name, { onProgress: (event) => events.push(event) })).toEqual({ digest: image.digest });
    expect(skopeo('inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${name}`).trim()).toBe(image.digest);
    expect(
      events
        .filter(({ status }) => status === 'uploaded')
        .map(({ digest }) => digest)
        .sort(),
    ).toEqual(image.layers.map(({ digest }) => digest).sort());
    store.renew();
    const pulled = await Image.pull(name);
    expect(pulled.digest).toBe(image.digest);
    expect(await fileIn(pulled, 'opt/app')).toBe('new');
  });

  it('sends nothing that is there, and lets the registry take the rest from where it came', async () => {
    const proxy = await startProxy(plain.host);
    try {
      const image = await loaded();
      const path = nameAt('');
      await image.push(`${proxy.host}${path}:one`);
      await image.push(`${proxy.host}${path}:two`);
      const sent = (): number => proxy.asked.filter(({ method }) => method === 'PUT').length;
      // two layers, a config, and two manifests
      expect(sent()).toBe(5);
      await (await Image.pull(`${proxy.host}${path}:one`)).push(`${proxy.host}${nameAt('')}:one`);
      expect(
        proxy.asked.filter(({ path: asked }) => asked.includes('mount=') && asked.includes(`from=${encodeURIComponent(path.slice(1))}`)),
      ).toHaveLength(3);
      expect(sent()).toBe(6);
      const [other] = await Image.load(layoutOf({ 'local/other:one': [LAYERS[0] ?? {}, { 'opt/other': 'x' }] }, folder));
      await other?.push(`${proxy.host}${nameAt('')}:one`);
      // what the two have in common is known to be there
      const mounted = proxy.asked.filter(({ path: asked }) =>
        asked.includes(`mount=${encodeURIComponent(other?.layers[0]?.digest ?? '')}`),
      );
      expect(mounted).toHaveLength(2);
      expect(sent()).toBe(9);
    } finally {
      await proxy.close();
    }
  });

  it('sends what is large in parts', async () => {
    const proxy = await startProxy(plain.host);
    try {
      const noise = Array.from({ length: 30_000 }, (_, i) => digestOf(`${i}`)).join('');
      const image = await loaded([{ noise, 'etc/base': '' }]);
      const name = `${proxy.host}${nameAt('')}:one`;
      await image.push(name, { chunkSize: '256k' });
      const parts = proxy.asked.filter(({ method }) => method === 'PATCH').map(({ headers }) => headers['content-range']);
      expect(parts.length).toBeGreaterThan(2);
      expect(parts[1]).toBe(`${256 * 1024}-${512 * 1024 - 1}`);
      store.renew();
      expect(await Image.pull(name)).toMatchObject({ digest: image.digest });
    } finally {
      await proxy.close();
    }
  });

  it('asks for no more than it needs to know who may', async () => {
    const image = await loaded();
    const name = nameAt(guarded.host);
    await expect(image.push(name, { insecure: true })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
    expect(await image.push(name, { insecure: true, auth: SOMEBODY })).toEqual({ digest: image.digest });
  });

  it('refuses what can not be pushed, or not there', async () => {
    await expect(Image.host().push(`${plain.host}/host`)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
    const image = await loaded();
    await expect(image.push(`${plain.host}/a@${image.digest}`)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(image.push('dir:/tmp')).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(image.push(`${plain.host}/a`, { chunkSize: 1 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});
