import { once as eventOf } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Image } from '../../../lib/index.js';
import type { Asked, Exchange, FaultProxy } from '../../fixtures/fault-proxy.js';
import { FAULT_NEEDS, type Fault, useFaultyRegistry } from '../../fixtures/faulty-registry.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const { it } = requires(FAULT_NEEDS);

const folder = temporaryFolder();
const store = useNewStore(folder);
const registry = useFaultyRegistry(folder, store);
const { placed, proxied } = registry;

const isBlob = ({ method, path }: Asked): boolean => method === 'GET' && path.includes('/blobs/sha256:');
const isLayer = (asked: Asked, layer: string): boolean => isBlob(asked) && asked.path.endsWith(layer);
const rangesOf = (proxy: FaultProxy, layer: string) =>
  proxy.asked.filter((asked) => isLayer(asked, layer)).map(({ headers }) => headers.range);
const blobsThere = (): string[] => {
  const path = join(store.root, 'blobs/sha256');
  return existsSync(path) ? readdirSync(path) : [];
};

/** Does it the first `times` that a request fits. */
function once(times: number, fits: (asked: Asked) => boolean, fault: Fault): Fault {
  let left = times;
  return (exchange) => {
    if (fits(exchange) && left-- > 0) return fault(exchange);
  };
}

/** The connection ends after so many bytes of the body. */
async function cut({ pass, response }: Exchange, bytes: number): Promise<void> {
  const { status, headers, body } = await pass();
  response.writeHead(status, headers);
  response.write(body.subarray(0, bytes), () => response.destroy());
}

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

it('refuses a small blob that is longer than it should be, or another part, and lives on', async () => {
  const { path } = await placed();
  for (const [status, headers, message] of [
    [200, {}, /longer than/],
    [206, { 'content-range': 'bytes 7-8/9' }, /another part/],
  ] as const) {
    const proxy = await proxied(async ({ path: asked, pass, send }) => {
      if (!asked.includes('/blobs/')) return;
      const { body } = await pass();
      // in one piece: it has arrived before it is looked at
      const longer = Buffer.concat([body, Buffer.from('x')]);
      send({ status, headers: { ...headers, 'content-length': `${longer.length}` }, body: longer });
    });
    await expect(Image.pull(`${proxy.host}${path}`, { retries: 0 })).rejects.toThrow(message);
    // an error that nobody listens to comes a turn later
    for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
  }
});

it('hears a cancel before it has a connection', async () => {
  // it takes connections, and never says a word of TLS
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await eventOf(silent, 'listening');
  const connected = eventOf(silent, 'connection');
  const controller = new AbortController();
  const { port } = silent.address() as AddressInfo;
  const began = performance.now();
  const pulling = Image.pull(`127.0.0.1:${port}/a:1`, { cancelSignal: controller.signal });
  const [socket] = await connected;
  controller.abort(new Error('enough'));
  await expect(pulling).rejects.toThrow('enough');
  // a connection is waited for 30 s
  expect(performance.now() - began).toBeLessThan(15_000);
  socket.destroy();
  silent.close();
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

it('does not wait for the other layers, nor ask anybody else for them, when one is refused', async () => {
  const [image] = await Image.load(layoutOf({ 'local/two:one': [{ first: '1' }, { second: '2' }] }, folder));
  const second = image?.layers[1]?.digest ?? '';
  await image?.push(`${registry.host}/test/two:one`);
  store.renew();
  const origin = await proxied(() => undefined);
  const silent = await proxied((exchange) => (isLayer(exchange, second) ? new Promise(() => undefined) : undefined));
  const began = performance.now();
  const pulling = Image.pull(`${origin.host}/test/two:one`, { mirrors: [silent.host], limits: { maxEntries: 1 } });
  await expect(pulling).rejects.toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  expect(silent.asked.filter((asked) => isLayer(asked, second))).toHaveLength(1);
  expect(origin.asked).toEqual([]);
  // a server is waited for a minute
  expect(performance.now() - began).toBeLessThan(40_000);
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

it('what was pulled runs: its layers are whole', async () => {
  const { path } = await placed();
  const { mounts } = await recipeOf(await Image.pull(`${registry.host}${path}`));
  expect(readdirSync(mounts[0]?.lower?.[0] ?? '')).toEqual(['n', 'noise']);
});
