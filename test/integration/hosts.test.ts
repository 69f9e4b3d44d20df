import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, makeNet, type Net, names, useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const TOOLS = ['ip', 'bridge', 'nsenter', 'unshare', 'ping', 'getent', 'sh', 'sleep'];
const { describe, it } = requires({ root: true, containers: true, tools: TOOLS });
const egress = requires({ root: true, containers: true, tools: [...TOOLS, 'nft'] });
const temporary = temporaryFolder();
useNets();

let places = 0;

interface Host {
  readonly net: Net;
  readonly number: string;
  readonly from: { through: string[]; env: Record<string, string> };
}

/** Two network namespaces, joined by a pair of links `up0`, and a folder that both know. */
async function twoHosts(): Promise<{ hosts: [Host, Host]; folder: string }> {
  const folder = join(temporary, String(places++));
  mkdirSync(folder);
  const [one, two] = [await host('1', folder), await host('2', folder)];
  await inside(one.net, 'ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up0', 'netns', String(two.net.pid));
  for (const { net, number } of [one, two]) {
    await inside(net, 'ip', 'addr', 'add', `192.0.2.${number}/24`, 'dev', 'up0');
    await inside(net, 'ip', 'addr', 'add', `2001:db8::${number}/64`, 'dev', 'up0', 'nodad');
    for (const link of ['lo', 'up0']) await inside(net, 'ip', 'link', 'set', link, 'up');
  }
  return { hosts: [one, two], folder };
}

async function host(number: string, folder: string): Promise<Host> {
  const net = await makeNet();
  const env = { NACELLE_RUNROOT: join(folder, `run-${number}`), NACELLE_ROOT: join(folder, `store-${number}`) };
  return { net, number, from: { through: ['nsenter', '-t', String(net.pid), '-n'], env } };
}

interface Seen {
  [key: string]: unknown;
  readonly links: object[];
  readonly fdb: { mac: string; master?: string }[];
  readonly neighbours: object[];
  readonly info: { interface: string };
}

/** Does one thing on both hosts at once; what each saw. */
async function onBoth(what: string, { hosts, folder }: Awaited<ReturnType<typeof twoHosts>>): Promise<Seen[]> {
  const programs = hosts.map(({ number, from }) => startNode('hosts', [what, number, folder], from));
  const ended = await Promise.all(programs.map((program) => program.ended));
  return ended.map(({ code, stdout, stderr }) => {
    if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  });
}

/** One of the two hosts' addresses in the network, by its number. */
const place = (number: string) =>
  number === '1'
    ? { four: '10.1.0.16', six: 'fd00:1::10', mac: '02:6e:0a:01:00:10' }
    : { four: '10.1.0.32', six: 'fd00:1::20', mac: '02:6e:0a:01:00:20' };

describe('a network of two hosts', () => {
  it.each([
    ['IPv4', 'two', '192.0.2.', 1450],
    ['IPv6', 'two6', '2001:db8::', 1430],
  ] as const)('joins their containers, which find each other by name, over %s', async (_, what, prefix, mtu) => {
    const both = await onBoth(what, await twoHosts());
    for (const [at, seen] of both.entries()) {
      const [own, other] = at === 0 ? ['1', '2'] : ['2', '1'];
      const { links, fdb, neighbours, info, ...rest } = seen;
      const them = place(other);
      expect(rest, `host ${own}`).toEqual({
        addresses: [`${place(own).four}/24`, `${place(own).six}/64`],
        flooded: [true, true],
        unknown: 2,
        named: [true, true],
        reverse: [them.four, `web-${other}`],
        whole: true,
        machine: true,
        elsewhere: `EADDRINUSE: take the address ${them.four} in the network both: another container has it`,
        here: `EADDRINUSE: learn the address ${place(own).four} in the network both: a container on this host has it`,
        list: [['both', 'vxlan']],
        again: true,
        networks: ['both'],
        names: [],
      });
      expect(links).toMatchObject([
        {
          mtu,
          flags: expect.arrayContaining(['UP', 'LOWER_UP']),
          linkinfo: {
            info_kind: 'vxlan',
            info_data: { id: 42, port: 4789, learning: false },
            info_slave_data: { learning: false, flood: true, neigh_suppress: true, group_fwd_mask: '0xfffd' },
          },
        },
      ]);
      const host = `${prefix}${other}`;
      expect(fdb.filter(({ mac, master }) => master === undefined || mac === them.mac)).toEqual([
        { mac: them.mac, flags: [], master: info.interface, state: 'static' },
        { mac: them.mac, dst: host, flags: ['self'], state: 'permanent' },
        { mac: '00:00:00:00:00:00', dst: host, flags: ['self'], state: 'permanent' },
      ]);
      expect(neighbours).toEqual([them.four, them.six].map((dst) => ({ dst, lladdr: them.mac, state: ['PERMANENT'] })));
      expect(info).toMatchObject({ driver: 'vxlan', vni: 42, peers: [`${prefix}1`, `${prefix}2`], parent: null, mtu: null });
    }
  });

  it('is refused with the option and the reason, and nothing is left', async () => {
    const { hosts, folder } = await twoHosts();
    const [{ net, from }] = hosts;
    expect(await runNode('hosts', ['refused', '1', folder], from)).toEqual({
      number: 'ERR_INVALID_OPTION: option vni: is 42, which the network both has',
      link: 'ERR_INVALID_OPTION: option vni: is 7, which the link mine of this machine has',
      parent: 'ERR_INVALID_OPTION: option parent: is eth9, and this machine has no such link',
      mtu: 'ERR_INVALID_OPTION: option mtu: is 1451, and what goes by up0 has 1450 bytes at most',
      subnet: 'ERR_INVALID_OPTION: option subnet: 10.1.0.0/16 overlaps 10.1.0.0/24, which the network both has',
      learned: {
        host: "ERR_INVALID_OPTION: option host: is 2001:db8::2, and the network's hosts reach each other by IPv4",
        name: expect.stringMatching(/^ERR_INVALID_OPTION: option names\[0\]: must be a name that can be asked for/),
        outside: 'ERR_INVALID_OPTION: option addresses[1]: is 10.9.0.1, which lies in no subnet of the network both',
        own: "ERR_INVALID_OPTION: option addresses[0]: is 10.1.0.1, this host's own in the network both",
        broadcast: 'ERR_INVALID_OPTION: option addresses[0]: is 10.1.0.255, which no link in the network both can have',
        bridge: "ERR_INVALID_OPTION: option mac: is that of this host's bridge",
        here: 'ERR_UNSUPPORTED: network.learn is not supported here: the network here has the driver bridge, and is on this host alone',
      },
      peers: ['192.0.2.2'],
      taken: 'ERR_VNI_TAKEN: make the bridge of the network both: the link mine of this machine has its number 42. Remove that link',
      gone: 'ERR_NO_LINK: use the network on: this machine has no link up0, which is its parent',
      networks: ['here'],
    });
    expect(await names(net)).toEqual(['up0']);
  });

  egress.it('holds a container to its list also where another host has addresses in the network', async () => {
    const [seen] = await onBoth('egress', await twoHosts());
    const no = 'silence';
    const host = 'host 2';
    const peers = ['web-2', 'web-2', 'web-2', 'web-1'];
    expect(seen).toEqual({
      refused: expect.stringMatching(/^ERR_INVALID_OPTION: option egress: can't go with the network both .* made without peerGateways/),
      free: { peers, host: [host, host], datagrams: [host, host], all: [host, host, host] },
      before: { peers, host: [no, no], datagrams: [no, no], all: [no, 'EPERM', 'EPERM'] },
      flushed: { peers, host: [no, no], datagrams: [no, no], all: [no, no, no] },
      routed: [
        [host, host],
        [no, no],
      ],
      learned: {
        late: expect.stringMatching(/^ERR_IN_USE: learn the host 192\.0\.2\.3 in the network both/),
        missing: 'ERR_INVALID_OPTION: option gateway: is needed: the network both has peerGateways, and the host 192.0.2.3 is new to it',
        other: 'ERR_INVALID_OPTION: option gateway: is 10.1.0.9, and the host 192.0.2.2 has 10.1.0.2 in the network both',
        taken: 'EADDRINUSE: take the address 10.1.0.2 in the network both: another container has it',
      },
      peers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
      peerGateways: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
      networks: ['both'],
    });
  });

  it('has its tunnel as long as one process of a host uses it, and leaves nothing when the last one is killed', async () => {
    const { hosts, folder } = await twoHosts();
    const [{ net, from }] = hosts;
    const hold = async () => {
      const program = startNode('hosts', ['hold', '1', folder], from);
      const line = await program.lines.next();
      if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
      const shim = shimOf(program.pid);
      if (!shim) throw new Error('it has no shim');
      return { program, shim: shim.pid, line: line.value };
    };
    const [one, other] = [await hold(), await hold()];
    expect([one.line, other.line]).toEqual(['[["10.1.0.16/24","fd00:1::10/64"]]', '[["10.1.0.17/24","fd00:1::11/64"]]']);
    one.program.process.kill('SIGKILL');
    await until('its shim has ended too', () => !isAlive(one.shim));
    await until('its port has gone', async () => (await names(net)).length === 4);
    expect((await names(net)).filter((name) => name.startsWith('nclx'))).toHaveLength(1);
    process.kill(other.shim, 'SIGKILL');
    other.program.process.kill('SIGKILL');
    await until('its shim has ended too', () => !isAlive(other.shim));
    expect(await runNode('hosts', ['reap', '1', folder], from)).toEqual({ failures: [], networks: ['both'] });
    expect(await names(net)).toEqual(['up0']);
  });
});
