import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openBlobIn, openLayout } from '../../../lib/image/formats/oci-layout.js';
import { unpackLimits } from '../../../lib/image/formats/unpack-limits.js';
import { unpackedLayers } from '../../../lib/image/layers/unpacked-layers.js';
import { Arrival } from '../../../lib/image/store/arrival.js';
import type { ProgressEvent } from '../../../lib/index.js';
import { Image } from '../../../lib/index.js';
import { FAULT_NEEDS, type Fault, useFaultyRegistry } from '../../fixtures/faulty-registry.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { it } = requires(FAULT_NEEDS);

const folder = temporaryFolder();
const store = useNewStore(folder);
const { placed, proxied } = useFaultyRegistry(folder, store);

const below = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
/** What is in the layers that are being unpacked. */
const unpacking = (): string[] => below(join(store.root, 'tmp')).flatMap((name) => below(join(store.root, 'tmp', name, 'fs')));
/** What is left in the store of a layer. */
const left = (): string[] => ['tmp', 'layers/sha256', 'ingest'].flatMap((part) => below(join(store.root, part)));
const whole = async (image: Image): Promise<string> => {
  const { mounts } = await recipeOf(image);
  return readFileSync(join(mounts[0]?.lower?.[0] ?? '', 'n'), 'utf8');
};

/** Gives the layer's bytes but for the last ones, which come when what there is of it is being unpacked. */
function inTwoParts(layer: string, last: (bytes: Buffer) => Buffer | null): Fault {
  return async ({ path, pass, response }) => {
    if (!path.endsWith(layer)) return;
    const { status, headers, body } = await pass();
    response.writeHead(status, headers);
    response.write(body.subarray(0, -1000));
    await until('the layer is being unpacked', () => unpacking().length > 0);
    const rest = last(body.subarray(-1000));
    if (rest === null) response.destroy();
    else response.end(rest);
  };
}

const forged = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => byte ^ 1));

it('unpacks a layer while it comes, and tells of that afterwards', async () => {
  const { path, digest, layer, size } = await placed();
  const proxy = await proxied(inTwoParts(layer, (bytes) => bytes));
  const events: ProgressEvent[] = [];
  const image = await Image.pull(`${proxy.host}${path}`, { onProgress: (event) => events.push(event) });
  expect(image.digest).toBe(digest);
  expect(await whole(image)).toMatch(/^\d+$/);
  const statuses = events.map(({ status }) => status);
  const told = statuses.filter((status, index) => status !== statuses[index - 1]);
  expect(told).toEqual(['downloading', 'downloaded', 'unpacking', 'done']);
  expect(events.at(-2)).toMatchObject({ status: 'unpacking', bytes: size, total: size });
  expect(below(join(store.root, 'tmp'))).toEqual([]);
});

it('keeps nothing of a layer whose last bytes are wrong, and says what is wrong with the blob', async () => {
  const { path, layer } = await placed();
  const wrong = await proxied(inTwoParts(layer, forged));
  await expect(Image.pull(`${wrong.host}${path}`, { retries: 0 })).rejects.toThrow(`blob ${layer} is damaged or forged`);
  expect(left()).toEqual([]);
});

it('unpacks anew what a mirror gave wrong bytes for', async () => {
  const { path, digest, layer } = await placed();
  const mirror = await proxied(inTwoParts(layer, forged));
  const registry = await proxied(() => undefined);
  const image = await Image.pull(`${registry.host}${path}`, { mirrors: [mirror.host], retries: 0 });
  expect(image.digest).toBe(digest);
  expect(registry.asked.filter(({ path: asked }) => asked.endsWith(layer))).toHaveLength(1);
  expect(await whole(image)).toMatch(/^\d+$/);
  expect(below(join(store.root, 'tmp'))).toEqual([]);
});

it('goes on with a layer that was cut off while it was unpacked', async () => {
  const { path, digest, layer } = await placed();
  let cuts = 0;
  const cut = inTwoParts(layer, () => null);
  const proxy = await proxied((exchange) => (exchange.path.endsWith(layer) && cuts++ === 0 ? cut(exchange) : undefined));
  const image = await Image.pull(`${proxy.host}${path}`);
  expect(image.digest).toBe(digest);
  expect(await whole(image)).toMatch(/^\d+$/);
});

it('is ended by its signal without ending another pull of the same image', async () => {
  const { path, digest, layer } = await placed();
  const [first, second] = [new AbortController(), new AbortController()];
  let asked = 0;
  const proxy = await proxied(
    inTwoParts(layer, (bytes) => {
      if (asked++ === 0) first.abort(new Error('enough'));
      return bytes;
    }),
  );
  const pull = (cancelSignal: AbortSignal) => Image.pull(`${proxy.host}${path}`, { cancelSignal });
  const [one, two] = await Promise.allSettled([pull(first.signal), pull(second.signal)]);
  expect(one).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
  expect(two).toMatchObject({ status: 'fulfilled', value: { digest } });
  expect(left()).toHaveLength(1);
});

/** An image of one layer, whose first bytes have come, and the arrival of one for whom the layer is there already. */
async function halfArrived() {
  const layout = layoutOf({ one: [{ file: 'content' }] }, folder);
  const source = await openLayout(layout, 'one', layout);
  const [layer] = source.manifest.layers;
  if (!layer) throw new Error('the image has no layer');
  const blob = await openBlobIn(layout, layer);
  const [coming, there] = [new Arrival(), new Arrival()];
  await coming.begin(blob);
  coming.grown(10);
  await there.end();
  return { source, layer, blob, coming, there };
}

it('is not ended by another pull of the same image that can bring the blob no more', async () => {
  const { source, blob, coming, there } = await halfArrived();
  let fail: (error: Error) => void = () => undefined;
  const whole = new Promise((_, reject) => {
    fail = reject;
  });
  // whoever brings a blob looks at its failure
  whole.catch(() => undefined);
  const options = { limits: unpackLimits.parse({}) };
  const one = unpackedLayers(source, options, [{ arrival: coming, whole }]);
  // so that the second one finds the first one at work
  await new Promise((resolve) => setImmediate(resolve));
  const two = unpackedLayers(source, options, [{ arrival: there, whole: Promise.resolve() }]);
  await new Promise((resolve) => setImmediate(resolve));
  fail(new Error('cut off'));
  await Promise.all([coming.end(), blob.close()]);
  await expect(one).rejects.toThrow('cut off');
  expect(readFileSync(join((await two)[0] ?? '', 'file'), 'utf8')).toBe('content');
});

it('goes on for another pull when the one that brought the blob has gone', async () => {
  const { source, layer, blob, coming, there } = await halfArrived();
  const [first, second] = [new AbortController(), new AbortController()];
  let arrive: () => void = () => undefined;
  const whole = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const unpack = ({ signal }: AbortController, arrival: Arrival, blobWhole: Promise<unknown>) =>
    unpackedLayers(source, { limits: unpackLimits.parse({}), signal }, [{ arrival, whole: blobWhole }]);
  const one = unpack(first, coming, whole);
  await until('it is being unpacked', () => below(join(store.root, 'tmp')).length > 0);
  const two = unpack(second, there, Promise.resolve());
  // so that the second one has joined the first one's work
  await new Promise((resolve) => setImmediate(resolve));
  first.abort(new Error('enough'));
  await expect(one).rejects.toThrow('enough');
  coming.grown(layer.size);
  arrive();
  await Promise.all([coming.end(), blob.close()]);
  expect(readFileSync(join((await two)[0] ?? '', 'file'), 'utf8')).toBe('content');
});

it('of two pulls at once unpacks a layer once', async () => {
  const { path, layer } = await placed();
  const proxy = await proxied(inTwoParts(layer, (bytes) => bytes));
  const events: ProgressEvent[] = [];
  const pull = () => Image.pull(`${proxy.host}${path}`, { onProgress: (event) => events.push(event) });
  await Promise.all([pull(), pull()]);
  expect(proxy.asked.filter(({ path: asked }) => asked.endsWith(layer))).toHaveLength(1);
  expect(events.filter(({ status }) => status === 'done')).toHaveLength(1);
});
