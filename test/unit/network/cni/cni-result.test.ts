import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressesOf,
  type CniResult,
  defaultGateways,
  interfaceIn,
  readErrorResult,
  readResult,
  readVersions,
} from '../../../../lib/network/cni/cni-result.js';
import { CNI_VERSIONS, type CniVersion, highestCommon, isAtLeast } from '../../../../lib/network/cni/cni-version.js';

const byte = fc.integer({ min: 0, max: 255 });
const four = fc.tuple(fc.integer({ min: 1, max: 223 }), byte, byte, fc.integer({ min: 1, max: 254 })).map((parts) => parts.join('.'));
const six = fc.tuple(byte, byte).map(([one, two]) => `2001:db8::${(one + 1).toString(16)}:${(two + 1).toString(16)}`);
const host = fc.oneof(four, six);
const name = fc.stringMatching(/^[a-z]{1,8}$/);

const interfaces = fc.array(
  fc.record({ name, mac: fc.constantFrom(undefined, '', '02:00:00:00:00:05'), sandbox: fc.constantFrom(undefined, '', '/run/netns/x') }),
  { minLength: 1, maxLength: 4 },
);
/** What a plugin of the newest version prints. */
const printed = interfaces.chain((links) =>
  fc.record({
    interfaces: fc.constant(links),
    ips: fc.array(
      host.chain((address) =>
        fc.record({
          address: fc.constant(`${address}/${address.includes(':') ? 64 : 24}`),
          gateway: fc.option(address.includes(':') ? six : four, { nil: undefined }),
          interface: fc.option(fc.integer({ min: 0, max: links.length - 1 }), { nil: undefined }),
        }),
      ),
      { maxLength: 4 },
    ),
    routes: fc.array(fc.constantFrom({ dst: '0.0.0.0/0' }, { dst: '::/0', gw: '2001:db8::1' }, { dst: '10.9.0.0/16', mtu: 1400 }), {
      maxLength: 3,
    }),
    dns: fc.record({ nameservers: fc.array(host, { maxLength: 3 }), search: fc.array(name, { maxLength: 3 }) }),
  }),
);

/** The same, as a version prints it. */
function inVersion({ ips, ...rest }: { ips: { address: string }[] }, version: CniVersion): object {
  const old = !isAtLeast(version, '1.0.0');
  return {
    ...rest,
    cniVersion: version,
    ips: ips.map((ip) => ({ ...(old ? { version: ip.address.includes(':') ? '6' : '4' } : {}), ...ip })),
  };
}

const read = (value: object, version: CniVersion): CniResult => {
  // as it travels
  const result = readResult(JSON.parse(JSON.stringify(value)), version);
  if (typeof result === 'string') throw new Error(result);
  return result;
};

describe('the result of an ADD', () => {
  it('is the same whichever version it is printed in', () => {
    fc.assert(
      fc.property(printed, (value) => {
        const [first, ...others] = CNI_VERSIONS.map((version) => read(inVersion(value, version), version));
        for (const other of others) expect(other).toEqual(first);
      }),
    );
  });

  it('has all that was printed', () => {
    fc.assert(
      fc.property(printed, (value) => {
        const result = read(inVersion(value, '1.1.0'), '1.1.0');
        expect(result.interfaces.map((one) => one.name)).toEqual(value.interfaces.map((one) => one.name));
        expect(result.ips.map((one) => one.address.text)).toEqual(value.ips.map((one) => one.address));
        expect(result.ips.map((one) => one.gateway?.text)).toEqual(value.ips.map((one) => one.gateway));
        expect(result.routes.filter(({ isDefault }) => isDefault)).toHaveLength(
          value.routes.filter(({ dst }) => dst.endsWith('/0')).length,
        );
        expect(result.dns).toEqual({ ...value.dns, options: [] });
      }),
    );
  });

  it('is a problem in words, or a result, whatever a plugin prints', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('interfaces', 'ips', 'routes', 'dns', 'cniVersion'), (value, key) => {
        for (const given of [value, { [key]: value }, { [key]: [value] }]) {
          const result = readResult(given, '1.0.0');
          expect(typeof result === 'string' ? result.length : result.ips.length).toBeGreaterThanOrEqual(typeof result === 'string' ? 1 : 0);
          expect(() => [readErrorResult(given), readVersions(given)]).not.toThrow();
        }
      }),
    );
  });

  it.each([
    ['another version', { cniVersion: '0.4.0' }, /version 0\.4\.0, and 1\.0\.0/],
    ['an interface that is not there', { ips: [{ address: '10.1.0.2/24', interface: 0 }] }, /ips\[0\]\.interface/],
    ['an address without a prefix', { ips: [{ address: '10.1.0.2' }] }, /ips\[0\]\.address .*CIDR/],
    ['a route to nowhere', { routes: [{ dst: 'all' }] }, /routes\[0\]\.dst/],
    ['a name server that is none', { dns: { nameservers: ['here'] } }, /dns\.nameservers/],
    // no line of resolv.conf may come of one
    ['a search domain of two lines', { dns: { search: ['a\nnameserver 192.0.2.1'] } }, /dns\.search/],
    ['nothing', null, /object/],
  ])('with %s is refused', (_, value, problem) => {
    expect(readResult(value, '1.0.0')).toMatch(problem);
  });

  it('tells the addresses and the MAC address of the container, not those of this machine', () => {
    const result = read(
      {
        interfaces: [
          { name: 'cni0', mac: '02:00:00:00:00:01' },
          { name: 'eth0' },
          { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/x' },
        ],
        ips: [{ address: '10.1.0.1/24', interface: 0 }, { address: '10.1.0.2/24', interface: 2 }, { address: 'fd00::2/64' }],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0', gw: 'fd00::1' }],
      },
      '1.0.0',
    );
    expect(interfaceIn(result, 'eth0')?.mac).toBe('02:00:00:00:00:02');
    expect(interfaceIn(result, 'cni0')).toBeNull();
    expect(addressesOf(result, 'eth0').map(({ text }) => text)).toEqual(['10.1.0.2/24', 'fd00::2/64']);
    expect(defaultGateways(result).map(({ text }) => text)).toEqual(['fd00::1']);
  });

  it('has the gateway of an address for a default route without one', () => {
    const result = read({ ips: [{ address: '10.1.0.2/24', gateway: '10.1.0.1' }], routes: [{ dst: '0.0.0.0/0', gw: '' }] }, '1.0.0');
    expect(defaultGateways(result).map(({ text }) => text)).toEqual(['10.1.0.1']);
  });

  it('may have null, or nothing, where there is nothing', () => {
    const empty = { interfaces: [], ips: [], routes: [], dns: { nameservers: [], search: [], options: [] } };
    expect(readResult({ interfaces: null, ips: null, routes: null, dns: null }, '1.0.0')).toEqual(empty);
    expect(readResult({ dns: { domain: '' } }, '1.0.0')).toEqual(empty);
    expect(read({ dns: { domain: 'example.org' } }, '1.0.0').dns.search).toEqual(['example.org']);
  });
});

describe('versions of the specification', () => {
  it('are chosen as the highest that all have', () => {
    expect(highestCommon(['0.4.0', '1.0.0', '9.0.0'])).toBe('1.0.0');
    expect(highestCommon(['1.0.0', '0.3.1'], ['0.2.0', '0.3.1', '0.4.0'])).toBe('0.3.1');
    expect(highestCommon(['1.0.0'], ['0.4.0'])).toBeNull();
    expect(highestCommon(['0.1.0', '0.2.0'])).toBeNull();
  });
});
