import { describe, expect, it } from 'vitest';
import { parseAnew } from '../../../../lib/container/options/container-options.js';
import { etcFiles } from '../../../../lib/container/start/etc-files.js';
import { requireWithoutRoot } from '../../../../lib/container/start/without-root.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../../lib/network/address.js';
import type { Attachment } from '../../../../lib/network/bridge/attach-network.js';

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
  announces: false,
  addresses: addresses.map((text): Cidr => read(parseCidr(text))),
  gateways: gateways.map((text): Address => read(parseAddress(text))),
  port: { name: 'nclv0a010002', index: 2 ** 30 + 1 },
  bridge: 2 ** 30,
  names: ['web'],
});
const names = { folder: '/run/members/1', networks: ['shop'], forwards: false };
const dns = { nameservers: [], search: [], options: [] };
const options = (more: object = {}) => parseAnew({ image: 'host', command: ['true'], network: 'shop', ...more }, () => true);
const own = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

describe('the files of /etc in a network', () => {
  it("have the container's name for each of its addresses", () => {
    const attachments = [attached(['10.1.0.2/24', 'fd00:1::2/64']), attached(['10.2.0.9/24'])];
    const { hosts } = etcFiles(options(), { hostname: 'web', attachments, names: null, dns, canChange: false });
    expect(hosts).toBe(`${own}10.1.0.2\tweb\nfd00:1::2\tweb\n10.2.0.9\tweb\n`);
  });

  it('have it for the loopback where there is no other address', () => {
    const none = { hostname: 'web', attachments: [], names: null, dns };
    const { hosts, resolvConf } = etcFiles(options({ network: 'none' }), { ...none, canChange: false });
    expect([hosts, resolvConf]).toEqual([own.replace('localhost', 'localhost web'), '']);
    // it may join a network later, and its program may have read the file by then
    const later = 'nameserver 127.0.0.11\noptions ndots:0\n';
    expect(etcFiles(options({ network: 'none' }), { ...none, canChange: true }).resolvConf).toBe(later);
    expect(etcFiles(options({ network: 'none', dns: ['10.1.0.53'] }), { ...none, canChange: true }).resolvConf).toBe(
      'nameserver 10.1.0.53\n',
    );
  });

  it('have the server of names, unless others are given', () => {
    const attachments = [attached(['10.1.0.2/24'])];
    const at = { hostname: 'web', attachments, dns, canChange: false };
    expect(etcFiles(options(), { ...at, names }).resolvConf).toMatch(/^nameserver 127\.0\.0\.11\n/);
    expect(etcFiles(options({ dns: ['10.1.0.53'] }), { ...at, names: null }).resolvConf).toBe('nameserver 10.1.0.53\n');
  });
});

describe('what plugins of CNI say of names', () => {
  const attachments = [attached(['10.1.0.2/24'])];

  it('is what the container asks, where they name servers', () => {
    const said = { nameservers: ['10.1.0.53', 'fd00::53'], search: ['example.org', 'example.com'], options: ['ndots:2'] };
    const { resolvConf } = etcFiles(options(), { hostname: 'web', attachments, names: null, dns: said, canChange: false });
    expect(resolvConf).toBe('nameserver 10.1.0.53\nnameserver fd00::53\nsearch example.org example.com\noptions ndots:2\n');
  });

  it("takes the place of this machine's, where they name none", () => {
    const said = { nameservers: [], search: ['example.org'], options: ['timeout:7'] };
    const { resolvConf } = etcFiles(options(), {
      hostname: 'web',
      attachments,
      names: { ...names, forwards: true },
      dns: said,
      canChange: false,
    });
    expect(resolvConf).toMatch(/^nameserver 127\.0\.0\.11\nsearch example\.org\noptions .*\btimeout:7\b/);
  });

  it("gives way to the caller's", () => {
    const said = { nameservers: ['10.1.0.53'], search: [], options: [] };
    const { resolvConf } = etcFiles(options({ dns: ['10.9.0.53'] }), {
      hostname: 'web',
      attachments,
      names: null,
      dns: said,
      canChange: false,
    });
    expect(resolvConf).toBe('nameserver 10.9.0.53\n');
  });
});

describe('a network without root', () => {
  const map = [{ inside: 0, outside: 1000, count: 65_536 }];
  const user = { kind: 'user', uid: map, gid: map, whyOne: null, trouble: null } as const;

  it('is there, with its ports', () => {
    expect(() => requireWithoutRoot(options({ ports: ['80'] }), user)).not.toThrow();
    expect(() => requireWithoutRoot(options(), user)).not.toThrow();
  });
});
