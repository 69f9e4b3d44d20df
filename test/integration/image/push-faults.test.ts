import type { IncomingHttpHeaders } from 'node:http';
import { expect } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import { Image } from '../../../lib/index.js';
import { FAULT_NEEDS, useFaultyRegistry } from '../../fixtures/faulty-registry.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { it } = requires(FAULT_NEEDS);

const folder = temporaryFolder();
const store = useNewStore(folder);
const registry = useFaultyRegistry(folder, store);
const { loaded, proxied } = registry;

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

it('gives up at a registry that loses again and again what it took', async () => {
  const image = await loaded();
  const proxy = await proxied(({ method, path, headers, send }) => {
    if (method === 'GET' && path.includes('/uploads/')) send({ status: 204, headers: { location: path }, body: Buffer.alloc(0) });
    if (method !== 'PATCH') return;
    const isFirst = headers['content-range']?.startsWith('0-');
    send({
      status: isFirst ? 202 : 503,
      headers: isFirst ? { location: path, range: headers['content-range'] } : {},
      body: Buffer.alloc(0),
    });
  });
  await expect(image.push(`${proxy.host}/test/forgetful:one`, { chunkSize, retries: 2 })).rejects.toThrow(/503/);
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
