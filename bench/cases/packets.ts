import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Container, type ContainerOptions, type Network, VethPair } from 'nacelle';
import { type Case, type Context, effort } from '../case.js';
import { interleave, type Subject } from '../measure.js';
import { onOwnNetwork, withContainers } from '../own-network.js';
import { compiledProgram } from '../peers/compiled.js';
import { containerOptions } from '../peers/nacelle.js';
import type { Line, Row } from '../table.js';

const PORT = 9000;
const PROGRAM = '/mnt/packets';
const MANY = 50;

/** Who measures, and what it finds at which address: all serve at the same port. */
interface Places {
  /** A container on the network, with another one and, beyond this machine, the world. */
  readonly client: Container;
  readonly neighbour: string;
  readonly outside: string;
  /** The world: a container with a veth to this machine, for which the neighbour's port is published. */
  readonly world: Container;
  readonly machine: string;
  readonly published: number;
  /** A container with a veth to the world, and nothing else. */
  readonly beside: Container;
  readonly end: string;
  /** A container at a bridge that no rule is about, to which the world has a route by this machine: what DNAT can't be faster than. */
  readonly plain: string;
  /** A container that may connect to the world's port, by the helper that carries what a list allows. */
  readonly confined: Container;
}

async function withPlaces(context: Context, network: Network, use: (places: Places) => Promise<Line[]>): Promise<Line[]> {
  const { path, remove } = compiledProgram('packets');
  const serving = (on: Network | 'none'): ContainerOptions => ({
    ...containerOptions(context.rootfs),
    mounts: [{ type: 'bind', source: path, target: PROGRAM, readOnly: true }],
    command: [PROGRAM, 'serve', String(PORT)],
    network: on,
  });
  try {
    await using world = await served(serving('none'));
    await using beside = await served(serving('none'));
    await using other = await served(serving(network));
    await using client = await served(serving(network));
    await using confined = await served({ ...serving('none'), egress: { allow: [`192.0.2.2:${PORT}`] } });
    const [machine, outside, end] = ['192.0.2.1', '192.0.2.2', '198.51.100.1'];
    await using _way = await VethPair.create({ peer: world, address: `${machine}/24`, peerAddress: `${outside}/24`, gateway: machine });
    await using ruleless = await served(serving('none'));
    const [gateway, plain] = ['203.0.113.1', '203.0.113.2'];
    using bridge = bridgeByHand(`${gateway}/24`);
    await using _port = await VethPair.create({ peer: ruleless, bridge: bridge.name, peerAddress: `${plain}/24`, gateway });
    await using namespace = await world.namespace('net');
    await using _pair = await VethPair.create({ namespace, peer: beside, address: `${end}/24`, peerAddress: '198.51.100.2/24' });
    const { host: published } = await other.publish(`0.0.0.0::${PORT}`);
    const [address = ''] = (await other.inspect()).networks.flatMap(({ addresses }) => addresses);
    const neighbour = address.slice(0, address.indexOf('/'));
    return await use({ client, neighbour, outside, world, machine, published, beside, end, plain, confined });
  } finally {
    remove();
  }
}

function bridgeByHand(address: string): Disposable & { readonly name: string } {
  const name = 'bench-bridge';
  const ip = (...args: string[]): void => void execFileSync('ip', args);
  ip('link', 'add', name, 'type', 'bridge');
  ip('address', 'add', address, 'dev', name);
  ip('link', 'set', name, 'up');
  return { name, [Symbol.dispose]: () => ip('link', 'delete', name) };
}

/** A container whose program has said that it serves. */
async function served(options: ContainerOptions): Promise<Container> {
  const container = await Container.create(options);
  try {
    const { stdout } = container;
    if (stdout === null) throw new Error('there is no output');
    const said = once(stdout, 'data');
    await container.start();
    await said;
    return container;
  } catch (error) {
    await container.remove({ force: true });
    throw error;
  }
}

/** What the program measures in a container; ms each. */
function from(container: Container, name: string, does: 'ask' | 'read', host: string, port = PORT): Subject {
  return {
    name,
    async run(count) {
      const { stdout, stderr, failed } = await container.exec([PROGRAM, does, String(count), host, String(port)]);
      if (failed) throw new Error(`${name}: ${stderr}`);
      const lines = stdout.trim().split('\n');
      return lines.map((line) => Number(line) / 1e6);
    },
  };
}

/** Round trips between two containers, and with the world, beside one detached container and beside fifty. */
export const packets: Case = {
  name: 'packets',
  measure: (context) =>
    onOwnNetwork('a round trip', undefined, (network) =>
      withPlaces(context, network, async ({ client, neighbour, outside }) => {
        const ways = [from(client, 'in the network', 'ask', neighbour), from(client, 'by masquerade', 'ask', outside)];
        const detached = { ...containerOptions(context.rootfs), command: ['/bin/sleep', '100000'], network, detach: true };
        const plan = effort(context, { rounds: 20, batch: 1000 }, { rounds: 5, batch: 1000 });
        const beside = (count: number) => withContainers(count, detached, () => interleave(ways, plan));
        const [one, many] = [await beside(1), await beside(MANY)];
        return ways.flatMap(({ name }, way): Row[] => {
          const [measured, against] = [many[way], one[way]];
          if (!measured || !against) return [];
          const row = { what: `a round trip ${name}, beside ${MANY} detached containers`, unit: 'ms', measured, compare: 'ratio' } as const;
          return [{ ...row, against: { name: 'beside one', measured: against }, target: { bound: 'at most', value: 1.2 } }];
        });
      }),
    ),
};

/** Streams of TCP by each way, against one from end to end of a veth. */
export const throughput: Case = {
  name: 'throughput',
  measure: (context) =>
    onOwnNetwork('a stream', undefined, (network) =>
      withPlaces(context, network, async ({ client, neighbour, outside, world, machine, published, beside, end, plain, confined }) => {
        const ways = [
          from(world, 'through a published port (DNAT)', 'read', machine, published),
          from(client, 'by masquerade', 'read', outside),
          from(client, 'in the network', 'read', neighbour),
          from(confined, 'that a list of egress allows', 'read', outside),
          from(world, 'routed to a bridge without rules', 'read', plain),
        ];
        // as much a second as 0.9, and 0.6, of the veth's
        const targets = [1.11, null, null, 1.67, null];
        const veth = from(beside, 'a veth alone', 'read', end);
        const plan = effort(context, { rounds: 12, batch: 2 }, { rounds: 4, batch: 1 });
        const [theirs, ...ours] = await interleave([veth, ...ways], plan);
        return ours.flatMap((measured, way): Row[] => {
          const name = ways[way]?.name;
          if (!theirs || name === undefined) return [];
          const row = {
            what: `256 MiB ${name}`,
            unit: 'ms',
            measured,
            against: { name: veth.name, measured: theirs },
            compare: 'ratio',
          } as const;
          const value = targets[way] ?? null;
          return [{ ...row, ...(value !== null && { target: { bound: 'at most', value } as const }) }];
        });
      }),
    ),
};
