import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container, Image, NacelleError, reap, Volume } from '../../lib/index.js';
import { isAlive, shimOf } from '../fixtures/host.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { leftovers, snapshot, useLeakCheck } from '../fixtures/leaks.js';
import { seededRandom } from '../fixtures/random.js';
import { requires } from '../fixtures/requires.js';
import { rounds, seed } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import type { Failure, Victim } from './victim.js';
import { Victims } from './victims.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'gcc', 'tar', 'id', 'docker-registry', 'skopeo'] });
const folder = temporaryFolder();
const victims = new Victims(folder);
const moments = rounds(2, Math.ceil(200 / 9));

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What is created, started, run, joined, attached to, stopped, detached, pulled, loaded and mounted. */
const SCENARIOS = ['rich', 'life', 'exec', 'detached', 'pull', 'volume', 'image', 'userns', 'overlay', 'restart', 'pool', 'pool-userns'];
/** All moments. */
const LONG = { timeout: 3_600_000 };

type Whom = 'Node' | 'the shim' | 'both';

function send(victim: Victim, whom: Whom, signal: NodeJS.Signals): void {
  const pids = [...(whom === 'the shim' ? [] : [victim.pid]), ...(whom === 'Node' ? [] : [victim.shim])];
  for (const pid of pids) if (pid > 0 && isAlive(pid)) process.kill(pid, signal);
}

/** Begins a scenario that has run before, and waits for some moment of it. */
async function begun(scenario: string, random: () => number): Promise<{ victim: Victim; doing: Promise<Failure[] | null> }> {
  const victim = await victims.start(scenario);
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

// the registry lives for the whole file, so no test is blamed for it
beforeAll(() => victims.prepare('pull'));

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
      const told = `${kind} of ${whom} in ${scenario}, round ${round}`;
      await victims.prepare(scenario);
      const before = snapshot();
      await work(scenario, told, random);
      await tidy();
      expect(await leftovers(before), told).toEqual([]);
      rmSync(store, { recursive: true, force: true });
    }
  }

  it.each([
    ['killed', []],
    ['killed while stopped', ['SIGSTOP']],
  ] as const)(`%s at ${moments} moments: typed errors, nothing left, and the next one works (seed ${seed})`, LONG, async (kind, first) => {
    await each(kind.replaceAll(' ', '-'), async (scenario, told, random) => {
      const { victim, doing } = await begun(scenario, random);
      const { shim } = victim;
      for (const signal of first) {
        send(victim, whom, signal);
        await sleep(random() * 50);
      }
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

  it(`stopped at ${moments} moments goes on as if nothing had been (seed ${seed})`, LONG, async () => {
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

describe('a call that is cancelled while the shim stands still', () => {
  it.each(['run', 'exec', 'stop'] as const)('%s: ends when the shim goes on, as cancelled or with a typed error', async (what) => {
    const options = { image: `dir:${await busyboxRootfs()}`, command: ['sleep', '1000'] };
    await using container = await Container.create(options);
    await container.start();
    const shim = shimOf()?.pid ?? 0;
    const controller = new AbortController();
    const { signal: cancelSignal } = controller;
    const calls = {
      run: () => Container.run({ ...options, cancelSignal }),
      exec: () => container.exec(['sleep', '1000'], { cancelSignal }),
      stop: () => container.stop({ cancelSignal }),
    };
    process.kill(shim, 'SIGSTOP');
    let ended: Promise<unknown>;
    try {
      ended = Promise.resolve(calls[what]()).catch((error: unknown) => error);
      await sleep(50);
      controller.abort();
    } finally {
      process.kill(shim, 'SIGCONT');
    }
    const outcome = await ended;
    if (outcome === cancelSignal.reason || outcome instanceof NacelleError) return;
    expect(outcome).toMatchObject({ status: 'canceled' });
  });
});
