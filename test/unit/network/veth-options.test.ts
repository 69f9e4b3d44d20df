import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, formatMac, parseAddress, parseCidr, parseMac } from '../../../lib/network/address.js';
import { nameProblem, parseVethOptions } from '../../../lib/network/veth-options.js';

describe('addresses', () => {
  it.each([
    ['10.0.0.1/24', '10.0.0.1/24', 4],
    ['fd00:0:0:0:0:0:0:1/64', 'fd00::1/64', 6],
    ['FE80::A/10', 'fe80::a/10', 6],
    ['192.168.1.1/32', '192.168.1.1/32', 4],
  ])('%s is %s', (given, text, family) => {
    expect(parseCidr(given)).toMatchObject({ text, family });
  });

  it.each([
    '10.0.0.1',
    '10.0.0.1/33',
    'fd00::1/129',
    '10.0.0/24',
    '0x7f.1/8',
    '010.0.0.1/8',
    '10.0.0.1/',
    '10.0.0.1/-1',
    '/24',
    'fe80::1%eth0/64',
    '224.0.0.1/4',
    'ff02::1/16',
    '0.0.0.0/0',
    '::/0',
    '255.255.255.255/32',
    '',
  ])("'%s' is refused in words", (given) => {
    expect(parseCidr(given)).toBeTypeOf('string');
  });

  it('are the bytes that they say, and lie in their own subnet', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (ip, prefix) => {
        const subnet = parseCidr(`${ip}/${prefix}`);
        if (typeof subnet === 'string') return;
        expect([...subnet.bytes].join('.')).toBe(ip);
        expect(contains(subnet, subnet)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        const address = parseAddress(ip);
        if (typeof address === 'string') return;
        expect(isIP(address.text)).toBe(6);
        expect(parseAddress(address.text)).toEqual(address);
      }),
    );
  });

  it('know the edge of a subnet', () => {
    const subnet = parseCidr('10.1.2.0/23');
    const inside = parseAddress('10.1.3.255');
    const outside = parseAddress('10.1.4.0');
    if (typeof subnet === 'string' || typeof inside === 'string' || typeof outside === 'string') throw new Error('not read');
    expect([contains(subnet, inside), contains(subnet, outside)]).toEqual([true, false]);
  });
});

describe('MAC addresses', () => {
  it('come back', () => {
    const bytes = parseMac('02:42:AC:11:00:ff');
    expect(typeof bytes === 'string' ? bytes : formatMac(bytes)).toBe('02:42:ac:11:00:ff');
  });

  it.each(['', '02:42:ac:11:00', '02-42-ac-11-00-02', '02:42:ac:11:00:0g', '01:00:5e:00:00:01', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'])(
    "'%s' is refused",
    (given) => {
      expect(parseMac(given)).toBeTypeOf('string');
    },
  );
});

describe('names of links', () => {
  it.each(['a', 'eth0', 'fifteen-bytes-1', 'ü', '日本語網路'])("'%s' is one", (name) => {
    expect(nameProblem(name)).toBeNull();
  });

  it.each(['', '.', '..', 'sixteen-bytes-16', 'a b', 'a\tb', 'a\nb', 'a/b', 'eth0:1', 'veth%d', 'nul\0', '\u00a0', 'à', '日本語日本語'])(
    "'%s' is none",
    (name) => {
      expect(nameProblem(name)).toBeTypeOf('string');
    },
  );
});

describe('options of a pair', () => {
  const peer = { fd: 7, type: 'net' };

  it('have defaults', () => {
    expect(parseVethOptions({ peer: 1 })).toEqual({ peer: 1, address: [], peerAddress: [], persist: false });
  });

  it('take one address or a list', () => {
    expect(parseVethOptions({ peer, address: '10.0.0.1/24' }).address.map(({ text }) => text)).toEqual(['10.0.0.1/24']);
    expect(parseVethOptions({ peer, peerAddress: ['10.0.0.2/24', 'fd00::2/64'] }).peerAddress).toHaveLength(2);
  });

  it('take a gateway in a subnet of the peer, or on the link', () => {
    expect(parseVethOptions({ peer, peerAddress: '10.0.0.2/24', gateway: '10.0.0.1' }).gateway?.text).toBe('10.0.0.1');
    expect(parseVethOptions({ peer, gateway: 'fe80::1' }).gateway?.text).toBe('fe80::1');
  });

  it.each<[string, object, string]>([
    ['no peer', {}, 'option peer:'],
    ['a namespace of another type', { peer: { fd: 7, type: 'pid' } }, 'option peer: must be a network namespace'],
    ['a namespace without a descriptor', { peer, namespace: { fd: -1 } }, 'option namespace: must be a network namespace'],
    ['a pid of nothing', { peer: 0 }, 'option peer:'],
    ['an unknown key', { peer, adress: '10.0.0.1/24' }, "did you mean 'address'"],
    ['a long name', { peer, name: 'sixteen-bytes-16' }, 'option name:'],
    ['a bad peer name', { peer, peerName: 'a/b' }, 'option peerName:'],
    ['a bad bridge', { peer, bridge: 'a b' }, 'option bridge:'],
    ['an address without a prefix', { peer, address: '10.0.0.1' }, 'option address: '],
    ['one bad address of two', { peer, peerAddress: ['10.0.0.2/24', 'x'] }, 'option peerAddress[1]: '],
    ['an address twice', { peer, address: ['10.0.0.1/24', '10.0.0.1/16'] }, 'option address: 10.0.0.1/16 is given twice'],
    [
      'an address on both ends',
      { peer, address: 'fd00::1/64', peerAddress: 'fd00:0::1/64' },
      'option peerAddress: fd00::1/64 is given twice',
    ],
    [
      'a gateway elsewhere',
      { peer, peerAddress: '10.0.0.2/24', gateway: '10.0.1.1' },
      'option gateway: 10.0.1.1 is in no subnet of peerAddress (10.0.0.2/24)',
    ],
    ['a gateway of another family', { peer, peerAddress: '10.0.0.2/24', gateway: 'fd00::1' }, 'option gateway: '],
    [
      "the peer's own gateway",
      { peer, peerAddress: '10.0.0.2/24', gateway: '10.0.0.2' },
      "option gateway: 10.0.0.2 is the peer's own address",
    ],
    ['a small MTU', { peer, mtu: 67 }, 'option mtu: must be at least 68'],
    ['a large MTU', { peer, mtu: 65536 }, 'option mtu: must be at most 65535'],
    ['half an MTU', { peer, mtu: 1400.5 }, 'option mtu: '],
    ['an MTU too small for IPv6', { peer, mtu: 1000, address: 'fd00::1/64' }, 'option mtu: must be at least 1280'],
    ['a multicast MAC', { peer, mac: '01:00:00:00:00:01' }, 'option mac: '],
    ['the same MAC twice', { peer, mac: '02:00:00:00:00:01', peerMac: '02:00:00:00:00:01' }, 'option peerMac: is the same as mac'],
  ])('with %s are refused', (_, options, problem) => {
    expect(() => parseVethOptions(options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(problem) }),
    );
  });
});
