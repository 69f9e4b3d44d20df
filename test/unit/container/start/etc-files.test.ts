import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { etcFiles, reachableServers } from '../../../../lib/container/start/etc-files.js';
import { requireWithoutRoot } from '../../../../lib/container/start/without-root.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../../lib/network/address.js';
import type { Attachment } from '../../../../lib/network/bridge/join-networks.js';

function read<T extends object>(value: T | string): T {
  if (typeof value === 'string') throw new Error(value);
  return value;
}
const attached = (addresses: string[], gateways: string[] = []): Attachment => ({
  network: 'shop',
  interface: 'eth0',
  index: 100,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1500,
  addresses: addresses.map((text): Cidr => read(parseCidr(text))),
  gateways: gateways.map((text): Address => read(parseAddress(text))),
  port: { name: 'nclv0a010002', index: 2 ** 30 + 1 },
  bridge: 2 ** 30,
});
const options = (more: object = {}) => parseRunOptions({ image: 'host', command: ['true'], network: 'shop', ...more }, () => true);
const own = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

describe('the files of /etc in a network', () => {
  it("have the container's name for each of its addresses", () => {
    const attachments = [attached(['10.1.0.2/24', 'fd00:1::2/64']), attached(['10.2.0.9/24'])];
    const { hosts } = etcFiles(options(), { hostname: 'web', attachments });
    expect(hosts).toBe(`${own}10.1.0.2\tweb\nfd00:1::2\tweb\n10.2.0.9\tweb\n`);
  });

  it('have it for the loopback where there is no other address', () => {
    const { hosts, resolvConf } = etcFiles(options({ network: 'none' }), { hostname: 'web', attachments: [] });
    expect([hosts, resolvConf]).toEqual([own.replace('localhost', 'localhost web'), '']);
  });

  it('have no name server where no route leads out, unless some are given', () => {
    const attachments = [attached(['10.1.0.2/24'])];
    expect(etcFiles(options(), { hostname: 'web', attachments }).resolvConf).toBe('');
    expect(etcFiles(options({ dns: ['10.1.0.53'] }), { hostname: 'web', attachments }).resolvConf).toBe('nameserver 10.1.0.53\n');
  });

  it("have this machine's name servers but for those at its loopback", () => {
    const text =
      'search example.org\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver\t::1\nnameserver ::1f\noptions edns0\nnameserver 127.1';
    expect(reachableServers(text)).toBe('search example.org\nnameserver 10.0.0.1\nnameserver ::1f\noptions edns0\n');
  });
});

describe('a network without root', () => {
  const map = [{ inside: 0, outside: 1000, count: 65_536 }];
  const user = { kind: 'user', uid: map, gid: map, whyOne: null, trouble: null } as const;

  it('is refused with the reason, and what can be had instead', () => {
    expect(() => requireWithoutRoot(options(), user)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringMatching(/the network shop.*'none' or 'host'/s) }),
    );
    expect(() => requireWithoutRoot(options({ network: 'none' }), user)).not.toThrow();
  });
});
