import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cidr, parseCidr } from '../../../../lib/network/address.js';
import { freeSubnet, localSubnet } from '../../../../lib/network/ipam/pools.js';
import { overlaps } from '../../../../lib/network/ipam/subnet.js';

const read = (text: string): Cidr => {
  const cidr = parseCidr(text);
  if (typeof cidr === 'string') throw new Error(cidr);
  return cidr;
};
const free = (...taken: string[]) => freeSubnet(taken.map(read))?.text ?? null;

describe('the pools', () => {
  it("begin as podman's", () => {
    expect(free()).toBe('10.89.0.0/24');
  });

  it.each([
    [['10.89.0.0/24'], '10.89.1.0/24'],
    [['10.89.0.7/32'], '10.89.1.0/24'],
    [['10.89.0.0/16'], '10.90.0.0/24'],
    [['10.89.0.0/16', '10.90.0.0/16'], '10.91.0.0/24'],
    [['10.89.0.0/16', '10.90.0.0/15'], '10.92.0.0/24'],
    [['10.80.0.0/12'], '10.96.0.0/24'],
    [['10.0.0.0/9'], '10.128.0.0/24'],
    [['fd00::/8', '172.16.0.0/12'], '10.89.0.0/24'],
  ])('go on after %j with %s', (taken, next) => {
    expect(free(...taken)).toBe(next);
  });

  it('are at an end when somebody has all of it', () => {
    expect(free('10.0.0.0/8')).toBeNull();
  });

  it('never give what overlaps', () => {
    const some = fc.array(
      fc.tuple(fc.integer({ min: 80, max: 140 }), fc.nat(255), fc.integer({ min: 9, max: 30 })).map(([a, b, c]) => `10.${a}.${b}.0/${c}`),
    );
    fc.assert(
      fc.property(some, (taken) => {
        const subnets = taken.map(read);
        const found = freeSubnet(subnets);
        expect(found !== null && subnets.some((other) => overlaps(found, other))).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it("make IPv6's of random bytes, as RFC 4193 has it", () => {
    expect(localSubnet(Uint8Array.of(1, 2, 3, 4, 5)).text).toBe('fd01:203:405::/64');
  });
});
