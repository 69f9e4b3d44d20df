import { setTimeout } from 'node:timers/promises';
import { Container, type ContainerOptions, type Network, type RunOptions } from 'nacelle';
import { type Case, type Context, effort } from '../case.js';
import { figures, interleave, type Subject, type Summary, subject, summarise } from '../measure.js';
import { onOwnNetwork, withContainers } from '../own-network.js';
import { compiled } from '../peers/compiled.js';
import { containerOptions, madeForRun } from '../peers/nacelle.js';
import type { Line, Row } from '../table.js';

/**
 * What a link to a bridge costs a run: a lease, a veth pair, an address, a route. Like is compared with like: both containers are parked ahead, or both are
 * made for their runs.
 */
export const network: Case = {
  name: 'network',
  measure: (context) =>
    onOwnNetwork('a run on a network', undefined, async (network) => {
      const run = (name: string, options: RunOptions): Subject => subject(name, () => Container.run(options));
      const [parked, made] = [containerOptions(context.rootfs), madeForRun(context.rootfs)];
      const plan = effort(context, { rounds: 100, batch: 4, warm: WARM }, { rounds: 10, batch: 4, warm: WARM / 5 });
      const bare = compiled('veth', (count) => [count]);
      const subjects = [
        run('none, parked', parked),
        run('bridge, parked', { ...parked, network }),
        run('none, made for its run', made),
        run('bridge, made for its run', { ...made, network }),
        bare,
      ];
      const [none, bridge, noneMade, bridgeMade, link] = await interleave(subjects, plan).finally(bare.close);
      if (!none || !bridge || !noneMade || !bridgeMade || !link) return [];
      return [
        ahead('a run on a network that follows at once, in a container that was parked ahead', bridge, none),
        ...(await withPauses(context, network)),
        {
          what: 'a run on a network, in a container made for it',
          unit: 'ms',
          measured: bridgeMade,
          against: { name: "network: 'none', made for its run too", measured: noneMade },
          compare: 'difference',
        },
        { what: 'the bare requests for its link, by bench/veth.c', unit: 'ms', measured: link },
        ...(await pooled(context, network)),
        await published(context, network, 'of the loopback'),
        await published(context, network, 'of all addresses'),
      ];
    }),
};

/** V8 compiles for the first few thousand runs, and has more to compile of a run on a network. */
const WARM = 4000;

function ahead(what: string, bridge: Summary, none: Summary): Row {
  const against = { name: "network: 'none', parked ahead too", measured: none };
  return { what, unit: 'ms', measured: bridge, against, compare: 'difference', target: { bound: 'at most', value: 1.5 } };
}

/** As a service runs programs that come one by one: what is made for the next run is made by then. */
async function withPauses(context: Context, network: Network): Promise<Row[]> {
  const run = (name: string, options: RunOptions): Subject =>
    figures(name, async () => {
      await setTimeout(PAUSE);
      const started = performance.now();
      await Container.run(options);
      return performance.now() - started;
    });
  const options = containerOptions(context.rootfs);
  const subjects = [run('none, with pauses', options), run('bridge, with pauses', { ...options, network })];
  const plan = effort(context, { rounds: 50, batch: 6, warm: 50 }, { rounds: 5, batch: 6 });
  const [none, bridge] = await interleave(subjects, plan);
  if (!none || !bridge) throw new Error('nothing was measured');
  return [ahead(`a run on a network, ${PAUSE} ms after the one before, in a container that was parked ahead`, bridge, none)];
}

/** ms */
const PAUSE = 10;

/** As a program that runs one thing after the other on a network does: of two containers that wait, what a link adds. */
async function pooled(context: Context, network: Network): Promise<Row[]> {
  const pools = await Promise.all(
    [{}, { network }].map((more) => Container.pool({ ...containerOptions(context.rootfs), ...more }, { ready: 4 })),
  );
  const subjects = pools.map((pool, i) => subject(`pool ${i}`, () => pool.run()));
  const plan = effort(context, { rounds: 100, batch: 4, warm: WARM / 4 }, { rounds: 10, batch: 4, warm: WARM / 10 });
  const [none, bridge] = await interleave(subjects, plan).finally(() => Promise.all(pools.map((pool) => pool.close())));
  if (!none || !bridge) throw new Error('nothing was measured');
  const what = 'a run on a network, of a pool';
  return [{ what, unit: 'ms', measured: bridge, against: { name: "network: 'none', of a pool", measured: none }, compare: 'difference' }];
}

const sleeper = (context: Context, network?: Network): ContainerOptions => ({
  ...containerOptions(context.rootfs),
  command: ['/bin/sleep', '100000'],
  ...(network && { network }),
});

/** Processes carry what comes by the loopback, and rules lead what comes by other links. */
const PORTS = { 'of the loopback': '80', 'of all addresses': '0.0.0.0::80' } as const;

/** A port of TCP that comes and goes while the container lives: what is asked of the coming alone holds for both. */
async function published(context: Context, network: Network, where: keyof typeof PORTS): Promise<Row> {
  await using container = await Container.create(sleeper(context, network));
  await container.start();
  const once = subject('publish', async () => container.unpublish(await container.publish(PORTS[where])));
  const [measured] = await interleave([once], effort(context, { rounds: 30, batch: 10 }, { rounds: 10, batch: 5 }));
  if (!measured) throw new Error('nothing was measured');
  const what = `a port ${where} published for a living container, and no more`;
  return { what, unit: 'ms', measured, target: { bound: 'at most', value: 1 } };
}

const MANY = 500;
/** The first ones warm up what the others use too. */
const WARM_UP = 20;
const SAMPLE = 40;

/** Containers that stay, each added beside all before it: on a network, and for comparison on none. */
export const networkCrowd: Case = {
  name: 'network-crowd',
  measure: (context) =>
    onOwnNetwork(`the last of ${MANY} containers on a network`, '10.250.0.0/16', async (network) => {
      const added = (options: ContainerOptions) => withContainers(MANY, options, async (times) => times.slice(WARM_UP));
      const row = (where: string, times: readonly number[]): Line => ({
        what: `the last of ${MANY} containers added ${where}`,
        unit: 'ms',
        measured: summarise(times.slice(-SAMPLE)),
        against: { name: 'one of the first', measured: summarise(times.slice(0, SAMPLE)) },
        compare: 'ratio',
        ...(where === 'to a network' && { target: { bound: 'at most', value: 1.5 } }),
      });
      return [row('to a network', await added(sleeper(context, network))), row("with network: 'none'", await added(sleeper(context)))];
    }),
};
