import { expect } from 'vitest';
import { isAlive, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { inside, makeNet, useNets } from '../fixtures/nets.js';
import { type NodeProgram, runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type LoneMachine, loneMachine } from '../fixtures/world.js';

// Containers that join and leave networks, and get other limits, while they live.
useLeakCheck();
const { describe, it } = requires({
  root: true,
  containers: true,
  tools: ['ip', 'tc', 'ping', 'getent', 'nsenter', 'unshare', 'sleep', 'true'],
});
const temporary = temporaryFolder();
useNets();

const machine = () => loneMachine(temporary);

/** As {@link machine}, with the link lan0 to another one. */
async function machineOnLink(): Promise<LoneMachine> {
  const { net, from } = await machine();
  const world = await makeNet();
  await inside(net, 'ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'lan0', 'netns', String(world.pid));
  for (const [one, address] of [
    [net, '192.0.2.1/24'],
    [world, '192.0.2.2/24'],
  ] as const) {
    await inside(one, 'ip', 'addr', 'add', address, 'dev', 'lan0');
    await inside(one, 'ip', 'link', 'set', 'lan0', 'up');
  }
  return { net, from };
}

const nothing = (networks: number) => ({ members: [], removals: Array(networks).fill('no error') });
const next = async ({ lines }: NodeProgram): Promise<string> => String((await lines.next()).value);

describe('a container that lives', () => {
  it('joins networks and leaves them: with links, routes, names and rules, also in its next run', async () => {
    const { from } = await machine();
    const a = 'eth0 02:6e:0a:01:00:09 10.1.0.9/24 fd00:1::9/64';
    const b = 'back 02:00:00:00:00:07 10.2.0.3/24';
    const ofA = ['10.1.0.1 eth0', 'fd00:1::1 eth0'];
    const made = ['10.1.0.2/24', 'fd00:1::2/64'];
    expect(await runNode('connected', ['lives'], from)).toEqual({
      before: { links: [], ways: [], asked: '', told: [] },
      first: {
        links: [a],
        ways: ofA,
        told: ['a eth0 10.1.0.9/24,fd00:1::9/64'],
        reached: [true, true, true],
        found: ['10.1.0.2', '10.1.0.9', '10.1.0.9'],
        uses: [...made, '10.1.0.9/24', 'fd00:1::9/64'],
        listed: ['one', 'other'],
        forged: [true, false],
      },
      both: {
        links: [a, b],
        ways: ofA,
        told: ['a eth0 10.1.0.9/24,fd00:1::9/64', 'b back 10.2.0.3/24'],
        found: '10.1.0.9,10.2.0.3',
      },
      again: { links: [a, b], ways: ofA, reached: [true, true] },
      second: {
        links: [b],
        ways: ['10.2.0.1 back'],
        told: ['b back 10.2.0.3/24'],
        uses: made,
        found: ['', '10.2.0.3', '10.2.0.2'],
        reached: [true, true],
      },
      once: { links: [b], ways: ['10.2.0.1 back'], found: '10.2.0.3' },
      none: { links: [], ways: [], told: [], found: ['', ''] },
      made: { links: ['eth1 02:6e:0a:02:00:02 10.2.0.2/24'], ways: ['10.2.0.1 eth1'], uses: [], removal: 'no error' },
      left: nothing(1),
    });
  });

  it('is changed by another process where it is detached, and its address is then another’s, also after its end', async () => {
    const { from } = await machine();
    const links = { links: ['eth1 02:6e:0a:02:00:02 10.2.0.2/24'], ways: ['10.2.0.1 eth1'] };
    const told = ['b eth1 10.2.0.2/24'];
    await runNode('connected', ['make'], from);
    expect(await runNode('connected', ['change'], from)).toEqual({ ...links, told });
    expect(await runNode('connected', ['look'], from)).toEqual({
      told,
      found: '10.2.0.2',
      reached: true,
      again: { ...links, reached: true },
      after: { a: ['10.1.0.2/24', 'fd00:1::2/64'], b: ['10.2.0.3/24'], found: '', heir: true },
      left: nothing(2),
    });
  });

  it('joins what several processes ask for at once', async () => {
    const { from } = await machine();
    await runNode('connected', ['crowd'], from);
    const networks = ['n1', 'n2', 'n3', 'n4'];
    const programs = networks.map((name) => startNode('connected', ['join', name], from));
    for (const program of programs) expect(await next(program)).toBe('ready');
    for (const { pid } of programs) process.kill(pid, 'SIGUSR2');
    for (const { ended } of programs) expect(await ended).toMatchObject({ code: 0 });
    expect(await runNode('connected', ['seen'], from)).toEqual({ links: 4, told: networks, again: 4, left: nothing(4) });
  });

  it('is refused what can’t be, with the reason, and nothing is left of it', async () => {
    const { from } = await machine();
    const { errors, ...seen } = await runNode<{ errors: Record<string, string> }>('connected', ['refused'], from);
    const unsupported = 'ERR_UNSUPPORTED: network.connect() is not supported here: the container';
    const id = (text: string): string => text.replaceAll(/[0-9a-f]{32}/g, 'ID');
    expect(Object.fromEntries(Object.entries(errors).map(([key, text]) => [key, id(text)]))).toEqual({
      twice: 'ERR_CONNECTED: connect the container ID to the network a: it is on it already',
      not: "ERR_NOT_CONNECTED: disconnect the container ID from the network b: it isn't on it",
      taken: 'EADDRINUSE: take the address 10.1.0.2 in the network a: another container has it',
      outside: 'ERR_INVALID_OPTION: option ip: is 10.9.0.2, which lies in no subnet of the network a',
      name: 'ERR_INVALID_OPTION: option interfaceName: is eth0, which the container has already',
      alias: expect.stringMatching(/^ERR_INVALID_OPTION: option aliases\[0\]: must be a name/),
      shares: `${unsupported} shares a network that was there before: ask the one that it belongs to`,
      host: `${unsupported} has the host's network`,
      ended: 'ERR_STATE: network.connect() of the container ID: it has ended',
      gone: 'ERR_NO_NETWORK: there is no network gone. Network.create makes one',
      what: 'ERR_INVALID_OPTION: option container: must be a Container',
    });
    expect(seen).toEqual({
      same: true,
      inTheWay: 'EEXIST: make eth0, the link to the network b: EEXIST (file already exists)',
      uses: [],
      later: ['b eth0 10.2.0.3/24'],
      early: { links: ['eth0 02:6e:0a:03:00:02 10.3.0.2/29'], ways: [] },
      left: nothing(3),
    });
  });

  it('publishes ports on its first network, which lead to another one when that goes', async () => {
    const { from } = await machine();
    expect(await runNode('connected', ['ports'], from)).toEqual({
      unlinked: expect.stringMatching(/^ERR_UNSUPPORTED: publish\(\)/),
      first: '10.1.0.1',
      moved: '10.2.0.1',
      lost: expect.stringMatching(
        /^ERR_IN_USE: disconnect the container .*: the published port 127\.0\.0\.1:\d+\/tcp leads there, and to no other/,
      ),
      links: [],
      left: nothing(2),
    });
  });

  it('leaves nothing when Node dies, nor when its shim does too', async () => {
    const { from } = await machine();
    for (const both of [false, true]) {
      const program = startNode('connected', ['hold'], from);
      // two bridges, three ports, and an ifb for each link of the first
      expect(JSON.parse(await next(program))).toEqual({ links: 7 });
      const shim = shimOf(program.pid)?.pid ?? 0;
      expect(shim).toBeGreaterThan(0);
      if (both) process.kill(shim, 'SIGKILL');
      program.process.kill('SIGKILL');
      await program.ended;
      await until('its shim has ended', () => !isAlive(shim));
      expect(await runNode('connected', ['rest'], from)).toEqual({ uses: [], members: [], records: 0 });
    }
  });
});

describe('a container that lives, and the drivers of networks,', () => {
  it('joins a link of this machine, other hosts and an internal network with a user namespace of its own', async () => {
    const { from } = await machineOnLink();
    const links = ['eth0 02:6e:c0:00:02:40 192.0.2.64/24', 'eth1 02:6e:0a:07:00:40 10.7.0.64/24', 'eth2 02:6e:0a:03:00:02 10.3.0.2/24'];
    const whole = { links, ways: ['192.0.2.1 eth0'], reached: [true, true, true] };
    expect(await runNode('connected', ['drivers', 'lan0'], from)).toEqual({
      first: whole,
      again: whole,
      limited: expect.stringMatching(/^ERR_INVALID_OPTION: option bandwidth: the container is on the network lan/),
      other: { links: links.slice(1), ways: ['10.7.0.1 eth1'] },
      left: nothing(3),
    });
  });

  it('keeps nothing of what is taken from it, whatever rights its program has over links', async () => {
    const { from } = await machineOnLink();
    const id = (text: string): string => text.replaceAll(/[0-9a-f]{32}/g, 'ID');
    const refused = expect.stringMatching(/^ERR_UNSUPPORTED: network\.disconnect\(\) .* the capability NET_ADMIN, .*macvlan or ipvlan/);
    const { moved, ways, ...seen } = await runNode<Record<string, string[]>>('connected', ['rights'], from);
    expect(seen).toEqual({ renamed: ['no error', []], admin: refused, privileged: refused, left: nothing(2) });
    // it is on the network still, which keeps its address from others
    expect(moved).toEqual([expect.stringMatching(/^ENODEV: .*remove eth0/), ['lan eth0 192.0.2.65/24'], 1]);
    // it has left all the same
    expect(ways?.map((one) => id(String(one)))).toEqual([
      expect.stringMatching(/^ENODEV: .*bring up|default route/),
      'b eth1 10.2.0.2/24',
      '0',
      "ERR_NOT_CONNECTED: disconnect the container ID from the network a: it isn't on it",
    ]);
  });
});

describe('update', () => {
  it('changes the bandwidth of each link, in the next run too, and by another handle', async () => {
    const { from } = await machine();
    const rates = (address: string, egress: number | null, ingress: number | null): string[] => [
      ...(egress === null ? [] : [`ncli${address} tbf ${egress}`, `nclv${address} ingress`]),
      ...(ingress === null ? [] : [`nclv${address} tbf ${ingress}`]),
    ];
    const MiB = 1024 ** 2;
    const [a, b] = ['0a010002', '0a020002'];
    const changed = [...rates(a, null, 4 * MiB), ...rates(b, null, 4 * MiB)];
    expect(await runNode('connected', ['rates'], from)).toEqual({
      before: [],
      first: rates(a, MiB, 2 * MiB),
      both: [...rates(a, MiB, 2 * MiB), ...rates(b, MiB, 2 * MiB)].sort(),
      changed,
      option: { egress: null, ingress: 4 * MiB },
      again: changed,
      counted: true,
      left: rates(b, 8 * MiB, null),
      lifted: [],
      reached: true,
      refused: [
        'ERR_INVALID_OPTION: option bandwidth: needs links of its own, and the container is on no network',
        'ERR_INVALID_OPTION: option bandwidth.egress: must be from 1024 to 68719476736 bytes a second, not 1',
        'ERR_INVALID_OPTION: option bandwidth: must have egress, ingress or both',
      ],
      rest: nothing(2),
    });
  });
});
