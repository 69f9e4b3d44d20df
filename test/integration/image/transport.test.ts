import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import { Image } from '../../../lib/index.js';
import { startConnectProxy } from '../../fixtures/connect-proxy.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { makeCertificates, startRegistry, type TestCertificates, type TestRegistry } from '../../fixtures/registry.js';
import { IMAGE_TOOLS, layoutIn, nameAt, placed } from '../../fixtures/registry-images.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import type { LayerFiles } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = { root: true, tools: [...IMAGE_TOOLS, 'openssl'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

let secure: TestRegistry;
let tls: TestCertificates;
beforeAll(async () => {
  if (missing(needs).length > 0) return;
  tls = makeCertificates(folder);
  secure = await startRegistry(folder, { tls });
});
afterAll(async () => secure?.close());
const layout = (layers?: readonly LayerFiles[]): string => layoutIn(folder, layers);

describe('TLS', () => {
  it('is trusted by an authority that is named, or by nothing', async () => {
    const { name, digest } = placed(nameAt(secure.host), layout());
    await expect(Image.pull(name, { retries: 0 })).rejects.toThrow(/certificate|signed|issuer/);
    expect((await Image.pull(name, { ca: readFileSync(tls.ca, 'utf8') })).digest).toBe(digest);
    expect((await Image.pull(name, { ca: readFileSync(tls.ca) })).digest).toBe(digest);
    expect((await Image.pull(name, { insecure: true })).digest).toBe(digest);
  });
});

it('reaches a registry by its IPv6 address', async () => {
  const registry = await startRegistry(folder, { address: '[::1]' });
  try {
    const [image] = await Image.load(layout());
    const name = `${nameAt(registry.host)}:one`;
    const { digest } = (await image?.push(name)) ?? {};
    store.renew();
    expect(await Image.pull(name)).toMatchObject({ digest, reference: name });
    const said = await fetch(`http://${name.replace('/', '/v2/').replace(':one', '')}/manifests/one`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    expect(said.headers.get('docker-content-digest')).toBe(digest);
  } finally {
    await registry.close();
  }
});

describe('a proxy of the environment', () => {
  it('that never answers is not waited for longer than a server', async () => {
    const proxy = await startConnectProxy(null);
    process.env.HTTPS_PROXY = proxy.host;
    try {
      const began = performance.now();
      await expect(Image.pull('registry.invalid/app', { retries: 0, timeout: 200 })).rejects.toMatchObject({ name: 'ImageError' });
      expect(proxy.asked).toEqual(['registry.invalid:443']);
      // undici's own time-out is five minutes
      expect(performance.now() - began).toBeLessThan(60_000);
    } finally {
      delete process.env.HTTPS_PROXY;
      await proxy.close();
    }
  });

  it('is used, but not for what it is not for', async () => {
    const { name, digest } = placed(nameAt(secure.host), layout());
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
