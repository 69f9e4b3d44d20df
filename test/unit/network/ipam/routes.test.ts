import { describe, expect, it } from 'vitest';
import { defaultLink, nameServers, onLink, parseRoutes, parseRoutes6 } from '../../../../lib/network/ipam/routes.js';

/** As Linux 6.18 on x86-64 writes them: two default routes, one half of a VPN, a subnet, and one of a link that is down. */
const FOUR = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eth0	00000000	010A000A	0003	0	0	100	00000000	0	0	0
tun0	00000000	0100080A	0003	0	0	0	00000080	0	0	0
eth0	000A000A	00000000	0001	0	0	100	00FFFFFF	0	0	0
down0	000B000A	00000000	0000	0	0	100	00FFFFFF	0	0	0
`;
const SIX = `fd000001000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000001 00000000 80200001 lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000001000000000000000000000001 00000400 00000001 00000000 00000003 eth1
`;

describe('routes', () => {
  it('of IPv4 tell the subnets on links, and not what a VPN leads elsewhere', () => {
    expect(onLink(parseRoutes(FOUR, 'LE')).map(({ text }) => text)).toEqual(['10.0.10.0/24']);
  });

  it('tell the link of the default route with the lowest metric', () => {
    expect(defaultLink(parseRoutes(FOUR, 'LE'))).toBe('eth0');
    expect(defaultLink(parseRoutes6(SIX))).toBe('eth1');
    expect(defaultLink([])).toBeNull();
  });

  it('have the byte order of the machine', () => {
    const text = FOUR.replaceAll('000A000A', '0A000A00').replaceAll('00FFFFFF', 'FFFFFF00');
    expect(onLink(parseRoutes(text, 'BE')).map(({ text: subnet }) => subnet)).toEqual(['10.0.10.0/24']);
  });

  it('of IPv6 tell the subnets on links, and not what each link has', () => {
    expect(onLink(parseRoutes6(SIX)).map(({ text }) => text)).toEqual(['fd00:1::/64']);
  });

  it('are none where the kernel says nothing', () => {
    expect([...parseRoutes(''), ...parseRoutes6('')]).toEqual([]);
  });
});

describe('name servers', () => {
  it('are those of resolv.conf, in both families, without a zone', () => {
    const text =
      '# nameserver 1.1.1.1\nnameserver 10.89.0.53\nsearch example.org\nnameserver\tfd00::53\nnameserver fe80::1%eth0\nnameserver x\n';
    expect(nameServers(text).map((server) => server.text)).toEqual(['10.89.0.53/32', 'fd00::53/128', 'fe80::1/128']);
  });
});
