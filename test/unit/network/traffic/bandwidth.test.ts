import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bandwidth, bucketFor, parsedBandwidth } from '../../../../lib/network/traffic/bandwidth.js';

const [LEAST, MOST] = [1024, 64 * 1024 ** 3];

it('is given for one direction or both, as sizes', () => {
  expect(parsedBandwidth(bandwidth.parse({ egress: '1m', ingress: 2048 }))).toEqual({ egress: 1024 ** 2, ingress: 2048 });
  expect(parsedBandwidth(bandwidth.parse({ egress: '1k' }))).toEqual({ egress: 1024, ingress: null });
  expect(parsedBandwidth(bandwidth.parse({ ingress: '64g' }))).toEqual({ egress: null, ingress: MOST });
});

it.each([
  [{}, 'must have egress, ingress or both'],
  [{ egress: undefined }, 'must have egress, ingress or both'],
  [{ egress: 0 }, 'must be from 1024 to 68719476736 bytes a second, not 0'],
  [{ ingress: 1023 }, 'must be from 1024 to 68719476736 bytes a second, not 1023'],
  [{ ingress: MOST + 1 }, 'must be from 1024 to 68719476736 bytes a second, not 68719476737'],
  [{ egress: 'fast' }, "must be a size: bytes as a whole number, or a string such as '512k', '256m', '1.5g', not \"fast\""],
  [{ egress: -1 }, "must be a size: bytes as a whole number, or a string such as '512k', '256m', '1.5g', not -1"],
])('%j is refused', (value, message) => {
  expect(bandwidth.safeParse(value).error?.issues.map((issue) => issue.message)).toEqual([message]);
});

it('is kept by a bucket whose numbers the kernel has room for', () => {
  fc.assert(
    fc.property(fc.integer({ min: LEAST, max: MOST }), (rate) => {
      const { burst, limit, rate: kept } = bucketFor(rate);
      expect(kept).toBe(rate);
      // a whole packet of segments (GSO) fits, and more may wait than goes at once
      expect(burst).toBeGreaterThanOrEqual(64 * 1024);
      expect(limit).toBeGreaterThan(burst);
      expect(limit).toBeLessThan(2 ** 32);
    }),
  );
});
