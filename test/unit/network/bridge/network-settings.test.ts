import { describe, expect, it } from 'vitest';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../../lib/network/address.js';
import { hostEndName, macOf } from '../../../../lib/network/bridge/host-end.js';
import { networkName, parseNetworkOptions } from '../../../../lib/network/bridge/network-options.js';
import { gatewaysOf, networkSchema, numbersOf, settleNetwork } from '../../../../lib/network/bridge/network-settings.js';

const cidr = (text: string): Cidr => {
  const read = parseCidr(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
};
const address = (text: string): Address => {
  const read = parseAddress(text);
  if (typeof read === 'string') throw new Error(read);
  return read;
};

const createdAt = new Date('2026-11-28T12:00:00Z');
const settle = (options: object = {}, ...taken: string[]) =>
  settleNetwork(parseNetworkOptions(options), {
    taken: taken.map((text) => ({ subnet: cidr(text), whose: 'the network shop' })),
    random: Uint8Array.of(1, 2, 3, 4, 5),
    createdAt,
  });

describe('a network', () => {
  it('has a subnet of the pools, its first address, and nothing else that was not asked for', () => {
    expect(settle()).toEqual({
      driver: 'bridge',
      subnets: [{ subnet: '10.89.0.0/24', gateway: '10.89.0.1' }],
      range: null,
      internal: false,
      mtu: null,
      labels: {},
      persist: false,
      createdAt: '2026-11-28T12:00:00.000Z',
    });
    expect(networkSchema.parse(settle())).toEqual(settle());
  });

  it('takes the next subnet where others have one', () => {
    expect(settle({}, '10.89.0.0/24').subnets).toEqual([{ subnet: '10.89.1.0/24', gateway: '10.89.1.1' }]);
  });

  it('says so when all of the pools are taken', () => {
    expect(() => settle({}, '10.0.0.0/8')).toThrow(expect.objectContaining({ code: 'ERR_NO_SUBNET' }));
  });

  it('has a random subnet of IPv6 beside, when that is wanted', () => {
    expect(settle({ ipv6: true }).subnets).toEqual([
      { subnet: '10.89.0.0/24', gateway: '10.89.0.1' },
      { subnet: 'fd01:203:405::/64', gateway: 'fd01:203:405::1' },
    ]);
  });

  it('may have IPv6 alone', () => {
    expect(settle({ subnet: 'fd00:1::/64' }).subnets).toEqual([{ subnet: 'fd00:1::/64', gateway: 'fd00:1::1' }]);
  });

  it('has the gateway at one number in both families', () => {
    const { subnets } = settle({ subnet: ['fd00:1::/64', '10.1.0.0/24'], gateway: '10.1.0.254' });
    expect(subnets).toEqual([
      { subnet: '10.1.0.0/24', gateway: '10.1.0.254' },
      { subnet: 'fd00:1::/64', gateway: 'fd00:1::fe' },
    ]);
    expect(gatewaysOf({ subnets }).map(({ text }) => text)).toEqual(['10.1.0.254/24', 'fd00:1::fe/64']);
  });

  it('refuses a subnet that others have, and says who', () => {
    expect(() => settle({ subnet: '10.1.0.0/16' }, '10.1.7.0/24')).toThrow(
      'option subnet: 10.1.0.0/16 overlaps 10.1.7.0/24, which the network shop has',
    );
  });

  it.each([
    [{ subnet: '10.1.0.1/24' }, 'option subnet: is 10.1.0.1/24, an address in the subnet 10.1.0.0/24: give the subnet'],
    [{ subnet: '10.1.0.0' }, "option subnet: '10.1.0.0' is not in CIDR notation, such as '10.0.0.1/24'"],
    [{ subnet: '10.1.0.0/31' }, 'option subnet: is 10.1.0.0/31, which has no two addresses for links'],
    [
      { subnet: '127.3.0.0/16' },
      'option subnet: is 127.3.0.0/16, which overlaps 127.0.0.0/8: the kernel sends nothing of that from a link to another',
    ],
    [
      { subnet: ['10.1.0.0/24', 'fe80::/64'] },
      'option subnet: is fe80::/64, which overlaps fe80::/10: the kernel sends nothing of that from a link to another',
    ],
    [{ subnet: ['10.1.0.0/24', '10.2.0.0/24'] }, 'option subnet: has two of one family: a network has one at most'],
    [
      { subnet: ['10.1.0.0/16', 'fd00::/120'] },
      'option subnet: has fewer addresses in fd00::/120 than in 10.1.0.0/16: a container has the same number in both',
    ],
    [{ subnet: '10.1.0.0/24', gateway: '10.2.0.1' }, 'option gateway: is 10.2.0.1, which no link in 10.1.0.0/24 can have'],
    [{ subnet: '10.1.0.0/24', gateway: '10.1.0.255' }, 'option gateway: is 10.1.0.255, which no link in 10.1.0.0/24 can have'],
    [{ subnet: '10.1.0.0/24', gateway: '10.1.0.0' }, 'option gateway: is 10.1.0.0, which no link in 10.1.0.0/24 can have'],
    [{ gateway: '10.1.0.1' }, 'option gateway: needs subnet: it is an address in it'],
    [{ range: '10.1.0.0/25' }, 'option range: needs subnet: it is a part of it'],
    [{ subnet: '10.1.0.0/24', range: '10.1.1.0/25' }, 'option range: is 10.1.1.0/25, which is no part of 10.1.0.0/24'],
    [{ subnet: '10.1.0.0/24', range: '10.1.0.0/16' }, 'option range: is 10.1.0.0/16, which is no part of 10.1.0.0/24'],
    [{ subnet: '10.1.0.0/24', range: '10.1.0.1/32' }, 'option range: is 10.1.0.1/32, which has no address for a container'],
    [{ subnet: '10.1.0.0/24', range: '10.1.0.0/31' }, 'option range: is 10.1.0.0/31, which has no address for a container'],
    [{ subnet: '10.1.0.0/24', range: '10.1.0.255/32' }, 'option range: is 10.1.0.255/32, which has no address for a container'],
    [{ subnet: '10.1.0.0/24', gateway: '10.1.0.9', range: '10.1.0.9/32' }, 'option range: is 10.1.0.9/32, which has no address'],
    [{ subnet: 'fd00::/64', range: 'fd00::1/128' }, 'option range: is fd00::1/128, which has no address for a container'],
    [{ ipv6: true, mtu: 1000 }, 'option mtu: must be at least 1280 with IPv6, not 1000'],
  ])('refuses %j', (options, message) => {
    expect(() => settle(options)).toThrow(message);
  });

  it.each(['', '-a', 'a/b', '..', 'a b', 'a'.repeat(129), 'none', 'host', 'default'])('can not be called %j', (name) => {
    expect(networkName.safeParse(name).success).toBe(false);
  });
});

describe('the numbers of a network', () => {
  const of = (options: object, all = false) => {
    const { first, last, gateway } = numbersOf(settle(options), { all });
    return [first, last, gateway].map(Number);
  };

  it('leave out its own address and the broadcast address', () => {
    expect(of({ subnet: '10.1.0.0/24' })).toEqual([1, 254, 1]);
  });

  it('are those of the range, but for who asks for one', () => {
    const options = { subnet: '10.1.0.0/24', range: '10.1.0.64/26' };
    expect(of(options)).toEqual([64, 127, 1]);
    expect(of(options, true)).toEqual([1, 254, 1]);
  });

  it('may be one', () => {
    expect(of({ subnet: '10.1.0.0/24', range: '10.1.0.9/32' })).toEqual([9, 9, 1]);
  });

  it('leave out the same where the range begins or ends with the subnet', () => {
    expect(of({ subnet: '10.1.0.0/24', range: '10.1.0.0/25' })).toEqual([1, 127, 1]);
    expect(of({ subnet: '10.1.0.0/24', range: '10.1.0.128/25' })).toEqual([128, 254, 1]);
  });
});

describe('what follows from an address', () => {
  it('is the name of the port, which a link can have', () => {
    expect(hostEndName(address('10.89.0.2'))).toBe('nclv0a590002');
    expect(hostEndName(address('fd00::2'))).toMatch(/^nclv[0-9a-f]{8}$/);
    expect(hostEndName(address('fd00::2'))).not.toBe(hostEndName(address('fd00::3')));
  });

  it('is a MAC address of one link, given locally', () => {
    expect(Buffer.from(macOf(address('10.89.0.2'))).toString('hex')).toBe('026e0a590002');
  });
});
