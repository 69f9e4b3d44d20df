import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isAlive } from '../fixtures/host.js';
import { leftovers, snapshot } from '../fixtures/leaks.js';
import { seed } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { faultsAt, spread } from './errnos.js';
import type { Place, Victim } from './victim.js';
import { itOf, Victims } from './victims.js';

const folder = temporaryFolder();
const victims = new Victims(folder);
const only = process.env.NACELLE_SCENARIO;
/** These alone, as they are told: `node statx number 7: EIO`, one a line. */
const named = process.env.NACELLE_FAULT?.split('\n');

interface Case extends Place {
  readonly error: string;
}

const telling = ({ who, call, nth, error }: Case): string => `${who} ${call} number ${nth}: ${error}`;

/** How long a call may take that nothing hinders, in ms: one that waits for ever is told, with its place. */
const GUARD = 60_000;

async function within<T>(what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it waits for ever: ${what}`)), GUARD);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const SCENARIOS = [
  'run',
  'rich',
  'host',
  'userns',
  'pool',
  'pool-userns',
  'life',
  'restart',
  'detached',
  'volume',
  'image',
  'overlay',
  'veth',
  'rules',
  'namespace',
  'group',
  'exec',
  'connect',
  'net-bridge',
  'net-pool',
  'net-named',
  'net-persists',
  'net-sharing',
  'net-names',
  'net-ports',
  'net-host-ports',
  'net-egress',
  'net-egress-networks',
  'net-vxlan',
  'net-macvlan',
  'net-live',
  'net-pasta',
  'net-cni',
  'net-bandwidth',
  'net-detached',
  'pull',
  'build',
  'user-run',
  'user-image',
  'user-detached',
];

/** What was once wrong is tried at each run, beside those that are chosen. */
const ONCE_WRONG: Readonly<Record<string, readonly string[]>> = {
  'net-egress': ['child setsockopt number 12: ENOMEM'],
  'net-host-ports': ['shim timerfd_settime number 1: ENOMEM'],
  // of a container whose ports are carried by two processes: the watch of the second one's answers
  'net-ports': ['shim epoll_ctl number 19: ENOSPC'],
};

/** All faults of the longest of them. */
const LONG = { timeout: 7_200_000 };

describe('one system call that fails', () => {
  let store = 0;
  const tried = { chosen: 0, hits: 0 };
  afterAll(() => {
    delete process.env.NACELLE_ROOT;
  });

  for (const scenario of only?.split(',') ?? SCENARIOS) {
    itOf(scenario)(`in ${scenario}: a typed error or none, nothing left, and the next one works (seed ${seed})`, LONG, async () => {
      await victims.prepare(scenario);
      const clean = snapshot();
      const cleanNet = await victims.look(scenario);
      const wrong: string[] = [];
      const report = (...found: readonly string[]): void => {
        wrong.push(...found);
        for (const line of found) console.info(`${scenario}: ${line}`);
      };
      // what is left once is told once
      const known = new Set<string>();
      let victim: Victim | null = null;
      let before = clean;
      let held: string[] = [];
      const shims: number[] = [];
      const begin = async (): Promise<Victim> => {
        process.env.NACELLE_ROOT = join(folder, `store-${store++}`);
        const made = await victims.start(scenario);
        for (let i = 0; i < 2; i++) expect(await made.do(scenario), 'without a fault').toEqual([]);
        await made.trace(folder);
        expect(await made.do(scenario), 'traced').toEqual([]);
        await made.settle();
        before = snapshot();
        held = made.held();
        shims.push(made.shim);
        return made;
      };
      const moreThan = (before: readonly string[]): string[] => victim?.held().filter((thing) => !before.includes(thing)) ?? [];
      /** What is left in the network namespace of the scenario: the kernel takes those of containers down in its own time. */
      const leftInNet = async (guardMs: number): Promise<string[]> => {
        const more = async (): Promise<string[]> => (await victims.look(scenario)).filter((thing) => !cleanNet.includes(thing));
        return until('nothing more is there', async () => ((await more()).length === 0 ? [] : null), guardMs).catch(more);
      };
      /** Ends the process, after which nothing of it may be there. */
      const end = async (told: string): Promise<void> => {
        const shim = victim?.shim ?? 0;
        await victim?.end().catch(({ message }: Error) => report(`${told}: ${message}`));
        victim = null;
        await until('its shim has ended', () => shim === 0 || !isAlive(shim));
        // what a removal that failed has left in the store goes too
        const other = await victims.start(scenario);
        report(...(await other.tidy()).map(({ message }) => `${told}: at its end: ${message}`));
        await other.end();
        const stays = [...(await leftovers(clean, 3000)), ...(await leftInNet(3000))].filter((left) => !known.has(left));
        report(...stays.map((left) => `${told}: after the end and reap() there is ${left}`));
        for (const left of stays) known.add(left);
        rmSync(process.env.NACELLE_ROOT ?? '', { recursive: true, force: true });
      };

      victim = await begin();
      await victim.count();
      await victim.do(scenario);
      const { counts } = await victim.counted();
      const cases: Case[] = counts.flatMap(({ who, call, count }) =>
        Array.from({ length: count }, (_, i) => ({ who, call, nth: i + 1 })).flatMap((place) =>
          faultsAt(place).map((error) => ({ ...place, error })),
        ),
      );
      const chosen = named
        ? cases.filter((one) => named.includes(telling(one)))
        : [
            ...cases.filter((one) => ONCE_WRONG[scenario]?.includes(telling(one))),
            ...spread(cases, Math.ceil(Number(process.env.NACELLE_FAULTS ?? 52) / SCENARIOS.length), seed),
          ];
      let hits = 0;
      for (const [at, fault] of chosen.entries()) {
        const { error, ...place } = fault;
        if (at % 100 === 99) console.info(`${scenario}: ${at + 1} of ${chosen.length}, ${hits} hit, ${wrong.length} wrong`);
        const told = telling(fault);
        victim ??= await begin();
        const { shim } = victim;
        if (shim > 0) shims.push(shim);
        try {
          await victim.settle();
          await victim.fail(place, error);
          const failures = await within(told, victim.do(scenario));
          if ((await victim.counted()).fired) hits++;
          if (named) console.info(`${told}: ${JSON.stringify(failures)}`);
          report(...failures.filter(({ typed }) => !typed).map(({ name, message }) => `${told}: without a type: ${name}: ${message}`));
          await victim.settle();
          // what an error names is for a reap after its owner's end, and until then its name is taken: the next process tries the next one
          if (failures.some(({ left }) => left)) {
            await end(told);
            continue;
          }
          const isShimLost = failures.some(({ code }) => ['ERR_SHIM_DIED', 'ERR_SHIM_MESSAGE'].includes(code));
          // a container whose own shim died keeps its name until the next reap
          if (isShimLost) await victim.reap();
          const next = await within(`the next after ${told}`, victim.do(scenario));
          report(...next.map(({ name, message }) => `${told}: the next one fails: ${name}: ${message}`));
          await victim.settle();
          const isAnother = victim.shim !== shim;
          // a shim ends a connection that it can't read; one without tasks has nobody to tell
          const maySayNothing = place.who === 'shim' && place.call === 'recvmsg';
          if (isAnother && !isShimLost && !maySayNothing) report(`${told}: another shim, and nobody says why`);
          if (isAnother || isShimLost) {
            await end(told);
            continue;
          }
          // what a shim could not remove at its own end is a dead owner's
          let left = [...(await leftovers(before, 500)), ...(await leftInNet(500))];
          if (left.length > 0) {
            await victim.reap();
            left = [...(await leftovers(before, 3000)), ...(await leftInNet(3000))];
          }
          const more = await until('nothing more is held', () => (moreThan(held).length === 0 ? [] : null), 3000).catch(() =>
            moreThan(held),
          );
          report(...left.map((thing) => `${told}: left: ${thing}`), ...more.map((thing) => `${told}: holds ${thing}`));
          if (left.length + more.length > 0) await end(told);
        } catch (reason) {
          report(`${told}: ${(reason as Error).message}`);
          victim?.kill();
          await end(told).catch(({ message }: Error) => report(`${told}: at its end: ${message}`));
        }
      }
      await end('at last');
      console.info(`${scenario}: ${hits} of ${chosen.length} faults hit, of ${cases.length} that there are; ${wrong.length} wrong`);
      expect(wrong).toEqual([]);
      tried.chosen += chosen.length;
      tried.hits += hits;
    });
  }

  // which call is the nth differs a little between two runs, so of the few of one scenario none may be hit
  it('most faults are hit', ({ skip }) => {
    skip(tried.chosen === 0);
    expect(tried.hits).toBeGreaterThan(tried.chosen / 2);
  });
});
