import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Cidr, parseCidr } from '../../../../lib/network/address.js';
import { addressAt, hostBits, inSubnet, lastNumber, numberIn, overlaps, subnetOf } from '../../../../lib/network/ipam/subnet.js';

function cidr(text: string): Cidr {
  const read = parseCidr(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

const four = fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 })).map(([ip, prefix]) => `${ip}/${prefix}`);
const six = fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 128 })).map(([ip, prefix]) => `${ip}/${prefix}`);
/** Whatever a link can have. */
const any = fc
  .oneof(four, six)
  .map(parseCidr)
  .filter((read): read is Cidr => typeof read !== 'string');

/** Node's own: the oracle. */
function holds({ bytes: _, text, prefix, family }: Cidr, other: string): boolean {
  const list = new BlockList();
  list.addSubnet(text.split('/')[0] ?? '', prefix, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(other, family === 4 ? 'ipv4' : 'ipv6');
}

describe('a subnet', () => {
  it.each([
    ['10.1.2.3/24', '10.1.2.0/24'],
    ['10.1.2.3/9', '10.0.0.0/9'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['fd00:1:2:3:4::5/64', 'fd00:1:2:3::/64'],
    ['2001:db8::ff/121', '2001:db8::80/121'],
  ])('of %s is %s', (given, subnet) => {
    expect(subnetOf(cidr(given)).text).toBe(subnet);
  });

  it('gives each number an address in it, and the number back', () => {
    fc.assert(
      fc.property(any, fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (subnet, drawn) => {
        const number = drawn % 2n ** BigInt(hostBits(subnet));
        const found = addressAt(subnet, number);
        expect(numberIn(subnet, found)).toBe(number);
        expect(holds(subnet, found.text)).toBe(true);
        expect(inSubnet(subnet, number).text).toBe(`${found.text}/${subnet.prefix}`);
      }),
    );
  });

  it('has no number for an address outside', () => {
    fc.assert(
      fc.property(any, any, (subnet, other) => {
        const isInside = subnet.family === other.family && holds(subnet, other.text.split('/')[0] ?? '');
        expect(numberIn(subnet, other) !== null).toBe(isInside);
      }),
    );
  });

  it("ends before IPv4's broadcast address, and with IPv6's last one", () => {
    expect(addressAt(cidr('10.0.0.0/24'), lastNumber(cidr('10.0.0.0/24'))).text).toBe('10.0.0.254');
    expect(addressAt(cidr('fd00::/120'), lastNumber(cidr('fd00::/120'))).text).toBe('fd00::ff');
  });

  it('overlaps another when one holds the other, whichever is asked', () => {
    fc.assert(
      fc.property(any, any, (one, other) => {
        const [first, second] = [subnetOf(one), subnetOf(other)];
        const isHeld =
          one.family === other.family && (holds(first, second.text.split('/')[0] ?? '') || holds(second, first.text.split('/')[0] ?? ''));
        expect(overlaps(one, other)).toBe(isHeld);
        expect(overlaps(other, one)).toBe(isHeld);
      }),
    );
  });

  it('overlaps none that lies right beside it', () => {
    expect(overlaps(cidr('10.0.0.0/24'), cidr('10.0.1.0/24'))).toBe(false);
    expect(overlaps(cidr('10.0.0.0/23'), cidr('10.0.1.0/24'))).toBe(true);
    expect(overlaps(cidr('10.0.0.0/23'), cidr('10.0.2.0/24'))).toBe(false);
  });
});
