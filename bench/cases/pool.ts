import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { Container, type ContainerPool } from 'nacelle';
import { type Case, type Context, effort } from '../case.js';
import { interleave, type Subject, subject, summarise } from '../measure.js';
import { compiled } from '../peers/compiled.js';
import { floor } from '../peers/floor.js';
import { containerOptions, nacelle } from '../peers/nacelle.js';
import type { Line } from '../table.js';

const WARM = 2000;
const READY = 8;

/** The container of every comparison, of which some wait. */
function poolOf({ rootfs }: Context): Promise<ContainerPool> {
  return Container.pool(containerOptions(rootfs), { ready: READY });
}

/** As many runs as wait, one after the other, once all of them do: how long it takes until others wait is not part of it. */
function waited(name: string, pool: ContainerPool, once: () => Promise<number>): Subject {
  return {
    name,
    async run(count) {
      const times: number[] = [];
      while (times.length < count) {
        while (pool.ready < READY) await new Promise((resolve) => setTimeout(resolve, 1));
        for (let i = 0; i < READY && times.length < count; i++) times.push(await once());
      }
      return times;
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** From the call to the first byte of what the program says, in ms. */
async function firstByte(pool: ContainerPool): Promise<number> {
  const started = performance.now();
  const run = pool.run({ command: ['/bin/echo', 'x'] });
  if (run.stdout === null) throw new Error('no output');
  await once(run.stdout, 'data');
  const took = performance.now() - started;
  await run;
  return took;
}

export const pool: Case = {
  name: 'pool',
  async measure(context) {
    await using pool = await poolOf(context);
    const subjects = [
      floor(context.rootfs),
      waited('pool.run', pool, () => timed(() => pool.run())),
      subject('pool.run, in a row', () => pool.run()),
      nacelle(context.rootfs),
      waited('first byte', pool, () => firstByte(pool)),
      compiled('handed-over', (count) => [`${context.rootfs}/bin/true`, count]),
    ];
    const length = effort(context, { rounds: 30, batch: 16, warm: WARM }, { rounds: 10, batch: 8, warm: WARM });
    const [bare = summarise([]), ready = bare, inRow = bare, made = bare, first = bare, handed = bare] = await interleave(subjects, length);
    const against = { name: 'floor', measured: bare };
    return [
      { what: 'pool.run, against floor', unit: 'ms', measured: ready, against, compare: 'ratio', target: { bound: 'at most', value: 0.6 } },
      {
        ...{ what: 'pool.run, against a message to a waiting process and its end', unit: 'ms', measured: ready, compare: 'ratio' },
        against: { name: 'bench/handed-over.c', measured: handed },
      },
      { what: 'pool.run one after the other, against floor', unit: 'ms', measured: inRow, against, compare: 'ratio' },
      {
        ...{ what: 'pool.run one after the other, against Container.run', unit: 'ms', measured: inRow, compare: 'ratio' },
        against: { name: 'Container.run', measured: made },
      },
      { what: 'pool.run, from the call to the first byte', unit: 'ms', measured: first, target: { bound: 'at most', value: 0.8 } },
    ] satisfies Line[];
  },
};
