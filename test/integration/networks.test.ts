import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { names, useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { loneMachine, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'ping', 'cat', 'sh', 'sleep'] });
const temporary = temporaryFolder();
useNets();

/** The same as {@link loneMachine}, where none but its namespace is looked at. */
async function machine() {
  const { net, from } = await loneMachine(temporary);
  return { net, ...from };
}

interface ShownAddress {
  ifname: string;
  address: string;
  mtu: number;
  group: string;
  flags: string[];
  addr_info: { family: string; local: string; prefixlen: number; scope: string }[];
}

/** What a link has, as `ip` shows it, without what the kernel gives each link. */
function shown(links: ShownAddress[], name: string): { address: string; mtu: number; isUp: boolean; addresses: string[] } {
  const link = links.find(({ ifname }) => ifname === name);
  if (!link) throw new Error(`no link ${name}`);
  const addresses = link.addr_info.filter(({ scope }) => scope === 'global').map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  return { address: link.address, mtu: link.mtu, isUp: link.flags.includes('UP'), addresses };
}

const way = (dev: string, gateway: string): object => expect.objectContaining({ dst: 'default', gateway, dev });

describe('a container in a network', () => {
  it('has an address and a default route, reaches the others and this machine, and leaves nothing', async () => {
    interface Seen {
      [key: string]: unknown;
      links: ShownAddress[];
      bridge: ShownAddress[];
      info: { interface: string; containers: { addresses: string[] }[] };
    }
    const { through, env } = await machine();
    const { links, bridge, info, ...seen } = await runNode<Seen>('networks', ['usual'], { through, env });
    expect(shown(links, 'eth0')).toEqual({ address: '02:6e:0a:59:00:02', mtu: 1500, isUp: true, addresses: ['10.89.0.2/24'] });
    expect(shown(bridge, info.interface)).toEqual({ address: '02:6e:0a:59:00:01', mtu: 1500, isUp: true, addresses: ['10.89.0.1/24'] });
    expect(info).toMatchObject({ name: 'bridge', subnets: [{ subnet: '10.89.0.0/24', gateway: '10.89.0.1' }], internal: false });
    expect(info.interface).toMatch(/^ncl-[0-9a-f]{8}$/);
    expect(info.containers.map(({ addresses }) => addresses)).toEqual(expect.arrayContaining([['10.89.0.2/24'], ['10.89.0.3/24']]));
    expect(seen).toEqual({
      inspected: [
        {
          ...{ name: 'bridge', interface: 'eth0', mac: '02:6e:0a:59:00:02', addresses: ['10.89.0.2/24'] },
          names: ['one', expect.stringMatching(/^[0-9a-f]{12}$/), expect.stringMatching(/^[0-9a-f]{32}$/)],
        },
      ],
      option: 'bridge',
      addresses: [['10.89.0.2/24'], ['10.89.0.3/24']],
      routes: [way('eth0', '10.89.0.1'), expect.objectContaining({ dst: '10.89.0.0/24', dev: 'eth0' })],
      hosts: '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.89.0.2\tone\n',
      queues: ['rx-0', 'tx-0'],
      reached: [true, true, true],
      routers: '0',
      ports: 2,
      removal: expect.stringMatching(/^ERR_IN_USE: /),
      pruned: [],
      usesLeft: [],
      next: expect.stringContaining('inet 10.89.0.4/24'),
    });
  });

  it('is in several, with links, MAC and addresses of its choice; the first that leads out has the default route', async () => {
    interface Seen {
      [key: string]: unknown;
      links: ShownAddress[];
    }
    const { through, env } = await machine();
    const { links, ...seen } = await runNode<Seen>('networks', ['several'], { through, env });
    expect(shown(links, 'inner')).toEqual({
      address: '02:00:00:00:00:07',
      mtu: 1400,
      isUp: true,
      addresses: ['10.1.0.7/24', 'fd00:1::7/64'],
    });
    expect(shown(links, 'eth1')).toMatchObject({ mtu: 1500, isUp: true, addresses: ['10.2.0.64/24'] });
    expect(seen).toMatchObject({
      routes: [expect.arrayContaining([way('eth1', '10.2.0.254')]), []],
      alone: { routes: [], resolv: 'nameserver 127.0.0.11\noptions ndots:0\n' },
      reached: [true, true, true],
      info: { internal: true, mtu: 1400, labels: { app: 'a' } },
      asked: expect.stringContaining('inet 10.2.0.9/24'),
      networks: ['back', 'front'],
      left: [],
    });
  });

  it('takes the place of one with a MAC address of its choice, which neighbours remember', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['neighbours'], { through, env })).toEqual({
      before: '0',
      reached: [true, true],
      remembered: [['02:00:00:00:00:07'], ['02:6e:0a:03:00:09']],
      left: false,
    });
  });

  it('is made in a user namespace, made again by restart, and kept by its own shim when it is detached', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['ways'], { through, env })).toEqual({
      userns: expect.stringMatching(/inet 10\.89\.0\.2\/24.*reached\n$/s),
      runs: [expect.stringMatching(/inet 10\.89\.0\.3\/24.*\n1\n$/s), expect.stringMatching(/inet 10\.89\.0\.3\/24.*\n1\n$/s)],
      kept: { reached: true, networks: 1 },
      usesLeft: [],
    });
  });

  it('leaves its address and the bridge to a container that shares its network, as long as that lives', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['shared'], { through, env })).toEqual({
      uses: 1,
      reached: true,
      static: expect.stringMatching(/^EADDRINUSE: /),
      usesLeft: [],
    });
  });

  it('is refused with the option and the reason, and the network goes on', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['refused'], { through, env })).toEqual({
      again: 'ERR_NAME_TAKEN: there is a network small already',
      overlap: 'ERR_INVALID_OPTION: option subnet: 10.3.0.0/16 overlaps 10.3.0.0/29, which the network small has',
      missing: 'ERR_NO_NETWORK: there is no network missing. Network.create makes one',
      taken: 'EADDRINUSE: take the address 10.3.0.3 in the network small: another container has it',
      gateway: 'ERR_INVALID_OPTION: option ip: is 10.3.0.1, the gateway of the network small',
      broadcast: 'ERR_INVALID_OPTION: option ip: is 10.3.0.7, which no link in the network small can have',
      outside: 'ERR_INVALID_OPTION: option ip: is 10.4.0.1, which lies in no subnet of the network small',
      alone: 'ERR_INVALID_OPTION: option ip: needs the option network: the name of a network',
      aliases: 'ERR_INVALID_OPTION: option aliases: needs the option network: the name of a network',
      alias: expect.stringMatching(/^ERR_INVALID_OPTION: option aliases\[1\]: must be a name that can be asked for/),
      listed: "ERR_INVALID_OPTION: option aliases: can't go with a list of networks: give it there",
      word: `ERR_INVALID_OPTION: option network: must be 'none', 'host', 'pasta' or the name of a network, not "-x"`,
      twice: 'ERR_INVALID_OPTION: option network: has the network small twice',
      names: 'ERR_INVALID_OPTION: option network: has two links eth1',
      mount: ['ENOTDIR: mount on /etc/passwd: ENOTDIR (not a directory)'],
      full: 'ERR_NO_ADDRESS: take an address in the network small: all are taken',
      given: [['10.3.0.2/29'], ['10.3.0.4/29'], ['10.3.0.5/29'], ['10.3.0.6/29']],
      afterOne: expect.stringContaining('inet 10.3.0.4/29'),
      name: expect.stringMatching(/^ERR_NAME_TAKEN: make the bridge of the network small: the link ncl-/),
      link: expect.stringMatching(/^ERR_SUBNET_TAKEN: .* overlaps 10\.3\.0\.0\/16, which a link of this machine has by now/),
      onLink: 'ERR_INVALID_OPTION: option subnet: 10.3.1.0/24 overlaps 10.3.0.0/16, which a link of this machine has',
      usesLeft: [],
    });
  });
});

describe('an address', () => {
  it('can be had by the next as soon as a container has ended, although its link is still there', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['sameAddress'], { through, env })).toEqual({ told: ['no error'], next: ['no error'] });
  });
});

describe('a network', () => {
  it('that persists has its bridge until it is removed', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['persistent'], { through, env })).toEqual({
      there: 1,
      pruned: [],
      left: [],
      usesLeft: [],
      opened: 'ERR_NO_NETWORK: there is no network stays. Network.create makes one',
    });
  });

  it('is made by one of two processes, whose containers never have one address at the same time', async () => {
    const { net, through, env } = await machine();
    const both = [startNode('networks', ['race'], { through, env }), startNode('networks', ['race'], { through, env })];
    const ended = await Promise.all(both.map((program) => program.ended));
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    const seen: { made: string; had: { address: string; from: number; to: number }[] }[] = ended.map(({ stdout }) => JSON.parse(stdout));
    expect(seen.map(({ made }) => made).sort()).toEqual(['ERR_NAME_TAKEN: there is a network race already', 'no error']);
    const had = seen.flatMap((one) => one.had).sort((one, other) => one.from - other.from);
    expect(had.map(({ address }) => address)).toEqual(Array(20).fill(expect.stringMatching(/^10\.89\.0\.\d+\/24$/)));
    const atOnce = had.filter(({ address, from }, place) =>
      had.slice(0, place).some((before) => before.address === address && before.to > from),
    );
    expect(atOnce).toEqual([]);
    await until('the bridge is gone', async () => (await names(net)).length === 0);
  });

  it('that is damaged is told by its name, and keeps nobody from the others', async () => {
    const { through, env } = await machine();
    const { seen, path, pruned } = await runNode<{ seen: unknown[]; path: string; pruned: string[] }>('networks', ['damaged'], {
      through,
      env,
    });
    const error = `ERR_RECORD: what ${path} says of a network is damaged. Remove that file`;
    const told = (...others: string[]) => ({
      listed: [['damaged', 0, error], ...others.map((name) => [name, 1, null])],
      opened: error,
      inspected: error,
      joined: error,
      next: 1,
    });
    expect(seen).toEqual([
      { ...told('idle', 'stays'), pruned: ['idle', 'next'] },
      { ...told('stays'), pruned: ['next'] },
    ]);
    expect(pruned).toEqual(['damaged']);
  });

  it('is let go where its files can not be closed, and the first failure is told', async () => {
    const { through, env } = await machine();
    expect(await runNode('unclosed-bridge', [], { through, env })).toEqual({
      left: 0,
      message: 'no rules',
      cleanup: 'the offers stay',
      uses: [],
    });
  });

  it('goes when its lock is free, and does not wait for that of another network', async () => {
    const { through, env } = await machine();
    expect(await runNode('networks', ['busy'], { through, env })).toEqual({
      aborted: ['undefined: no more', 'undefined: no default'],
      there: [true],
      networks: ['free', 'held'],
    });
  });
});
