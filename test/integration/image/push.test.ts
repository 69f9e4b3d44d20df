import { afterAll, beforeAll, expect } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import type { ProgressEvent } from '../../../lib/index.js';
import { Image } from '../../../lib/index.js';
import { startProxy } from '../../fixtures/fault-proxy.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { makeCertificates, SOMEBODY, startRegistry, type TestCertificates, type TestRegistry } from '../../fixtures/registry.js';
import { fileIn, IMAGE_TOOLS, LAYERS, nameAt, skopeo } from '../../fixtures/registry-images.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = { root: true, tools: [...IMAGE_TOOLS, 'openssl'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

let plain: TestRegistry;
let guarded: TestRegistry;
let tls: TestCertificates;
beforeAll(async () => {
  if (missing(needs).length > 0) return;
  tls = makeCertificates(folder);
  plain = await startRegistry(folder);
  guarded = await startRegistry(folder, { tls, password: true });
});
afterAll(async () => {
  for (const registry of [plain, guarded]) await registry?.close();
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
