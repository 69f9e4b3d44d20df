import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CACHE_CONFIG,
  type CacheRecord,
  cacheDocuments,
  parseCacheConfig,
  parseCacheManifest,
} from '../../../lib/build/cache/cache-config.js';
import { ImageError } from '../../../lib/errors.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `sha256:${Buffer.from(bytes).toString('hex')}`);
const layer = fc.record({
  digest,
  size: fc.nat(),
  compression: fc.constantFrom('gzip' as const, 'zstd' as const, 'none' as const),
  diffId: digest,
});
const record = fc.record({ key: digest, layer: fc.option(layer), created: fc.nat(253_402_300_799) });
const records: fc.Arbitrary<CacheRecord[]> = fc
  .uniqueArray(record, { selector: ({ key }) => key })
  .map((all) => all.map((one) => (one.layer ? one : { ...one, created: 0 })));
const byKey = (all: readonly CacheRecord[]): CacheRecord[] => all.toSorted(({ key: a }, { key: b }) => (a < b ? -1 : 1));

describe('the documents of a cache', () => {
  test('say what was written, and are the same whatever the order', () => {
    fc.assert(
      fc.property(records, (given) => {
        const { config, layers } = cacheDocuments(given);
        expect(parseCacheConfig(config, layers, 'x')).toEqual(byKey(given));
        expect(cacheDocuments(given.toReversed())).toEqual({ config, layers });
      }),
    );
  });

  test('that are anything else are an error of images', () => {
    const documents = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record({ layers: fc.array(fc.json()), records: fc.array(fc.json()) }).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(documents, (text) => {
        for (const parse of [() => parseCacheConfig(Buffer.from(text), [], 'x'), () => parseCacheManifest(Buffer.from(text), 'x')]) {
          try {
            parse();
          } catch (error) {
            expect(error).toBeInstanceOf(ImageError);
          }
        }
      }),
    );
  });
});

const a = `sha256:${'a'.repeat(64)}`;
const b = `sha256:${'b'.repeat(64)}`;
const config = { mediaType: CACHE_CONFIG, digest: a, size: 1 };
const blob = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: b,
  size: 2,
  annotations: { 'containerd.io/uncompressed': a },
};

test.each([
  ['a manifest', { schemaVersion: 2, config, layers: [blob] }],
  ['an index, as older versions of BuildKit write', { schemaVersion: 2, manifests: [blob, config] }],
])('the layers of %s', (_, document) => {
  expect(parseCacheManifest(Buffer.from(JSON.stringify(document)), 'x')).toEqual({ config, layers: [blob] });
});

test("an image is no cache's manifest", () => {
  const image = { schemaVersion: 2, config: { ...config, mediaType: 'application/vnd.oci.image.config.v1+json' }, layers: [blob] };
  expect(() => parseCacheManifest(Buffer.from(JSON.stringify(image)), 'x')).toThrow('x is no build cache');
});

test('records of BuildKit are read; those without a whole layer are left out', () => {
  const document = {
    layers: [
      { blob: b, parent: -1 },
      { blob: a, parent: 0 },
    ],
    records: [
      { digest: a, layers: [{ layer: 0, createdAt: '2001-09-09T01:46:40.5Z' }], inputs: [[{ selector: 'x', link: 1 }]] },
      { digest: b, layers: [{ layer: 1 }] },
      { digest: a, layers: [{ layer: 7 }] },
      { layers: [{ layer: 0 }] },
      { digest: 'md5:x' },
    ],
  };
  expect(parseCacheConfig(Buffer.from(JSON.stringify(document)), [blob], 'x')).toEqual([
    { key: a, layer: { digest: b, size: 2, compression: 'gzip', diffId: a }, created: 1_000_000_000 },
  ]);
});
