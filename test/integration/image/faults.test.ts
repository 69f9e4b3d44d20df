import { existsSync, readdirSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { digestOf } from '../../../lib/image/digest.js';
import { Image } from '../../../lib/index.js';
import { type Asked, type Exchange, type FaultProxy, startProxy } from '../../fixtures/fault-proxy.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { startRegistry, type TestRegistry } from '../../fixtures/registry.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const needs = { root: true, tools: ['tar', 'docker-registry'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
const store = useNewStore(folder);

/** Does not compress well, so that there is something to cut. */
const NOISE = Array.from({ length: 10_000 }, (_, i) => digestOf(`${i}`)).join('');

let registry: TestRegistry;
beforeAll(async () => {
  if (missing(needs).length === 0) registry = await startRegistry(folder);
});
afterAll(async () => registry?.close());

const proxies: FaultProxy[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});
async function proxied(fault: (exchange: Exchange) => Promise<void> | void, behind: string | null = registry.host): Promise<FaultProxy> {
  const proxy = await startProxy(behind, fault);
  proxies.push(proxy);
  return proxy;
}

let count = 0;
async function loaded(): Promise<Image> {
  const [image] = await Image.load(layoutOf({ 'local/app:one': [{ noise: NOISE, n: `${count++}` }] }, folder));
  if (!image) throw new Error('nothing was loaded');
  return image;
}

/** An image of one layer at the registry, which is not in the store. */
async function placed(): Promise<{ path: string; digest: string; layer: string; size: number }> {
  const image = await loaded();
  const path = `/test/faults${count}:one`;
  await image.push(`${registry.host}${path}`);
  store.renew();
  const { digest: layer = '', size = 0 } = image.layers[0] ?? {};
  return { path, digest: image.digest, layer, size };
}

const isBlob = ({ method, path }: Asked): boolean => method === 'GET' && path.includes('/blobs/sha256:');
const isLayer = (asked: Asked, layer: string): boolean => isBlob(asked) && asked.path.endsWith(layer);
const rangesOf = (proxy: FaultProxy, layer: string) =>
  proxy.asked.filter((asked) => isLayer(asked, layer)).map(({ headers }) => headers.range);
const blobsThere = (): string[] => {
  const path = join(store.root, 'blobs/sha256');
  return existsSync(path) ? readdirSync(path) : [];
};

/** Does it the first `times` that a request fits. */
function once(times: number, fits: (asked: Asked) => boolean, fault: (exchange: Exchange) => Promise<void> | void) {
  let left = times;
  return (exchange: Exchange): Promise<void> | void => {
    if (fits(exchange) && left-- > 0) return fault(exchange);
  };
}

/** The connection ends after so many bytes of the body. */
async function cut({ pass, response }: Exchange, bytes: number): Promise<void> {
  const { status, headers, body } = await pass();
  response.writeHead(status, headers);
  response.write(body.subarray(0, bytes), () => response.destroy());
}

describe('pull', () => {
  it('goes on where it was cut, more than once', async () => {
    const { path, digest, layer } = await placed();
    const proxy = await proxied(
      once(
        3,
        (asked) => isLayer(asked, layer),
        (exchange) => cut(exchange, 1000),
      ),
    );
    expect((await Image.pull(`${proxy.host}${path}`)).digest).toBe(digest);
    expect(rangesOf(proxy, layer)).toEqual([undefined, 'bytes=1000-', 'bytes=2000-', 'bytes=3000-']);
  });

  it('goes on at a server that knows no ranges', async () => {
    const { path, digest, layer } = await placed();
    const whole = once(
      99,
      (asked) => isLayer(asked, layer),
      async (exchange) => {
        const { range: _, ...headers } = exchange.headers;
        const answer = await fetch(`http://${registry.host}${exchange.path}`, { headers: { accept: headers.accept ?? '*/*' } });
        exchange.send({ status: 200, headers: {}, body: Buffer.from(await answer.arrayBuffer()) });
      },
    );
    let first = true;
    const proxy = await proxied((exchange) => {
      if (!isLayer(exchange, layer) || !first) return whole(exchange);
      first = false;
      return cut(exchange, 5000);
    });
    expect((await Image.pull(`${proxy.host}${path}`)).digest).toBe(digest);
    expect(rangesOf(proxy, layer)).toEqual([undefined, 'bytes=5000-']);
  });

  it('goes on in a later call, and in another process, where the last one gave up', async () => {
    const { path, digest, layer } = await placed();
    const proxy = await proxied(
      once(
        1,
        (asked) => isLayer(asked, layer),
        (exchange) => cut(exchange, 4000),
      ),
    );
    await expect(Image.pull(`${proxy.host}${path}`, { retries: 0 })).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    expect(blobsThere()).not.toContain(layer.slice('sha256:'.length));
    await expect(Image.open(`${proxy.host}${path}`)).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
    expect((await Image.pull(`${proxy.host}${path}`)).digest).toBe(digest);
    expect(rangesOf(proxy, layer)).toEqual([undefined, 'bytes=4000-']);
  });

  it.each([429, 500, 502, 503, 504])('tries again after %i, when the server says so', async (status) => {
    const { path, digest } = await placed();
    const times: number[] = [];
    const proxy = await proxied(
      once(
        2,
        ({ path: asked }) => asked.includes('/manifests/'),
        ({ send }) => {
          times.push(Date.now());
          send({ status, headers: { 'retry-after': '1' }, body: Buffer.from('later') });
        },
      ),
    );
    expect((await Image.pull(`${proxy.host}${path}`)).digest).toBe(digest);
    const [first = 0, second = 0] = times;
    expect(second - first).toBeGreaterThanOrEqual(900);
  });

  it('gives up after as many tries as it may make, and says what the server said', async () => {
    const { path } = await placed();
    const body = Buffer.from(JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'gone fishing\n\x1b[2J' }] }));
    const proxy = await proxied(
      ({ path: asked, send }) => (asked.includes('/manifests/') && send({ status: 503, headers: {}, body })) || undefined,
    );
    await expect(Image.pull(`${proxy.host}${path}`, { retries: 2 })).rejects.toThrow(/503, UNAVAILABLE: gone fishing \[2J$/);
    expect(proxy.asked.filter(({ path: asked }) => asked.includes('/manifests/'))).toHaveLength(3);
  });

  it('does not wait for ever, because a server says so', async () => {
    const { path } = await placed();
    const proxy = await proxied(({ send }) => send({ status: 429, headers: { 'retry-after': '86400' }, body: Buffer.alloc(0) }));
    await expect(Image.pull(`${proxy.host}${path}`)).rejects.toThrow(/429/);
  });

  it('refuses bytes that are others, too many or too few, and keeps none of them', async () => {
    const { path, digest, layer, size } = await placed();
    const wrong: [string, (body: Buffer) => Buffer, RegExp][] = [
      ['others', (body) => Buffer.concat([body.subarray(0, -1), Buffer.from([(body.at(-1) ?? 0) ^ 1])]), /damaged or forged/],
      ['more', (body) => Buffer.concat([body, Buffer.from('x')]), /longer than/],
      ['fewer', (body) => body.subarray(0, size - 1), new RegExp(`ended after ${size - 1} of ${size} bytes`)],
    ];
    for (const [, change, message] of wrong) {
      const proxy = await proxied(async ({ pass, send, ...asked }) => {
        if (!isLayer(asked, layer)) return;
        const { headers, body } = await pass();
        const changed = asked.headers.range ? Buffer.alloc(0) : change(body);
        send({ status: 200, headers: { ...headers, 'content-length': `${changed.length}` }, body: changed });
      });
      await expect(Image.pull(`${proxy.host}${path}`, { retries: 0 })).rejects.toThrow(message);
      expect(blobsThere()).not.toContain(layer.slice('sha256:'.length));
    }
    expect((await Image.pull(`${registry.host}${path}`)).digest).toBe(digest);
  });

  it('refuses a manifest that is not what its digest says, or two things at once', async () => {
    const { path, digest } = await placed();
    const forged = await proxied(async ({ path: asked, pass, send }) => {
      if (!asked.includes('/manifests/')) return;
      const answer = await pass();
      send({ ...answer, headers: {}, body: Buffer.concat([answer.body, Buffer.from(' ')]) });
    });
    await expect(Image.pull(`${forged.host}${path.replace(':one', `@${digest}`)}`)).rejects.toThrow(/damaged or forged/);
    const lying = await proxied(async ({ path: asked, pass, send }) => {
      if (!asked.includes('/manifests/')) return;
      const { body, ...answer } = await pass();
      const { 'content-length': _, 'docker-content-digest': __, ...headers } = answer.headers;
      send({ ...answer, headers, body: Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), manifests: [] })) });
    });
    await expect(Image.pull(`${lying.host}${path}`)).rejects.toThrow(/ambiguous/);
  });

  it('is content with a blob that was cut after its last byte', async () => {
    const { path, digest, layer } = await placed();
    const proxy = await proxied(
      once(
        1,
        (asked) => isLayer(asked, layer),
        async ({ pass, response }) => {
          const { body } = await pass();
          response.writeHead(200, {});
          response.write(body, () => response.destroy());
        },
      ),
    );
    expect((await Image.pull(`${proxy.host}${path}`)).digest).toBe(digest);
    expect(rangesOf(proxy, layer)).toEqual([undefined]);
  });

  it('gives up a server that is silent, and asks again', async () => {
    const { path, digest, layer } = await placed();
    const silent = await proxied(
      once(
        1,
        (asked) => isLayer(asked, layer),
        async ({ pass, response }) => {
          const { status, headers, body } = await pass();
          response.writeHead(status, headers);
          response.write(body.subarray(0, 2000));
        },
      ),
    );
    expect((await Image.pull(`${silent.host}${path}`, { timeout: 500 })).digest).toBe(digest);
    expect(rangesOf(silent, layer)).toEqual([undefined, 'bytes=2000-']);
  });

  it('ends when it is cancelled, by the reason, wherever it is', async () => {
    const { path, layer } = await placed();
    for (const silentAt of ['/manifests/', layer]) {
      const controller = new AbortController();
      const proxy = await proxied(({ path: asked, response }) => {
        if (!asked.includes(silentAt)) return;
        response.writeHead(200, { 'content-length': '5000' });
        response.write('x');
        controller.abort(new Error('enough'));
        return new Promise(() => undefined);
      });
      await expect(Image.pull(`${proxy.host}${path}`, { cancelSignal: controller.signal })).rejects.toThrow('enough');
    }
    const before = AbortSignal.abort(new Error('never'));
    await expect(Image.pull(`${registry.host}${path}`, { cancelSignal: before })).rejects.toThrow('never');
  });

  it('follows redirects, and takes no secret along to another port', async () => {
    const { path, digest, layer } = await placed();
    const elsewhere = await proxied(() => undefined);
    const auth = { username: 'somebody', password: 'secret' };
    const proxy = await proxied((exchange) => {
      const { headers, path: asked, response, send } = exchange;
      if (!headers.authorization) send({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' }, body: Buffer.alloc(0) });
      else if (isLayer(exchange, layer)) {
        response.writeHead(307, { location: `http://${elsewhere.host}${asked}` });
        response.end();
      }
    });
    expect((await Image.pull(`${proxy.host}${path}`, { auth })).digest).toBe(digest);
    expect(elsewhere.asked).toHaveLength(1);
    expect(elsewhere.asked[0]?.headers).not.toHaveProperty('authorization');
    const round = await proxied(({ path: asked, response }) => {
      response.writeHead(302, { location: asked });
      response.end();
    });
    await expect(Image.pull(`${round.host}${path}`)).rejects.toThrow(/more than 5 redirects/);
    const away = await proxied(({ response }) => {
      response.writeHead(302, { location: 'http://registry.invalid/' });
      response.end();
    });
    await expect(Image.pull(`${away.host}${path}`)).rejects.toThrow(/only HTTPS is trusted/);
  });

  it('gets tokens, for what it needs, and new ones when they are over', async () => {
    const { path, digest, layer } = await placed();
    let issued = 0;
    const tokens = await proxied(
      ({ send }) => send({ status: 200, headers: {}, body: Buffer.from(JSON.stringify({ token: `t${++issued}` })) }),
      null,
    );
    const proxy = await proxied((exchange) => {
      // the second one is needed from the layer on
      const wanted = isLayer(exchange, layer) ? 't2' : 't1';
      if (exchange.headers.authorization === `Bearer ${wanted}` || (wanted === 't1' && issued === 2)) return;
      const challenge = `Bearer realm="http://${tokens.host}/token",service="a \\"test\\"",error="invalid_token"`;
      exchange.send({ status: 401, headers: { 'www-authenticate': challenge }, body: Buffer.alloc(0) });
    });
    const auth = { username: 'somebody', password: 'secret' };
    expect((await Image.pull(`${proxy.host}${path}`, { auth })).digest).toBe(digest);
    expect(issued).toBe(2);
    const repository = path.slice(1).replace(':one', '');
    const asked = new URL(`http://x${tokens.asked[0]?.path}`).searchParams;
    expect(Object.fromEntries(asked)).toEqual({ service: 'a "test"', scope: `repository:${repository}:pull`, account: 'somebody' });
    expect(tokens.asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('somebody:secret').toString('base64')}`);
    store.renew();
    issued = 0;
    await Image.pull(`${proxy.host}${path}`, { auth: { identityToken: 'identity' } });
    expect(tokens.asked.at(-1)).toMatchObject({ method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    store.renew();
    await expect(Image.pull(`${proxy.host}${path}`, { auth: { token: 'not this' } })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });
});

describe('push', () => {
  const chunkSize = 64 * 1024;

  it('sends a part again that was cut, from where the registry has got', async () => {
    const image = await loaded();
    let parts = 0;
    const proxy = await proxied(({ method, response }) => {
      if (method === 'PATCH' && ++parts === 2) response.destroy();
    });
    await image.push(`${proxy.host}/test/parts:one`, { chunkSize });
    const stands = proxy.asked.filter(({ method, path }) => method === 'GET' && path.includes('/uploads/'));
    expect(stands).toHaveLength(1);
    store.renew();
    expect((await Image.pull(`${registry.host}/test/parts:one`)).digest).toBe(image.digest);
  });

  it.each([
    ['says 201 and how far it has got, as ECR does', 201, (headers: IncomingHttpHeaders) => headers],
    ['says 204, and not how far it has got', 204, ({ range: _, ...headers }: IncomingHttpHeaders) => headers],
  ])('sends parts to a registry that %s', async (_, status, change) => {
    const image = await loaded();
    const proxy = await proxied(async ({ method, pass, send }) => {
      if (method !== 'PATCH') return;
      const answer = await pass();
      send({ ...answer, status, headers: change(answer.headers) });
    });
    const path = `/test/parts-${status}:one`;
    await image.push(`${proxy.host}${path}`, { chunkSize });
    store.renew();
    expect((await Image.pull(`${registry.host}${path}`)).digest).toBe(image.digest);
  });

  it('sends a blob whole where parts get nowhere', async () => {
    const image = await loaded();
    const proxy = await proxied(async ({ method, pass, send }) => {
      if (method !== 'PATCH') return;
      const answer = await pass();
      send({ ...answer, headers: { ...answer.headers, range: '0-0' } });
    });
    await image.push(`${proxy.host}/test/stalled:one`, { chunkSize });
    expect(proxy.asked.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
    store.renew();
    expect((await Image.pull(`${registry.host}/test/stalled:one`)).digest).toBe(image.digest);
  });

  it('does not send again what arrived, when only the answer was lost', async () => {
    const image = await loaded();
    const proxy = await proxied(async ({ method, path, pass, response }) => {
      if (method !== 'PUT' || !path.includes('/uploads/')) return;
      await pass();
      response.destroy();
    });
    await image.push(`${proxy.host}/test/lost:one`);
    expect(proxy.asked.filter(({ method, path }) => method === 'PUT' && path.includes('/uploads/'))).toHaveLength(2);
  });

  it('begins anew when the registry has forgotten the upload, and after a failure that passes', async () => {
    const image = await loaded();
    let answers = [404, 503];
    const proxy = await proxied(({ method, path, send }) => {
      if (method !== 'PUT' || !path.includes('/uploads/')) return;
      const [status, ...rest] = answers;
      answers = rest;
      if (status !== undefined) send({ status, headers: { 'retry-after': '0' }, body: Buffer.alloc(0) });
    });
    await image.push(`${proxy.host}/test/anew:one`);
    store.renew();
    expect((await Image.pull(`${registry.host}/test/anew:one`)).digest).toBe(image.digest);
  });

  it('believes no registry that has understood another manifest', async () => {
    const image = await loaded();
    const proxy = await proxied(async ({ method, path, pass, send }) => {
      if (method !== 'PUT' || !path.includes('/manifests/')) return;
      const answer = await pass();
      send({ ...answer, headers: { ...answer.headers, 'docker-content-digest': digestOf('another') } });
    });
    await expect(image.push(`${proxy.host}/test/another:one`)).rejects.toThrow(/says that its digest is/);
  });

  it('ends when it is cancelled', async () => {
    const image = await loaded();
    const controller = new AbortController();
    const proxy = await proxied(({ method }) => {
      if (method !== 'PUT') return;
      controller.abort(new Error('enough'));
      return new Promise(() => undefined);
    });
    await expect(image.push(`${proxy.host}/test/cancelled:one`, { cancelSignal: controller.signal })).rejects.toThrow('enough');
  });
});

it('what was pulled runs: its layers are whole', async () => {
  const { path } = await placed();
  const { mounts } = await recipeOf(await Image.pull(`${registry.host}${path}`));
  expect(readdirSync(mounts[0]?.lower?.[0] ?? '')).toEqual(['n', 'noise']);
});
