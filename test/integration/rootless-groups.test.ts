import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { removeGroups } from '../fixtures/groups.js';
import { cgroupMounts, readText } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser, USER } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'readlink', 'setsid'],
});

const hybrid = requires({ root: true, kernel: '6.6', cgroup: 'v1', unified: true, tools: [] });

/** Groups below this process's own in all hierarchies. */
const NAME = `nacelle-test-${process.pid}`;

function groups(): string[] {
  const own = (readText('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  return cgroupMounts().flatMap(({ path, version, controllers }) => {
    const line = own.find(([id, names]) => (version === 2 ? id === '0' : names?.split(',').some((name) => controllers.includes(name))));
    return line?.[2] === undefined ? [] : [join(path, line[2], NAME)];
  });
}

/** Hands a group over, as an administrator does: the folder, and what moves processes. */
function handOver(folder: string): void {
  mkdirSync(folder);
  // a new group of that controller may use nothing until it is told what
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    const above = readText(join(dirname(folder), name));
    if (above !== null) writeFileSync(join(folder, name), above);
  }
  const files = readdirSync(folder).filter((name) => /^(tasks|cgroup\.(procs|threads|subtree_control))$/.test(name));
  for (const name of ['', ...files]) chownSync(join(folder, name), USER, USER);
}

afterEach(() => removeGroups(...groups()));

/** What the program tells, in the groups of these hierarchies. */
function toldIn(folders: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  for (const folder of folders) handOver(folder);
  return asOrdinaryUser('rootless-groups', [], folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`).join('\n'));
}

const refused = (message: RegExp) => ({ name: 'UnsupportedError', message: expect.stringMatching(message) });

/** What the tree of v2 does everywhere, also without controllers. */
const always = {
  'time of the tree': ['cpu-time-limit', true],
  paused: ['running', true],
  'ends of programs': ['timeout', false],
  'processes of another': [['its pid', 'sleep'], true],
  devices: refused(/^limit deviceRules is not supported here/),
};

it('a user with groups that were handed over has limits, and ends trees', async () => {
  expect(await toldIn(groups())).toEqual({
    ...always,
    features: ['memory', 'pids', 'cpu', 'freezer'].map((name) => [name, true]),
    memory: 'memory-limit',
    processes: [true, 8],
    cpus: true,
    changed: [20, 128 * 1024 ** 2],
    'limits of programs': ['cpu-time-limit', true],
    counted: true,
    detached: ['paused', true],
    'group of its own': ['ran', 40],
  });
});

hybrid.it('a user with a group of v2 alone, without controllers, ends trees', async () => {
  const unified = cgroupMounts().find(({ version }) => version === 2)?.path ?? '';
  const withheld = refused(/^limit (memory|pidsLimit|cpus) is not supported here/);
  expect(await toldIn(groups().filter((folder) => folder.startsWith(`${unified}/`)))).toMatchObject({
    ...always,
    memory: withheld,
    processes: withheld,
    cpus: withheld,
    changed: withheld,
    detached: withheld,
  });
});
