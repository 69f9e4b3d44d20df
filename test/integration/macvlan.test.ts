import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, names, useNets } from '../fixtures/nets.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { machineInWorld, WORLD_TOOLS } from '../fixtures/world.js';

useLeakCheck();
const { describe, it } = requires({ root: true, containers: true, tools: [...WORLD_TOOLS, 'ping', 'sh', 'sleep', 'cat', 'getent'] });
const temporary = temporaryFolder();
useNets();

interface Seen {
  [key: string]: unknown;
  links: object[];
  own: object[];
}

const shownAddress = (local: string, prefixlen: number) => expect.objectContaining({ local, prefixlen, scope: 'global' });

describe('a network of the children of a link', () => {
  it("joins containers with the link's network, and with this machine where that has a link of its own", async () => {
    const machine = await machineInWorld(temporary);
    const program = startNode('macvlan', ['usual'], machine.from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    // whoever is in the network reaches them
    for (const to of ['192.0.2.64', '2001:db8::40']) await inside(machine.world, 'ping', '-c1', '-W5', to);
    const neighbours = await inside(machine.world, 'ip', 'neigh', 'show', '192.0.2.64');
    expect(neighbours).toContain('02:6e:c0:00:02:40');
    program.process.kill('SIGUSR2');
    const { stdout, stderr, code } = await program.ended;
    expect([code, stderr]).toEqual([0, '']);
    const { links, own, ...seen }: Seen = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    expect(links).toMatchObject([
      {
        address: '02:6e:c0:00:02:40',
        mtu: 1500,
        linkinfo: { info_kind: 'macvlan', info_data: { mode: 'bridge' } },
        addr_info: expect.arrayContaining([shownAddress('192.0.2.64', 24), shownAddress('2001:db8::40', 64)]),
      },
    ]);
    expect(own).toMatchObject([
      {
        address: '02:6e:c0:00:02:4f',
        linkinfo: { info_kind: 'macvlan', info_data: { mode: 'bridge' } },
        addr_info: expect.arrayContaining([shownAddress('192.0.2.79', 32), shownAddress('2001:db8::4f', 128)]),
      },
    ]);
    expect(seen).toEqual({
      addresses: [
        ['192.0.2.64/24', '2001:db8::40/64'],
        ['192.0.2.65/24', '2001:db8::41/64'],
      ],
      routes: [
        [expect.objectContaining({ gateway: '192.0.2.2', dev: 'eth0' })],
        [expect.objectContaining({ gateway: '2001:db8::2', dev: 'eth0' })],
      ],
      named: [true, true],
      world: [true, true],
      machine: [true, true, true, true],
      before: [true, [expect.objectContaining({ dev: 'up0' })]],
      info: expect.objectContaining({
        driver: 'macvlan',
        parent: 'up0',
        mode: 'bridge',
        hostAddresses: ['192.0.2.79', '2001:db8::4f'],
        subnets: [
          { subnet: '192.0.2.0/24', gateway: '192.0.2.2' },
          { subnet: '2001:db8::/64', gateway: '2001:db8::2' },
        ],
      }),
      asked: {
        machine: 'EADDRINUSE: take the address 192.0.2.1 in the network lan: another container has it',
        link: 'EADDRINUSE: take the address 192.0.2.79 in the network lan: another container has it',
        router: 'ERR_INVALID_OPTION: option ip: is 192.0.2.2, the gateway of the network lan',
        shared: expect.stringMatching(
          /^ERR_UNSUPPORTED: sharing a container's network is not supported here: its network lan has the driver macvlan/,
        ),
      },
      networks: ['lan'],
    });
    expect(await inside(machine.net, 'ip', 'route', 'show', 'proto', 'static')).toBe('');
  });

  it('holds for containers that start again, are detached, or have users of their own', async () => {
    const { from } = await machineInWorld(temporary);
    expect(await runNode('macvlan', ['ways'], from)).toEqual({
      address: '192.0.2.64',
      // no child reaches its parent
      apart: false,
      first: true,
      again: [true, ['192.0.2.64']],
      kept: [['192.0.2.65/24'], true, true],
      mapped: '02:00:00:00:00:07\n',
      links: [],
      networks: ['lan'],
    });
  });

  it('is refused with the option and the reason', async () => {
    const { net, from } = await machineInWorld(temporary);
    expect(await runNode('macvlan', ['refused'], from)).toEqual({
      none: 'ERR_INVALID_OPTION: option parent: is needed with the driver macvlan: the link of this machine whose children the links of containers are',
      missing: 'ERR_INVALID_OPTION: option parent: is eth9, and this machine has no such link',
      loopback: 'ERR_INVALID_OPTION: option parent: is lo, the loopback, which leads to nobody',
      port: 'ERR_INVALID_OPTION: option parent: is port0, a port of br0: take br0',
      mode: "ERR_INVALID_OPTION: option mode: is 'passthru', which the driver macvlan doesn't know: private, vepa, bridge",
      access: 'ERR_INVALID_OPTION: option hostAccess: needs the mode bridge: in the mode vepa no child of a link reaches another',
      mtu: 'ERR_INVALID_OPTION: option mtu: is 1501, and up0 has 1500 bytes at most',
      internal: 'ERR_INVALID_OPTION: option internal: is none of the driver macvlan, but of bridge and vxlan',
      number: 'ERR_INVALID_OPTION: option vni: is none of the driver macvlan, but of vxlan',
      small: expect.stringMatching(/^ERR_INVALID_OPTION: option range: is 192\.0\.2\.64\/32, which has no address for a container beside/),
      other: 'ERR_INVALID_OPTION: option subnet: 10.7.0.0/24 overlaps 10.7.0.0/24, which a link of this machine has',
      twice: 'ERR_INVALID_OPTION: option subnet: 192.0.2.0/25 overlaps 192.0.2.0/24, which the network lan has',
      gone: 'ERR_NO_LINK: use the network lan: this machine has no link up0, which is its parent',
      networks: ['lan'],
    });
    expect(await names(net)).toEqual(['up0']);
  });

  it('is removed by a reap when nobody is left that could', async () => {
    const { net, from } = await machineInWorld(temporary);
    const program = startNode('macvlan', ['hold'], from);
    const line = await program.lines.next();
    if (line.done) throw new Error(`it ended: ${(await program.ended).stderr}`);
    const shim = shimOf(program.pid)?.pid;
    if (!shim) throw new Error('it has no shim');
    expect(await names(net)).toHaveLength(2);
    process.kill(shim, 'SIGKILL');
    program.process.kill('SIGKILL');
    await program.ended;
    await until('the shim has ended too', () => !isAlive(shim));
    expect(await runNode('macvlan', ['reap'], from)).toEqual({ failures: [], networks: ['lan'] });
    expect(await names(net)).toEqual(['up0']);
  });
});
