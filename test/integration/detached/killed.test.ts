import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { spareShim } from '../../../lib/container/detached/spare-shim.js';
import { Container, Volume } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { ownerName } from '../../../lib/native/shim.js';
import { useDetached } from '../../fixtures/detached.js';
import { removeGroups } from '../../fixtures/groups.js';
import { cgroupFolders, cgroupMounts, isAlive, mounts, processes, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { type NodeProgram, runNode, startNode } from '../../fixtures/node.js';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { it } = requires({ root: true, tools: ['busybox', 'tar'] });
const seed = Number(process.env.NACELLE_SEED ?? 1);
const kills = 2 * Number(process.env.NACELLE_KILLS ?? 5);
const store = join(temporaryFolder(), 'store');
const GROUP = `nacelle-test-${process.pid}-detached`;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

interface Found {
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  readonly wrong: string | null;
}

/** The detached containers' shims, by their containers' ids. */
function shims(): Map<string, number> {
  const found = processes().flatMap(({ pid, parent }): [string, number][] => {
    const [, folder, id = '', mode] = (readText(`/proc/${pid}/cmdline`) ?? '').split('\0');
    // a child of a shim has its words until the child executes something
    const isChild = readText(`/proc/${parent}/cmdline`)?.includes(`${id}\0detached`) ?? false;
    return folder === runtimeDir() && mode === 'detached' && !isChild ? [[id, pid]] : [];
  });
  return new Map(found);
}

/** All that the containers of the other process could leave, but for those that are there by right. */
function leftOf(known: readonly string[], knownMounts: readonly string[]): string[] {
  const isKnown = (name: string): boolean => known.some((id) => name.includes(id));
  const files = ['containers', 'records', 'owners'].flatMap((name) =>
    namesIn(join(runtimeDir(), name)).map((entry) => join(runtimeDir(), name, entry)),
  );
  const names = namesIn(join(runtimeDir(), 'names')).map((name) => {
    const path = join(runtimeDir(), 'names', name);
    return `${path}: ${readFileSync(path, 'utf8')}`;
  });
  const inStore = ['logs', 'containers', 'tmp', 'leases'].flatMap((name) =>
    namesIn(join(store, name)).map((entry) => join(store, name, entry)),
  );
  const groups = cgroupFolders().filter((path) => path.includes(`/${GROUP}/nacelle/`));
  const running = inGroup().map((pid) => `process ${pid} (${readText(`/proc/${pid}/comm`)?.trim()})`);
  // others mount elsewhere
  const mounted = mounts()
    .filter(({ target }) => [store, runtimeDir()].some((own) => target.startsWith(`${own}/`)))
    .map(({ target, type }) => `mount ${type} on ${target}`)
    .filter((mount) => !knownMounts.includes(mount));
  return [...files, ...names, ...inStore, ...groups, ...running, ...mounted].filter((thing) => !isKnown(thing));
}

/** A group of the first version has no processors, and takes nobody, before somebody says which. */
function makeGroup(group: string): void {
  mkdirSync(group, { recursive: true });
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const above = readText(join(group, '..', file));
    if (above !== null && readText(join(group, file)) === '\n') writeFileSync(join(group, file), above);
  }
}

/** The processes that sit in the group of this test. */
function inGroup(): number[] {
  return processes().flatMap(({ pid, state }) => (state !== 'Z' && readText(`/proc/${pid}/cgroup`)?.includes(GROUP) ? [pid] : []));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

/** Kills Node, a shim of its, or both. */
async function killSome(program: NodeProgram, victim: number, random: () => number, bystander: string): Promise<void> {
  if (program.process.exitCode !== null) throw new Error(`it ended by itself: ${(await program.ended).stderr}`);
  const own = [...shims()].filter(([id]) => id !== bystander).map(([, pid]) => pid);
  const some = victim === 1 ? own.slice(Math.floor(random() * own.length)).slice(0, 1) : victim === 2 ? own : [];
  if (victim === 2) process.kill(program.pid, 'SIGSTOP');
  for (const pid of some) kill(pid);
  // Node notices, and goes on, before it is killed too
  if (victim === 1) for (let more = 0; more < 2; more++) await program.lines.next();
  program.process.kill('SIGKILL');
}

it(`SIGKILL of Node, of a shim or of both, at ${kills} instants, leaves containers that work or nothing (seed ${seed})`, {
  timeout: 3_600_000,
}, async () => {
  const random = seededRandom(seed);
  const groups = cgroupMounts().map(({ path }) => join(path, GROUP));
  const before = mounts().map(({ target, type }) => `mount ${type} on ${target}`);
  process.env.NACELLE_ROOT = store;
  const tidy = async (): Promise<void> => {
    // there are some when the test has failed
    for (const pid of inGroup()) kill(pid);
    const below = cgroupFolders().filter((path) => path.includes(`/${GROUP}`));
    await removeGroups(...below.reverse());
    delete process.env.NACELLE_ROOT;
    rmSync(store, { recursive: true, force: true });
  };
  onTestFinished(tidy);
  const bystander = await Container.create({
    ...(await busybox()),
    detach: true,
    name: 'nacelle-bystander',
    command: ['sleep', '100000'],
  });
  await bystander.start();
  // the one that was started ahead would be taken for something left
  spareShim.discard();
  for (const group of groups) makeGroup(group);
  const script = `for g in ${groups.join(' ')}; do echo $$ > $g/cgroup.procs || exit 9; done; exec "$@"`;
  for (let round = 0; round < kills; round++) {
    const victim = round % 3;
    const told = `round ${round}, ${['Node', 'a shim', 'both'][victim]}`;
    const program = startNode('busy-detached', [], { through: ['sh', '-c', script, 'sh'] });
    if (random() < 0.8) await program.lines.next();
    await sleep(random() * 400);
    await killSome(program, victim, random, bystander.id);
    const { stdout } = await program.ended;
    expect(
      stdout.split('\n').filter((line) => line.startsWith('failed')),
      told,
    ).toEqual([]);
    const { failures, found } = await runNode<{ failures: string[]; found: Found[] }>('look-detached', [bystander.id]);
    expect(failures, told).toEqual([]);
    expect(
      found.filter(({ wrong }) => wrong !== null),
      told,
    ).toEqual([]);
    const names = found.flatMap(({ name }) => name ?? []);
    expect(new Set(names).size, told).toBe(names.length);
    await Volume.prune();
    let left: string[] = [];
    await until(
      `nothing is left: ${told}`,
      () => {
        left = leftOf([bystander.id, ownerName()], before);
        return left.length === 0;
      },
      10_000,
    ).catch(() => undefined);
    expect(left, told).toEqual([]);
    // nobody has its lock
    if ((await Volume.list()).some(({ name }) => name === 'data')) await (await Volume.open('data')).remove();
    expect(isAlive(bystander.pid), told).toBe(true);
    expect((await bystander.exec(['echo', 'here'])).stdout, told).toBe('here\n');
  }
  expect((await Container.attach('nacelle-bystander')).id).toBe(bystander.id);
  await bystander.remove({ force: true });
  await tidy();
});
