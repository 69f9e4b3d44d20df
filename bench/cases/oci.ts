import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processInfo } from '../../test/fixtures/host.js';
import { OWN_SESSION } from '../../test/fixtures/own-session.js';
import { findTool } from '../../test/fixtures/tools.js';
import { type Case, type Context, effort, NotHere } from '../case.js';
import { inFolder } from '../folder.js';
import { type Summary, summarise } from '../measure.js';
import { compiledProgram } from '../peers/compiled.js';
import { bundleConfig, cannotRun } from '../peers/runtime.js';
import type { Line } from '../table.js';

/** In the order of a container's life. `run` is of a program that ends at once. */
const COMMANDS = ['run', 'create', 'state', 'start', 'exec', 'kill', 'delete'] as const;

/** Of runc's time, where there is an aim. Those of `run` and `exec`, which start Node, are out of reach (docs/oci.md). */
const TARGETS: Readonly<Record<string, number>> = { run: 1, exec: 0.8, state: 0.5, start: 0.5, kill: 0.5, delete: 0.5 };

const OWN = 'nacelle-oci';
/** The runtime with a planner that stays, the commands that the planner does, and their aims. */
const RESIDENT = 'nacelle-oci --resident';
const BY_RESIDENT = ['run', 'create', 'exec'] as const;
const RESIDENT_TARGETS: Readonly<Record<string, number>> = { run: 0.5, exec: 0.8 };
/** s without a command, after which it ends. */
const STAY = '10';

interface Runtime {
  readonly name: string;
  readonly program: string;
  readonly options: readonly string[];
}

/** What all lives have. */
interface Given {
  readonly folder: string;
  readonly timed: Timed;
}

/** The bundles of a runtime: of a program that stays, and of one that ends. */
interface Bundles {
  readonly stays: string;
  readonly ends: string;
}

function makeBundles(folder: string, { name }: Runtime, rootfs: string): Bundles {
  const make = (args: readonly string[]): string => {
    const bundle = join(folder, `${name}-${args[0]?.slice('/bin/'.length)}`);
    mkdirSync(bundle);
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(bundleConfig(rootfs, { name, args })));
    return bundle;
  };
  return { stays: make(['/bin/sleep', '100000']), ends: make(['/bin/true']) };
}

/** Starts a command by bench/spawned.c. @returns ms. @throws Error when the command fails */
type Timed = (runtime: Runtime, args: readonly string[]) => number;

function timedBy(spawner: string): Timed {
  return ({ name, program, options }, args) => {
    const { status, error, stdout, stderr } = spawnSync(spawner, [program, ...options, ...args], {
      ...OWN_SESSION,
      stdio: ['ignore', 'pipe', args[0] === 'create' ? 'ignore' : 'pipe'],
    });
    if (status !== 0) throw new Error(`${name} ${args[0]} failed: ${error?.message ?? String(stderr)}`);
    return Number(String(stdout)) / 1e6;
  };
}

/** What each command took in one life. */
async function life(runtime: Runtime, { stays, ends }: Bundles, { folder, timed }: Given): Promise<Readonly<Record<string, number>>> {
  const pidFile = join(folder, 'pid');
  const took = {
    run: timed(runtime, ['run', '--bundle', ends, 'ends']),
    create: timed(runtime, ['create', '--bundle', stays, '--pid-file', pidFile, 'stays']),
    state: timed(runtime, ['state', 'stays']),
    start: timed(runtime, ['start', 'stays']),
    exec: timed(runtime, ['exec', 'stays', '/bin/true']),
    kill: timed(runtime, ['kill', 'stays', 'KILL']),
  };
  const pid = Number(readFileSync(pidFile, 'utf8'));
  while ((processInfo(pid)?.state ?? 'Z') !== 'Z') await sleep(1);
  return { ...took, delete: timed(runtime, ['delete', 'stays']) };
}

function runtimesIn(folder: string): readonly [Runtime, ...Runtime[]] {
  const front = join(folder, 'nacelle-oci');
  const command = fileURLToPath(new URL('../../dist/nacelle-oci.cjs', import.meta.url));
  const resident = `${front}-resident`;
  for (const words of [[front], ['--resident', STAY, resident]]) {
    const installed = spawnSync(process.execPath, [command, 'install', ...words], { encoding: 'utf8' });
    if (installed.status !== 0) throw new NotHere(installed.stderr.trim());
  }
  const peer = (name: string, options: readonly string[] = []): Runtime[] => {
    const program = findTool(name);
    return program === null ? [] : [{ name, program, options: [...options, '--root', join(folder, `states-${name}`)] }];
  };
  const own = { name: OWN, program: front, options: ['--root', join(folder, 'states')] };
  // crun wants systemd or a tree of v2 alone for its groups: without them it does less than the others
  const staying = { name: RESIDENT, program: resident, options: ['--root', join(folder, 'states-resident')] };
  return [own, staying, ...peer('runc'), ...peer('crun', ['--cgroup-manager=disabled'])];
}

function linesOf(samples: ReadonlyMap<string, readonly Readonly<Record<string, number>>[]>): Line[] {
  const summaries = (name: string, command: string): Summary =>
    summarise((samples.get(name) ?? []).map((one) => one[command] ?? Number.NaN));
  const peers = [...samples.keys()].filter((name) => name !== OWN && name !== RESIDENT);
  const measured = (name: string, command: string, targets: typeof TARGETS): Line[] =>
    peers.map((peer): Line => {
      const value = peer === 'runc' ? targets[command] : undefined;
      return {
        ...{ what: `${name} ${command}`, unit: 'ms', measured: summaries(name, command), compare: 'ratio' },
        against: { name: `${peer} ${command}`, measured: summaries(peer, command) },
        ...(value !== undefined && { target: { bound: 'at most', value } as const }),
      };
    });
  return [
    ...COMMANDS.flatMap((command) => measured(OWN, command, TARGETS)),
    ...(samples.has(RESIDENT) ? BY_RESIDENT.flatMap((command) => measured(RESIDENT, command, RESIDENT_TARGETS)) : []),
  ];
}

/** The lives of a runtime so far; what it said when it could not run here. */
interface Lives {
  readonly runtime: Runtime;
  readonly bundles: Bundles;
  readonly took: Record<string, number>[];
  failure: unknown;
}

async function liveOnce(lives: Lives, given: Given, counts: boolean): Promise<void> {
  try {
    const took = await life(lives.runtime, lives.bundles, given);
    if (counts) lives.took.push(took);
  } catch (error) {
    lives.failure = error;
    for (const id of ['ends', 'stays'])
      spawnSync(lives.runtime.program, [...lives.runtime.options, 'delete', '--force', id], { stdio: 'ignore' });
  }
}

/** Has the shims note what runs in memory, where /run is: on some machines that is a disk. */
async function runningIn<T>(folder: string, use: () => Promise<T>): Promise<T> {
  const before = process.env.NACELLE_RUNROOT;
  process.env.NACELLE_RUNROOT = join(folder, 'run');
  try {
    return await use();
  } finally {
    if (before === undefined) delete process.env.NACELLE_RUNROOT;
    else process.env.NACELLE_RUNROOT = before;
  }
}

async function measured(folder: string, context: Context): Promise<Line[]> {
  const all = runtimesIn(folder).map(
    (runtime): Lives => ({ runtime, bundles: makeBundles(folder, runtime, context.rootfs), took: [], failure: null }),
  );
  const { rounds } = effort(context, { rounds: 40, batch: 1 }, { rounds: 10, batch: 1 });
  const spawner = compiledProgram('spawned');
  const given = { folder, timed: timedBy(spawner.path) };
  try {
    // the first life of each only warms it up
    for (let round = 0; round <= rounds; ++round) {
      for (const lives of all) if (lives.failure === null) await liveOnce(lives, given, round > 0);
    }
  } finally {
    spawner.remove();
  }
  const able = all.filter(({ failure }) => failure === null);
  const unable = all.filter(({ failure }) => failure !== null);
  if (able[0]?.runtime.name !== OWN) throw all[0]?.failure;
  return [
    ...linesOf(new Map(able.map(({ runtime, took }) => [runtime.name, took]))),
    ...unable.map(({ runtime: { name }, failure }) => ({ what: `nacelle-oci and ${name}`, reason: cannotRun(name, failure).message })),
  ];
}

/** Each command of an OCI runtime in the life of a container, its states in memory. */
export const oci: Case = {
  name: 'oci',
  measure: (context) => inFolder((folder) => runningIn(folder, () => measured(folder, context))),
};
