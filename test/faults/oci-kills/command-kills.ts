import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { hasCode } from '../../../lib/errors.js';
import { reap } from '../../../lib/index.js';
import { GROUPS } from '../../../lib/runtime-cli/state/state-files.js';
import { descendants, processInfo, readText, shimOf } from '../../fixtures/host.js';
import { programFile } from '../../fixtures/node.js';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { makeBundle } from '../../fixtures/runtime-bundle.js';
import { until } from '../../fixtures/until.js';
import { folder, inGroups, type Killed, LONG, nothingLeft, oci, prepare, put, states } from './ground.js';

const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const moments = rounds(2, 100);

/** Hooks of all kinds; that of startContainer runs inside. */
const HOOKS = {
  ...Object.fromEntries(
    ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'].map((kind) => [kind, [{ path: '/bin/true' }]]),
  ),
  startContainer: [{ path: '/bin/busybox', args: ['true'] }],
};

function begin(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [programFile('nacelle-oci'), '--root', states, ...words], { stdio: 'ignore' });
}

/** How long a command takes, in ms; one that waits for the program's end: until the program runs. */
async function timed(words: readonly string[]): Promise<number> {
  const begun = performance.now();
  const child = begin(words);
  const ended = once(child, 'exit');
  const sleeps = (): number =>
    inGroups().filter((line) => readText(`/proc/${Number.parseInt(line, 10)}/cmdline`)?.includes('sleep\0') ?? false).length;
  const isAttached = (words[0] === 'run' || words[0] === 'exec') && !words.includes('--detach');
  await (isAttached ? until('the program runs', () => sleeps() > (words[0] === 'exec' ? 1 : 0)) : ended);
  const took = performance.now() - begun;
  child.kill('SIGKILL');
  await ended;
  expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
  return took;
}

/** Who else is killed: a shim that lives on undoes what was begun, one that dies too leaves it. */
function kill(child: ChildProcess, withShim: boolean): { pid: number; startTime: string }[] {
  const family = descendants(child.pid);
  const shim = withShim ? shimOf(child.pid) : null;
  try {
    if (shim !== null) process.kill(shim.pid, 'SIGKILL');
  } catch (error) {
    // the shim has just ended by itself
    if (!hasCode(error, 'ESRCH')) throw error;
  }
  child.kill('SIGKILL');
  return family.filter(({ command }) => command === 'nacelle-shim');
}

/** Tests of one file. Commands that only look leave what was there, and nothing of their own. */
export function testKills(commands: readonly Killed[]): void {
  describe('a command that is killed', () => {
    it.each(commands.map(([before, ...command]) => ({ before, command, title: command.join(' ') })))(
      `$before, $title, at ${moments} moments: the next delete --force leaves nothing (seed ${seed})`,
      LONG,
      async ({ before, command }) => {
        const random = seededRandom(seed);
        const bundles = [HOOKS, {}].map((hooks) =>
          makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => Object.assign(config, { hooks })),
        );
        // until then Node only loads the runtime
        const idle = 0.8 * (await timed(['--version']));
        const took: number[] = [];
        for (const bundle of bundles) {
          await prepare(before, bundle);
          // what tells of the container until its end takes as long as it likes
          took.push(command.includes('--interval') ? 3 * idle : await timed(put(command, bundle)));
          await oci('delete', '--force', 'one');
        }
        for (let round = 0; round < moments; ++round) {
          const [bundle = '', long = 0] = [bundles[round % 2], took[round % 2]];
          await prepare(before, bundle);
          const words = put(command, bundle);
          const child = begin(words);
          const ended = once(child, 'exit');
          const withShim = random() < 0.5;
          // what is left only by a shim that dies too begins with the note of the groups
          if (withShim && before === 'nothing')
            await until('groups are noted', () => existsSync(join(states, 'one', GROUPS)) || child.exitCode !== null);
          const moment = withShim && before === 'nothing' ? (random() * (long - idle)) / 4 : idle + random() * Math.max(0, long - idle);
          await Promise.race([pause(moment), ended]);
          const shims = kill(child, withShim);
          await ended;
          const told = `round ${round}: ${words.join(' ')} after ${Math.round(moment)} ms${withShim ? ', with its shim' : ''}`;
          expect(await oci('delete', '--force', 'one'), told).toMatchObject({ code: 0 });
          await nothingLeft(told);
          for (const { pid, startTime } of shims) await until('its shim has ended', () => processInfo(pid)?.startTime !== startTime);
          // a shim that lived on has not made anew what was removed
          await nothingLeft(told);
        }
        // what shims that were killed have noted of themselves
        await reap();
      },
    );
  });
}
