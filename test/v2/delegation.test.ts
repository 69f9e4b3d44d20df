import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { removeGroups } from '../fixtures/groups.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['setpriv', 'unshare', 'mount', 'umount'], cgroup: 'v2' });

const UID = 1000;
const SLICE = `/sys/fs/cgroup/nacelle-test-${process.pid}.slice`;
const GROUP = join(SLICE, 'run.service');
const runtime = temporaryFolder();
const limits = { memory: '64m', cpus: 0.5, pidsLimit: 20 };

interface Made {
  own: string;
  path: string;
  controllers: string[];
  program: string;
  stats: { memory: { limit: number } | null; pids: { limit: number } | null };
}
interface Refused {
  own: string;
  refused: string;
  fix: string | null;
}

beforeEach(() => {
  mkdirSync(GROUP, { recursive: true });
  chownSync(runtime, UID, UID);
});

afterEach(async () => {
  const below = readdirSync(GROUP, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  await removeGroups(...below.map(({ name }) => join(GROUP, name)), GROUP, SLICE);
});

/** Hands the group over, with the files that systemd hands over and these controllers. */
function delegate(controllers: readonly string[]): void {
  writeFileSync(join(SLICE, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
  for (const name of ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']) chownSync(join(GROUP, name), UID, UID);
}

const enter = ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', GROUP];
const asUser = [...enter, 'setpriv', '--reuid', String(UID), '--regid', String(UID), '--clear-groups'];
const create = <T>(through: string[]): Promise<T> =>
  runNode<T>('limited-group', [JSON.stringify(limits)], { through, env: { NACELLE_RUNROOT: join(runtime, 'nacelle') } });

describe('a user with a group of its own', () => {
  it('is moved to a leaf of it, and has the limits that were handed over', async () => {
    delegate(['memory', 'pids', 'cpu']);
    const made = await create<Made>(asUser);
    expect(made.own).toBe(`0::${GROUP.slice('/sys/fs/cgroup'.length)}/nacelle-node`);
    expect(made.path).toBe(join(GROUP, 'nacelle/nacelle-test-limited'));
    expect(made.program).toContain(`0::${made.path.slice('/sys/fs/cgroup'.length)}/`);
    expect(made.stats).toMatchObject({ memory: { limit: 64 * 1024 ** 2 }, pids: { limit: 20 } });
    expect(readFileSync(join(GROUP, 'cgroup.subtree_control'), 'utf8').split(/\s/)).toEqual(
      expect.arrayContaining(['memory', 'pids', 'cpu']),
    );
  });

  it('is refused a limit whose controller was not handed over', async () => {
    delegate(['memory', 'pids']);
    expect(await create<Refused>(asUser)).toMatchObject({ refused: expect.stringMatching(/cpu/), fix: expect.any(String) });
  });

  it('in which others are too is refused, and they are left where they are', async () => {
    delegate(['memory', 'pids', 'cpu']);
    const other = spawn('sleep', ['infinity'], { stdio: 'ignore' });
    try {
      writeFileSync(join(GROUP, 'cgroup.procs'), String(other.pid));
      const { own, refused, fix } = await create<Refused>(asUser);
      expect({ own, refused, fix }).toMatchObject({
        own: `0::${GROUP.slice('/sys/fs/cgroup'.length)}`,
        refused: expect.stringContaining('other processes'),
        fix: expect.stringContaining('systemd-run --user -p Delegate=yes'),
      });
      expect(readFileSync(join(GROUP, 'cgroup.procs'), 'utf8').trim()).toBe(String(other.pid));
    } finally {
      const ended = once(other, 'exit');
      other.kill('SIGKILL');
      await ended;
    }
  });
});

describe('refused, with the way out', () => {
  it('to a user without a group of its own', async () => {
    expect(await create<Refused>(asUser)).toMatchObject({
      refused: expect.stringContaining('may not make groups'),
      fix: expect.stringContaining('systemd-run --user -p Delegate=yes'),
    });
  });

  it('where the tree is mounted read-only, as Docker does', async () => {
    const readOnly = ['unshare', '--mount', 'sh', '-c', 'mount -o remount,bind,ro /sys/fs/cgroup && exec "$@"', 'sh'];
    expect(await create<Refused>(readOnly)).toMatchObject({
      refused: expect.stringContaining('read-only'),
      fix: expect.stringContaining('--privileged'),
    });
  });
});

describe('root in a cgroup namespace, as in a privileged container of Docker', () => {
  it('moves to a leaf of what it sees', async () => {
    delegate(['memory', 'pids', 'cpu']);
    const inside = ['sh', '-c', 'umount /sys/fs/cgroup && mount -t cgroup2 cgroup /sys/fs/cgroup && exec "$@"', 'sh'];
    const made = await create<Made>([...enter, 'unshare', '--mount', '--cgroup', ...inside]);
    expect(made).toMatchObject({
      own: '0::/nacelle-node',
      path: '/sys/fs/cgroup/nacelle/nacelle-test-limited',
      program: expect.stringContaining('0::/nacelle/nacelle-test-limited/'),
      stats: { memory: { limit: 64 * 1024 ** 2 }, pids: { limit: 20 } },
    });
  });
});
