import { afterEach, expect } from 'vitest';
import { groupsBelowOwn, handOver, joining, removeHandedOver } from '../fixtures/delegated-groups.js';
import { cgroupMounts } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'readlink', 'setsid'],
});

const hybrid = requires({ root: true, kernel: '6.6', cgroup: 'v1', unified: true, tools: [] });

const groups = (): string[] => groupsBelowOwn(`nacelle-test-${process.pid}`);

afterEach(() => removeHandedOver(groups()));

/** What the program tells, in the groups of these hierarchies. */
function toldIn(folders: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  for (const folder of folders) handOver(folder);
  return asOrdinaryUser('rootless-groups', [], joining(folders));
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
    features: ['memory', 'pids', 'cpu', 'freezer', 'limits'].map((name) => [name, true]),
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
