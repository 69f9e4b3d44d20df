import { readFileSync } from 'node:fs';
import { cpuUsage } from 'node:process';
import { Container } from 'nacelle';
import type { Case } from '../case.js';
import { type Subject, summarise } from '../measure.js';
import { alternating, containerOptions, nacelle } from '../peers/nacelle.js';
import type { Line } from '../table.js';

/** Until V8 has compiled what it will: its other threads take processor time too. */
const WARM = 4000;
const BATCHES = 10;

/** Processor time of all of Node's threads for a run, ms: of some batches. */
async function processorOf({ run }: Subject, batch: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < BATCHES; i++) {
    const before = cpuUsage();
    await run(batch);
    const { user, system } = cpuUsage(before);
    times.push((user + system) / 1000 / batch);
  }
  return times;
}

/** The newest process id of this pid namespace: each process takes the next one, and those of other programs count too. */
const newestPid = (): number => Number(readFileSync('/proc/sys/kernel/ns_last_pid', 'utf8'));

/**
 * Processes that were made ahead and thrown away, % of the runs: a run of `true` needs one process. All that begin in this pid namespace meanwhile, of other programs
 * too, are taken for this program's.
 */
async function thrownAway({ run }: Subject, batch: number): Promise<number[]> {
  const shares: number[] = [];
  for (let i = 0; i < BATCHES; i++) {
    const before = newestPid();
    await run(batch);
    shares.push(((newestPid() - before) / batch - 1) * 100);
  }
  return shares;
}

/** What a run costs Node's threads, and how much of what is made ahead nobody uses. */
export const processor: Case = {
  name: 'processor',
  async measure({ rootfs, quick }) {
    const batch = quick ? 50 : 200;
    const inRow = nacelle(rootfs);
    const inTurns = alternating(rootfs);
    for (const { run } of [inRow, inTurns]) await run(quick ? batch : WARM);
    await using pool = await Container.pool(containerOptions(rootfs), { ready: 8 });
    const pooled: Subject = {
      name: 'pool',
      async run(count) {
        for (let i = 0; i < count; i++) await pool.run();
        return [];
      },
    };
    await pooled.run(quick ? batch : WARM);
    return [
      {
        what: "Node's processor time for a run, one after the other",
        unit: 'ms',
        measured: summarise(await processorOf(inRow, batch)),
        target: { bound: 'at most', value: 0.6 },
      },
      { what: 'the same of a run in a pool', unit: 'ms', measured: summarise(await processorOf(pooled, batch)) },
      { what: 'the same, shapes in turns', unit: 'ms', measured: summarise(await processorOf(inTurns, batch)) },
      {
        what: 'made ahead and thrown away, one after the other, of the runs',
        unit: '%',
        measured: summarise(await thrownAway(inRow, batch)),
      },
      {
        what: 'made ahead and thrown away, shapes in turns, of the runs',
        unit: '%',
        measured: summarise(await thrownAway(inTurns, batch)),
      },
    ] satisfies Line[];
  },
};
