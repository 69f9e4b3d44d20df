import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect } from 'vitest';
import { isAlive, ownerOf, type ProcessInfo, processInfo } from '../../fixtures/host.js';
import { leftovers, type Snapshot, snapshot } from '../../fixtures/leaks.js';
import { seededRandom } from '../../fixtures/random.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';
import type { Failure, Victim } from '../victim.js';
import { itOf, Victims } from '../victims.js';

// Whoever is killed while containers on networks live: nothing of the dead is left, and the connections of another process go on. Each kind of process has
// a file. The files run beside each other, since each waits most of its time.
const LIFE = 'net-life';
/** Who has the networks, by the name with which a scenario begins. */
const USERS: Readonly<Record<string, string>> = { root: LIFE, 'an ordinary user': `user-${LIFE}` };
const folder = temporaryFolder();
const victims = new Victims(folder);
const moments = rounds(2, 100);
/** To start a Node and to look for what is left of one would take most of a round: so a Node that is not killed lives through so many. */
const ROUNDS_OF_ONE = 5;
const LONG = { timeout: 7_200_000 };

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isSame = ({ pid, startTime }: ProcessInfo): boolean => processInfo(pid)?.startTime === startTime;

/** What there is more than before, once the kernel had its time to take network namespaces down. */
async function moreThan(scenario: string, before: readonly string[]): Promise<string[]> {
  const more = async (): Promise<string[]> => (await victims.look(scenario)).filter((thing) => !before.includes(thing));
  return until('nothing more is there', async () => ((await more()).length === 0 ? [] : null), 30_000).catch(more);
}

const ownersOf = (all: readonly ProcessInfo[]): string[] =>
  all.flatMap(({ pid, command }) => (command === 'nacelle-shim' ? [ownerOf(pid) ?? ''] : [])).filter(Boolean);

/** What is left on the machine. Groups and processes of others come and go beside this test: those of the dead are told by their owners. */
async function leftOf(owners: ReadonlySet<string>, before: Snapshot): Promise<string[]> {
  return (await leftovers(before, 0)).filter((line) => {
    // an offer of an address is void without its process, and goes when somebody else wants the address
    if (line.includes('/offers/')) return false;
    return !/^(cgroup|namespace|process|zombie) /.test(line) || [...owners].some((owner) => line.includes(owner));
  });
}
async function leftAtLast(owners: ReadonlySet<string>, before: Snapshot): Promise<string[]> {
  return until('nothing is left', async () => ((await leftOf(owners, before)).length === 0 ? [] : null), 30_000).catch(() =>
    leftOf(owners, before),
  );
}

afterAll(() => {
  delete process.env.NACELLE_ROOT;
});

async function killAtMoments(scenario: string, whom: string, targets: readonly string[]): Promise<void> {
  const random = seededRandom(seed);
  const endsNode = targets.includes('node');
  process.env.NACELLE_ROOT = join(folder, `store-${scenario}-${whom.replaceAll(' ', '-')}`);
  await victims.prepare(scenario);
  const clean = { machine: snapshot(), net: await victims.look(scenario) };
  const living = await victims.start(scenario);
  const goesOn = async (told: string): Promise<void> => expect(await living.do('net-living'), told).toEqual([]);
  await goesOn('at first');
  const before = { machine: snapshot(), net: await victims.look(scenario) };
  let victim: Victim = await victims.start(scenario);
  expect(await victim.do(LIFE), 'without a kill').toEqual([]);
  const from = Date.now();
  expect(await victim.do(LIFE), 'without a kill').toEqual([]);
  const took = Date.now() - from;
  const owners = new Set<string>();
  let kills = 0;
  for (let round = 0; round < moments; round++) {
    const told = `${whom}, round ${round}`;
    if (!isAlive(victim.pid)) victim = await victims.start(scenario);
    const doing: Promise<Failure[] | null> = victim.do(LIFE).catch(() => null);
    await sleep(random() * took);
    const below = victim.below();
    const own = processInfo(victim.pid);
    for (const owner of ownersOf(below)) owners.add(owner);
    // a shim is called as Node is until it has executed its file: it would be killed too, and what it has made left for a reap
    const beside = below.filter(({ command }) => command !== 'node' && targets.includes(command));
    const killed = [...(endsNode && own !== null ? [own] : []), ...beside];
    for (const one of killed) {
      if (!isSame(one)) continue;
      process.kill(one.pid, 'SIGKILL');
      kills++;
    }
    const failures = await doing;
    expect(failures?.filter(({ typed }) => !typed) ?? [], told).toEqual([]);
    if (!endsNode) {
      const next = await victim.do(LIFE);
      // Node may not have heard of the shim's death yet, where the kill came after all was done
      expect(
        next.filter(({ code }) => whom !== 'the shim' || code !== 'ERR_SHIM_DIED'),
        `after ${told}`,
      ).toEqual([]);
      expect(await victim.reap(), told).toEqual([]);
      expect(await victim.do(LIFE), `the second after ${told}`).toEqual([]);
    } else {
      await until(`all processes have ended that were there: ${told}`, () => !below.some(isSame));
      // whoever lives takes what the dead shim has left
      if (whom === 'all') expect(await living.reap(), told).toEqual([]);
    }
    await goesOn(told);
    // what the dead have left would still be there
    if (!endsNode && (round + 1) % ROUNDS_OF_ONE !== 0 && round + 1 < moments) continue;
    if (!endsNode) {
      const last = victim.below();
      await victim.end();
      await until(`all processes have ended that were there: ${told}`, () => ![...below, ...last].some(isSame));
    }
    expect(await leftAtLast(owners, before.machine), told).toEqual([]);
    expect(await moreThan(scenario, before.net), told).toEqual([]);
  }
  expect(kills).toBeGreaterThan(0);
  expect(await living.do('net-living-end')).toEqual([]);
  await living.end();
  expect(await leftAtLast(owners, clean.machine)).toEqual([]);
  expect(await moreThan(scenario, clean.net)).toEqual([]);
  rmSync(process.env.NACELLE_ROOT, { recursive: true, force: true });
}

/**
 * Tests of one file: each has a Node of its own that lives through all, and network namespaces of its own, so that files can run beside each other.
 *
 * @param targets the names of the processes that are killed
 */
export function testKills(whom: string, targets: readonly string[]): void {
  describe.each(Object.keys(USERS))('%s', (user) => {
    const scenario = USERS[user] ?? LIFE;
    itOf(scenario)(`${whom}, killed at ${moments} moments of containers with networks (seed ${seed})`, LONG, async () =>
      killAtMoments(scenario, whom, targets),
    );
  });
}
