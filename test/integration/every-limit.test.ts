import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { LEAF } from '../../lib/host/cgroup-base.js';
import { removeGroups } from '../fixtures/groups.js';
import { cgroupMounts, folderOf, groupOf, readText } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import type { Outcome, Tried } from '../fixtures/programs/every-limit.js';
import { requires } from '../fixtures/requires.js';
import { V1_TOOLS, withoutUnified } from '../fixtures/v1.js';

useLeakCheck();
const root = requires({ root: true, tools: ['busybox', ...V1_TOOLS, 'setpriv', 'mount'] });

const NOBODY = 65_534;
/** As the folder of this project may be closed to others. */
const READS_ALL = ['--securebits=+no_setuid_fixup', '--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search'];

const unifiedOf = (pid: number): string | null => {
  const mount = cgroupMounts().find(({ version }) => version === 2);
  const own = /^0::(.*)$/m.exec(readText(`/proc/${pid}/cgroup`) ?? '')?.[1];
  return mount && own !== undefined ? join(mount.path, own) : null;
};
const inShell = (...lines: string[]): string[] => ['sh', '-ec', [...lines, 'exec "$@"'].join('\n'), 'sh'];
const tryAll = (what: 'containers' | 'groups', through: string[] = [], env: Record<string, string> = {}): Promise<Record<string, Tried>> =>
  runNode('every-limit', [what], { through, env });

/** The error names the option or one that it needs, the file that the kernel refused it in, or cgroups as such where there can be none. */
function expectRefused({ names }: Tried, outcome: Outcome): void {
  expect(outcome).toHaveProperty('refused');
  if ('refused' in outcome) expect(['cgroup', ...names]).toContain(outcome.refused);
}

/** What the kernel takes from a hand is held, and the same; what it does not is refused, or reported. Never neither. */
function expectNoneDropped(tried: Record<string, Tried>): { held: string[]; refused: string[] } {
  for (const [option, attempt] of Object.entries(tried)) {
    const { byHand, byUs, reported } = attempt;
    if (byHand === null) expectRefused(attempt, byUs);
    else expect({ [option]: byUs }).toEqual({ [option]: { held: byHand } });
    // what no file is there for is known before; what the kernel refuses is an error all the same
    if (Array.isArray(reported)) expect({ [option]: reported.includes(option) }).toEqual({ [option]: byHand === null });
    else if (reported !== null && 'refused' in reported) expectRefused(attempt, reported);
  }
  const of = (isHeld: boolean): string[] => Object.keys(tried).filter((option) => 'held' in (tried[option]?.byUs ?? {}) === isHeld);
  return { held: of(true), refused: of(false) };
}

/** Groups of this process's own, for a service that runs as another user: as an administrator makes them who hands them over. */
async function handedOver<T>(work: (enter: string[]) => Promise<T>): Promise<T> {
  const groups = ['memory', 'pids', 'unified'].flatMap((controller) => {
    const parent = controller === 'unified' ? unifiedOf(process.pid) : folderOf(process.pid, controller);
    return parent === null ? [] : [join(parent, `nacelle-test-${process.pid}`)];
  });
  for (const group of groups) {
    mkdirSync(group);
    const files = ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'].map((name) => join(group, name));
    for (const path of [group, ...files.filter((file) => existsSync(file))]) chownSync(path, NOBODY, NOBODY);
  }
  try {
    return await work(groups.map((group) => `echo $$ > ${group}/cgroup.procs`));
  } finally {
    await removeGroups(...groups.flatMap((group) => [join(group, LEAF), join(group, 'nacelle'), group]));
  }
}

root.describe('every limit is held, refused or reported', () => {
  root.it('on this machine', async () => {
    const { held } = expectNoneDropped(await tryAll('containers'));
    expect(held).toEqual(expect.arrayContaining(['memory', 'cpus', 'cpusetCpus', 'pidsLimit', 'deviceRules', 'ulimits', 'scheduler']));
    // whose controllers are v1's alone
    for (const [option, controller] of [
      ['netClassId', 'net_cls'],
      ['netPriorities', 'net_prio'],
    ] as const) {
      expect({ [option]: held.includes(option) }).toEqual({ [option]: groupOf(controller) !== null });
    }
  });

  root.it('where cgroups are read-only', async () => {
    const remount = cgroupMounts().map(({ path }) => `mount -o remount,bind,ro ${path}`);
    const { held, refused } = expectNoneDropped(await tryAll('containers', ['unshare', '--mount', ...inShell(...remount)]));
    expect(held).toEqual([]);
    expect(refused).toContain('memory');
  });
});

const anyone = requires({ groups: true });
anyone.describe('every limit of a group is held or refused', () => {
  anyone.it('by whoever may make groups', async () => {
    const { held } = expectNoneDropped(await tryAll('groups'));
    expect(held).toEqual(expect.arrayContaining(['memory', 'pidsLimit']));
  });
});

requires({ root: true, tools: ['busybox', ...V1_TOOLS], cgroup: 'v1' }).describe('every limit is held, refused or reported, on v1', () => {
  root.it('alone', async () => {
    const { held, refused } = expectNoneDropped(await tryAll('containers', withoutUnified()));
    expect(held).toEqual(expect.arrayContaining(['memory', 'memorySwappiness', 'cpus', 'cpusetCpus', 'pidsLimit', 'deviceRules']));
    expect(refused).toEqual(expect.arrayContaining(['memoryHigh', 'memoryOomGroup']));
  });

  root.it('by a user to whom some hierarchies were handed over', async () => {
    const runtime = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
    chownSync(runtime, NOBODY, NOBODY);
    try {
      const user = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...READS_ALL];
      const env = { NACELLE_RUNROOT: join(runtime, 'nacelle'), HOME: runtime };
      const tried = await handedOver((enter) => tryAll('groups', [...inShell(...enter), ...user], env));
      const { held, refused } = expectNoneDropped(tried);
      expect(held).toEqual(expect.arrayContaining(['memory', 'pidsLimit']));
      expect(refused).toEqual(expect.arrayContaining(['cpus', 'cpusetCpus']));
    } finally {
      rmSync(runtime, { recursive: true });
    }
  });
});
