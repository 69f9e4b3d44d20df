import { expect } from 'vitest';
import { soon } from '../../fixtures/egress/inside.js';
import { egressScenarios, type Told } from '../../fixtures/egress/scenarios.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

// Containers with a list on networks with bridges: the others there are reached, and the world by the list alone.
const { describe, it } = requires({
  root: true,
  tools: [
    'unshare',
    'nsenter',
    'ip',
    'dnsmasq',
    'openssl',
    'nft',
    'mount',
    'umount',
    'sysctl',
    'sleep',
    'python3',
    'ping',
    'getent',
    'grep',
  ],
});

useLeakCheck();
const scenario = egressScenarios('egress-networks');

const attempt = (attempts: Record<string, string>, of: { options?: object; list?: boolean } = {}): Promise<Told & { network: string }> =>
  scenario('attempts', { attempts, ...of });

const failed = expect.stringMatching(/^(E[A-Z_]+|closed|no answer|ERR_[A-Z_]+|nothing in 30 s)$/);
const command = (line: string): string =>
  `new Promise((resolve, reject) => require('node:child_process').exec(${JSON.stringify(line)}, (error, out) => (error ? reject(new Error('closed')) : resolve(out.trim()))))`;

describe('a container with a list, on a network', () => {
  it('reaches the others there, and what the list allows', async () => {
    const { got, refused, network } = await attempt({
      'a peer by its name': "tcp('peer', 8080)",
      'a peer by its address': "tcp('10.8.0.2', 8080)",
      'a peer of IPv6': "tcp('fd00:8::2', 8080)",
      'a peer over UDP': "udp('10.8.0.2', 443)",
      'a peer over UDP of IPv6': "udp('fd00:8::2', 443)",
      plain: "tcp('good.example', 80)",
      ipv6: "tcp('six.example', 80)",
      tls: "over('a.wild.example', 443)",
      'a subnet': "tcp('10.1.0.5', 5432)",
    });
    expect(got).toEqual({
      'a peer by its name': 'the peer',
      'a peer by its address': 'the peer',
      'a peer of IPv6': 'the peer',
      'a peer over UDP': 'the peer',
      'a peer over UDP of IPv6': 'the peer',
      plain: expect.stringMatching(/^plain (11\.1\.0\.1|2a00:1::1):80$/),
      ipv6: 'plain 2a00:1::1:80',
      tls: 'tls a.wild.example 11.1.0.1:443',
      'a subnet': 'plain 10.1.0.5:5432',
    });
    expect(refused).toEqual([]);
    expect(network).toBe('bridge');
  });

  const NEIGHBOUR = (address: string): string =>
    `ping -c 1 -W 1 ${address} > /dev/null; M=$(ip neigh show ${address} | grep -o "lladdr [^ ]*" | cut -c8-)`;
  const FRAME = 'python3 /tmp/frame.py eth0 $M $(ip -4 -br addr show eth0 | grep -o "10.8.0.[0-9]*" | head -1)';
  // with rights over its network, the rules there taken away, and without the list
  const WAYS: Record<string, string> = {
    'a literal address': "tcp('11.1.0.2', 80)",
    'a literal address of IPv6': "tcp('2a00:1::1', 80)",
    'a port that the list has, at another address': "tcp('10.9.0.9', 5432)",
    'QUIC to an address': "udp('11.0.0.2', 443)",
    'QUIC of IPv6': "udp('2a00::2', 443)",
    'another resolver': "query('evil.example', 'A', '11.0.0.2')",
    'DNS over TLS': "tcp('11.0.0.2', 853)",
    ICMP: command('ping -c 1 -W 2 11.1.0.2'),
    'ICMP of IPv6': command('ping -c 1 -W 2 2a00:1::1'),
    "this machine's address in the network": "tcp('10.8.0.1', 81)",
    "this machine's address in the network, of IPv6": "tcp('fd00:8::1', 81)",
    "this machine's address to the world": "tcp('11.0.0.1', 81)",
    'a published port of a container on another network': "tcp('11.0.0.1', 9000)",
    'a frame of its own': command(`${NEIGHBOUR('10.8.0.1')}; ${FRAME} 11.0.0.2`),
    'a route by this machine': command('ip route replace 11.1.0.0/24 via 10.8.0.1 && ping -c 1 -W 2 11.1.0.2'),
    'a frame to a peer that is a router': command(
      `A=$(getent ahostsv4 router | head -1 | cut -d" " -f1); ${NEIGHBOUR('$A')}; ${FRAME} 11.1.0.2`,
    ),
  };
  const all = Object.fromEntries(Object.entries(WAYS).map(([name, code]) => [name, soon(code)]));

  it('finds no way around it, and TCP that is refused is told', async () => {
    const { got, refused } = await attempt(all);
    expect(got).toEqual(Object.fromEntries(Object.keys(WAYS).map((name) => [name, failed])));
    expect(refused).toEqual(
      expect.arrayContaining([
        [null, '11.1.0.2', 80],
        [null, '2a00:1::1', 80],
        [null, '10.9.0.9', 5432],
        [null, '10.8.0.1', 81],
        [null, 'fd00:8::1', 81],
        [null, '11.0.0.1', 81],
      ]),
    );
  });

  it('finds none when it takes away the rules in its own network namespace', async () => {
    const { got } = await attempt({ flushed: command('nft flush ruleset && echo flushed'), ...all });
    const none = Object.fromEntries(Object.keys(WAYS).map((name) => [name, failed]));
    expect(got).toEqual({ flushed: 'flushed', ...none });
  });

  it('would have found each without the list', async () => {
    const { got } = await attempt(all, { list: false });
    expect(Object.entries(got).filter(([, told]) => /^(E[A-Z_]+|closed|no answer|ERR_[A-Z_]+|nothing in 30 s)$/.test(told))).toEqual([]);
  });

  it('hears of no other names, and a peer that passes on is a way out', async () => {
    const { got } = await attempt({
      'a name that is not on the list': "query('evil.example', 'A')",
      'the same where its networks are asked': "query('evil.example', 'A', '127.0.0.12')",
      'a tunnel in questions': "query('c2VjcmV0.tunnel.example', 'TXT')",
      'a container whose name is denied': "query('secret', 'A')",
      'a container on another network': "query('far', 'A')",
      'who has an address': "query('2.0.8.10.in-addr.arpa', 'PTR')",
      'the listener itself': "tcp('198.18.0.1', 1, 'x')",
      'a peer that passes on': "tcp('peer', 3128)",
    });
    expect(got).toEqual({
      'a name that is not on the list': 'ENOTFOUND',
      'the same where its networks are asked': 'ENOTFOUND',
      'a tunnel in questions': 'ENOTFOUND',
      'a container whose name is denied': 'ENOTFOUND',
      'a container on another network': 'ENOTFOUND',
      'who has an address': '["peer"]',
      'the listener itself': failed,
      'a peer that passes on': 'plain 11.1.0.2:80',
    });
  });
});

describe('a container with a list that lives', () => {
  it('keeps it on networks that come and go, and may get another one', async () => {
    const no = failed;
    const peer = 'the peer';
    const good = expect.stringMatching(/^plain (11\.1\.0\.1|2a00:1::1):80$/);
    const evil = 'plain 11.1.0.2:80';
    const first = { good, evil: no, literal: no, udp: no };
    const then = { good: no, evil, literal: no, udp: no };
    const free = { good: 'plain 11.1.0.1:80', evil, literal: evil, udp: 'quic' };
    expect(await scenario('lives')).toEqual({
      state: 'created',
      before: { peer: no, far: no, ...first },
      one: { peer, far: no, ...first },
      both: { peer, far: peer, ...first },
      shared: { peer, far: peer, ...first },
      ended: ['open', 'ended'],
      changed: { peer, far: peer, ...then },
      changedShared: { peer, far: peer, ...then },
      egress: { allow: ['evil.example', 'six.example'], deny: [] },
      kept: ['open'],
      flushed: { peer, far: peer, good: no, evil: no, literal: no, udp: no },
      again: { peer, far: peer, ...then },
      left: { peer: no, far: peer, ...then },
      leftAgain: { peer: no, far: peer, ...then },
      lifted: { peer: no, far: peer, ...free },
      liftedAgain: { peer, far: peer, ...free },
      liftedShared: { peer, far: peer, ...free },
      whileShared: [
        'ERR_IN_USE',
        expect.stringMatching(/^setEgress\(\) of the container ID: another container shares its link to the network/),
      ],
      stillLifted: { peer, far: peer, ...free },
      putBack: { peer, far: peer, ...first },
      putBackFlushed: { peer, far: peer, good: no, evil: no, literal: no, udp: no },
      putBackShared: { peer, far: peer, good: no, evil: no, literal: no, udp: no },
      putBackAgain: { peer, far: peer, ...first },
      peers: ['running', 'running'],
    });
  });

  it('has it lifted and put back on a network, while its neighbour keeps one', async () => {
    const peer = 'the peer';
    const none = { good: failed, literal: failed, six: failed, udp: failed, gateway: failed };
    const free = {
      good: 'plain 11.1.0.1:80',
      literal: 'plain 11.1.0.2:80',
      six: 'plain 2a00:1::1:80',
      udp: 'quic',
      gateway: 'the machine',
    };
    const listed = { ...none, good: expect.stringMatching(/^plain (11\.1\.0\.1|2a00:1::1):80$/) };
    expect(await scenario('owned')).toEqual({
      flushed: { peer, ...none },
      lifted: { peer, ...free },
      nowhere: [
        [
          'ERR_UNSUPPORTED',
          expect.stringMatching(/^setEgress\(\) is not supported here: no rule of this machine's sees .* its network lan,/),
        ],
        ['ERR_INVALID_OPTION', expect.stringMatching(/^option egress: can't go with the network both of the driver vxlan/)],
      ],
      stillLifted: { literal: free.literal },
      neighbour: { peer, ...none },
      putBack: { peer, ...listed },
      putBackFlushed: { peer, ...none },
      peer: 'running',
    });
  });

  it('leaves nothing of its border to whoever has its address next, in another process', async () => {
    expect(await scenario('inherited')).toEqual({
      confined: { world: failed, machine: failed },
      next: { world: 'plain 11.1.0.2:80', machine: 'the machine' },
      peer: 'running',
    });
  });
});
