import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { hasCode } from '../../lib/errors.js';
import { reap } from '../../lib/index.js';
import { GROUPS } from '../../lib/runtime-cli/state/state-files.js';
import { cgroupFolders, descendants, mounts, processes, processInfo, readText, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { programFile } from '../fixtures/node.js';
import { patience } from '../fixtures/patience.js';
import { seededRandom } from '../fixtures/random.js';
import { requires } from '../fixtures/requires.js';
import { rounds, seed } from '../fixtures/rounds.js';
import { BUNDLE_GROUP, makeBundle, useRuntimes } from '../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const traced = requires({ root: true, tools: ['busybox', 'runc', 'strace'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);
const moments = rounds(2, 100);
const LONG = { timeout: 3_600_000 };

/** Hooks of all kinds; that of startContainer runs inside. */
const HOOKS = {
  ...Object.fromEntries(
    ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'].map((kind) => [kind, [{ path: '/bin/true' }]]),
  ),
  startContainer: [{ path: '/bin/busybox', args: ['true'] }],
};
/** How a container comes to where a command finds it, in commands before that one. */
const BEFORE = {
  nothing: [],
  created: [['create', '--bundle', 'BUNDLE', 'one']],
  running: [['run', '--detach', '--bundle', 'BUNDLE', 'one']],
  paused: [
    ['run', '--detach', '--bundle', 'BUNDLE', 'one'],
    ['pause', 'one'],
  ],
} as const;

/** Commands, and in which state each finds its container. Those that only look leave what was there, and nothing of their own. */
const COMMANDS: readonly (readonly [before: keyof typeof BEFORE, ...command: string[]])[] = [
  ['nothing', 'create', '--bundle', 'BUNDLE', 'one'],
  ['nothing', 'run', '--detach', '--bundle', 'BUNDLE', 'one'],
  ['nothing', 'run', '--bundle', 'BUNDLE', 'one'],
  ['created', 'start', 'one'],
  ['running', 'exec', 'one', 'busybox', 'sleep', '1000'],
  ['running', 'exec', '--detach', 'one', 'busybox', 'sleep', '1000'],
  ['running', 'kill', '--all', 'one', 'KILL'],
  ['running', 'kill', 'one', 'KILL'],
  ['running', 'pause', 'one'],
  ['paused', 'resume', 'one'],
  ['running', 'state', 'one'],
  ['running', 'list'],
  ['running', 'ps', '--format', 'json', 'one'],
  ['running', 'events', '--stats', 'one'],
  ['running', 'events', '--interval', '10ms', 'one'],
  ['running', 'update', '--memory', '64M', '--pids-limit', '50', 'one'],
  ['created', 'delete', 'one'],
  ['running', 'delete', '--force', 'one'],
  ['paused', 'delete', '--force', 'one'],
];

/** Processes in the groups of this process's bundles, whoever began them. A zombie has ended, and waits for its reaper alone. */
function inGroups(): string[] {
  const own = processes().filter(
    ({ pid, state }) => (state !== 'Z' && readText(`/proc/${pid}/cgroup`)?.includes(`/${BUNDLE_GROUP}/`)) ?? false,
  );
  return own.map(({ pid, command }) => `${pid} ${command}`);
}

/** What there is of containers on the machine, but for their processes. */
function left(): string[] {
  return [
    ...(existsSync(states) ? readdirSync(states) : []).map((id) => `state of ${id}`),
    ...cgroupFolders().filter((path) => path.includes(`/${BUNDLE_GROUP}/`)),
    ...mounts().flatMap(({ target }) => (target.startsWith(folder) ? [`mount on ${target}`] : [])),
  ];
}

/** A group is empty some moments before the kernel has taken down all of the processes that were killed in it. */
async function nothingLeft(told: string): Promise<void> {
  expect(left(), told).toEqual([]);
  await expect.poll(inGroups, { message: told, timeout: 60_000 * patience }).toEqual([]);
}

const put = (words: readonly string[], bundle: string): string[] => words.map((word) => (word === 'BUNDLE' ? bundle : word));

async function prepare(before: keyof typeof BEFORE, bundle: string): Promise<void> {
  for (const words of BEFORE[before]) expect(await oci(...put(words, bundle)), words.join(' ')).toMatchObject({ code: 0, stderr: '' });
}

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

describe('a command that is killed', () => {
  it.each(COMMANDS.map(([before, ...command]) => ({ before, command, title: command.join(' ') })))(
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

/** What the front does itself. */
const OF_THE_FRONT: typeof COMMANDS = [
  ['created', 'start', 'one'],
  ['running', 'kill', 'one', 'KILL'],
  ['running', 'pause', 'one'],
  ['paused', 'resume', 'one'],
  ['created', 'delete', 'one'],
  ['paused', 'delete', '--force', 'one'],
];

/** Rounds that come after the others, until one has killed the front: what waits may call the kernel less often than before. */
const MORE_MOMENTS = 20;

interface TracedFront {
  /** The names of its system calls, in their order. */
  readonly calls: readonly string[];
  /** By which it was ended: strace(1) then ends by it too. */
  readonly signal: NodeJS.Signals | null;
}

/** The front under strace(1). */
async function tracedFront(words: readonly string[], options: readonly string[]): Promise<TracedFront> {
  const log = join(folder, 'trace');
  rmSync(log, { force: true });
  const child = spawn('strace', ['-o', log, ...options, '--', `${states}-nacelle-oci`, '--root', states, ...words], { stdio: 'ignore' });
  const [, signal]: (NodeJS.Signals | null)[] = await once(child, 'exit');
  return { calls: [...readFileSync(log, 'utf8').matchAll(/^(\w+)\(/gm)].map(([, name = '']) => name), signal: signal ?? null };
}

traced.describe('the front that is killed', () => {
  it.each(OF_THE_FRONT.map(([before, ...command]) => ({ before, command, title: command.join(' ') })))(
    `$before, $title, at ${moments} system calls: the next delete --force leaves nothing (seed ${seed})`,
    LONG,
    async ({ before, command }) => {
      const random = seededRandom(seed);
      const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
      await prepare(before, bundle);
      const { calls, signal } = await tracedFront(command, []);
      expect(signal).toBeNull();
      // Node would have been executed after the front
      expect(calls.filter((name) => name === 'execve')).toHaveLength(1);
      expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
      let kills = 0;
      for (let round = 0; round < moments || (kills === 0 && round < moments + MORE_MOMENTS); ++round) {
        await prepare(before, bundle);
        const at = 1 + Math.floor(random() * (calls.length - 1));
        const [name = '', when] = [calls[at], calls.slice(0, at + 1).filter((other) => other === calls[at]).length];
        const killed = await tracedFront(command, [`--inject=${name}:signal=KILL:when=${when}`]);
        const told = `${command.join(' ')} killed at ${name} number ${when}`;
        expect([null, 'SIGKILL'], told).toContain(killed.signal);
        if (killed.signal === 'SIGKILL') kills++;
        expect(await oci('delete', '--force', 'one'), told).toMatchObject({ code: 0 });
        await nothingLeft(told);
      }
      expect(kills).toBeGreaterThan(0);
    },
  );
});
