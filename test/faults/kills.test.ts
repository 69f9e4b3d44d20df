import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { Container, Image, reap, Volume } from '../../lib/index.js';
import { isAlive } from '../fixtures/host.js';
import { leftovers, snapshot, useLeakCheck } from '../fixtures/leaks.js';
import { seededRandom } from '../fixtures/random.js';
import { requires } from '../fixtures/requires.js';
import { rounds, seed } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Failure, Victim } from './victim.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'gcc', 'tar', 'id'] });
const folder = temporaryFolder();
const moments = rounds(3, 200 / 6);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What is created, started, run, attached to, stopped, detached, loaded and mounted. */
const SCENARIOS = ['rich', 'life', 'detached', 'volume', 'image', 'userns', 'overlay', 'restart'];
/** All moments. */
const LONG = { timeout: 3_600_000 };

type Whom = 'Node' | 'the shim' | 'both';

function send(victim: Victim, whom: Whom, signal: NodeJS.Signals): void {
  const pids = [...(whom === 'the shim' ? [] : [victim.pid]), ...(whom === 'Node' ? [] : [victim.shim])];
  for (const pid of pids) if (pid > 0 && isAlive(pid)) process.kill(pid, signal);
}

/** Begins a scenario that has run before, and waits for some moment of it. */
async function begun(scenario: string, random: () => number): Promise<{ victim: Victim; doing: Promise<Failure[] | null> }> {
  const victim = await Victim.start();
  const from = Date.now();
  expect(await victim.do(scenario)).toEqual([]);
  const took = Date.now() - from;
  // null: Node has died of it
  const doing = victim.do(scenario).catch(() => null);
  await sleep(random() * took);
  return { victim, doing };
}

/** What whoever is left has to do: their detached containers live on, and a volume with a name is data. */
async function tidy(): Promise<void> {
  for (const { id } of await Container.list()) await (await Container.attach(id)).remove({ force: true });
  expect((await reap()).failures).toEqual([]);
  // it also takes what a dead process has leased
  await Image.prune();
  for (const { name } of await Volume.list()) await (await Volume.open(name)).remove();
}

describe.each<Whom>(['Node', 'the shim', 'both'])('%s', (whom) => {
  afterAll(() => {
    delete process.env.NACELLE_ROOT;
  });

  async function each(kind: string, work: (scenario: string, told: string, random: () => number) => Promise<void>): Promise<void> {
    const random = seededRandom(seed);
    for (let round = 0; round < moments; round++) {
      const scenario = SCENARIOS[Math.floor(random() * SCENARIOS.length)] ?? '';
      const store = join(folder, `store-${kind}-${round}`);
      process.env.NACELLE_ROOT = store;
      const before = snapshot();
      const told = `${kind} of ${whom} in ${scenario}, round ${round}`;
      await work(scenario, told, random);
      await tidy();
      expect(await leftovers(before), told).toEqual([]);
      rmSync(store, { recursive: true, force: true });
    }
  }

  it(`killed at ${Math.ceil(moments)} moments: typed errors, nothing left, and the next one works (seed ${seed})`, LONG, async () => {
    await each('SIGKILL', async (scenario, told, random) => {
      const { victim, doing } = await begun(scenario, random);
      const { shim } = victim;
      send(victim, whom, 'SIGKILL');
      const failures = await doing;
      expect(failures?.filter(({ typed }) => !typed) ?? [], told).toEqual([]);
      if (whom === 'the shim') {
        // Node may not have heard of the death yet, where the kill came after all was done
        const next = await victim.do(scenario);
        expect(
          next.filter(({ code }) => code !== 'ERR_SHIM_DIED'),
          `after ${told}`,
        ).toEqual([]);
        expect(await victim.do(scenario), `after ${told}`).toEqual([]);
      }
      if (whom === 'the shim') await victim.end();
      await until('the shim has ended', () => !isAlive(shim));
    });
  });

  it(`stopped at ${Math.ceil(moments)} moments goes on as if nothing had been (seed ${seed})`, LONG, async () => {
    await each('SIGSTOP', async (scenario, told, random) => {
      const { victim, doing } = await begun(scenario, random);
      send(victim, whom, 'SIGSTOP');
      await sleep(50);
      send(victim, whom, 'SIGCONT');
      expect(await doing, told).toEqual([]);
      const { shim } = victim;
      await victim.end();
      await until('the shim has ended', () => !isAlive(shim));
    });
  });
});
