import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { digestOf } from '../../../lib/image/formats/digest.js';
import { addBlob, hasBlob } from '../../../lib/image/store/blobs.js';
import { hold } from '../../../lib/store/lease.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const folder = temporaryFolder();
const store = useNewStore(folder);

const bytes = Buffer.from('the bytes of a blob, of which there are some');
const [digest, size] = [digestOf(bytes), bytes.length];
const ingest = (): string[] => (existsSync(join(store.root, 'ingest')) ? readdirSync(join(store.root, 'ingest')) : []);
const stored = (): string => readFileSync(join(store.root, 'blobs', digest.replace(':', '/')), 'utf8');

/** Notes from where it was read. */
function source(from: number[], make: (at: number) => Iterable<Buffer> = (at) => [bytes.subarray(at)]) {
  return {
    digest,
    size,
    open: (at: number) => {
      from.push(at);
      return Readable.from(make(at));
    },
  };
}

it('is there when its bytes were checked, for its user alone', async () => {
  const from: number[] = [];
  expect(await addBlob(source(from))).toBe('added');
  expect(await addBlob(source(from))).toBe('exists');
  expect(from).toEqual([0]);
  expect(stored()).toBe(bytes.toString());
  expect(ingest()).toEqual([]);
  for (const path of ['', 'blobs', 'blobs/sha256', 'ingest', `blobs/${digest.replace(':', '/')}`])
    expect(statSync(join(store.root, path)).mode & 0o077).toBe(0);
});

it('is read once by two at a time', async () => {
  const from: number[] = [];
  expect((await Promise.all([addBlob(source(from)), addBlob(source(from))])).sort()).toEqual(['added', 'exists']);
  expect(from).toEqual([0]);
});

it('is read once, at whatever instant the second one comes', async () => {
  // one thread for all files: so each step of the one is beside each of the other's
  const twice = await runNode<number[]>('add-blob-beside', [], { env: { UV_THREADPOOL_SIZE: '1' } });
  expect(twice).toEqual([]);
});

it('is read once by two processes at a time', async () => {
  const programs = [1, 2, 3].map(() => startNode('add-blob', [bytes.toString()]));
  const outputs = await Promise.all(programs.map(async ({ ended }) => (await ended).stdout.trim()));
  expect(outputs.sort()).toEqual(['added', 'exists', 'exists']);
});

it('goes on where it was cut off, and not from what is wrong', async () => {
  const from: number[] = [];
  const cut = source(from, function* (at) {
    yield bytes.subarray(at, 10);
    throw new Error('cut off');
  });
  await expect(addBlob(cut)).rejects.toThrow('cut off');
  expect(await hasBlob({ digest, size })).toBe(false);
  const seen: number[] = [];
  await addBlob(source(from), { onBytes: (count) => seen.push(count) });
  expect(from).toEqual([0, 10]);
  expect(seen).toEqual([10, size]);
  expect(stored()).toBe(bytes.toString());
});

it.each<[string, (at: number) => Buffer[], RegExp, number]>([
  ['of other bytes', () => [Buffer.alloc(size, 'x')], /is damaged or forged: its bytes have the digest sha256:/, 0],
  ['that is longer', () => [bytes, bytes], /is longer than the 44 bytes/, 0],
  ['that ends too early', () => [bytes.subarray(0, 7)], /ended after 7 of the 44 bytes/, 7],
])('is refused when it comes from a source %s', async (_, make, message, next) => {
  const from: number[] = [];
  await expect(addBlob(source(from, make))).rejects.toMatchObject({ name: 'ImageError', message: expect.stringMatching(message) });
  expect(await hasBlob({ digest, size })).toBe(false);
  await addBlob(source(from));
  expect(from).toEqual([0, next]);
});

it('ends by a signal, while it is read and while it waits for another', async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  let one: Promise<unknown> = Promise.resolve();
  await new Promise<void>((read) => {
    one = addBlob({ digest, size, open: () => new Readable({ read: () => read() }) }, { signal: first.signal });
  });
  const two = addBlob(source([]), { signal: second.signal });
  second.abort(new Error('the second'));
  await expect(two).rejects.toThrow('the second');
  first.abort(new Error('the first'));
  await expect(one).rejects.toThrow('the first');
  expect(await addBlob(source([]))).toBe('added');
});

it('says where the store can’t be written to', async () => {
  process.env.NACELLE_ROOT = '/proc/nowhere';
  await expect(hold([])).rejects.toMatchObject({
    name: 'ImageError',
    message: expect.stringMatching(/^use the store \/proc\/nowhere: ENOENT/),
  });
});
