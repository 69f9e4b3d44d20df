import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect } from 'vitest';
import { Container, type ContainerOptions, type PoolRunOptions, type RunResult, reap } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { entries } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { runNode } from '../../fixtures/node.js';
import { waiting } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const folder = temporaryFolder();
// owners on a tmpfs can be mapped since 6.3
const { describe, it } = requires({ root: true, tools: ['busybox'], kernel: '6.3' });

const groups = requires({ root: true, groups: true, tools: ['busybox'], kernel: '6.3' });

const AUTO = { userns: 'auto' } as const;
const MAPS = { userns: { uid: [{ inside: 0, outside: 500_000, count: 70_000 }], gid: [{ inside: 0, outside: 600_000, count: 70_000 }] } };

async function options(more: ContainerOptions = {}): Promise<ContainerOptions> {
  return { ...(await busybox()), ...more };
}

/** Ranges of ids that somebody has. */
const ranges = (): Set<string> => new Set(entries(join(runtimeDir(), 'ids')).map((name) => name.split('.')[0] ?? ''));

// what Container.run has prewarmed would be taken for one that waits in a pool
beforeEach(forgetMadeAhead);

/** All that a program sees of itself and of its container, but for what is the container's alone. */
const LOOK = `
  id; pwd; umask; ulimit -n; ulimit -Hn; env | sort; cat /proc/self/mountinfo | sed 's/^[0-9]* [0-9]* [0-9:]*//; s/upperdir.*//; s/[ug]id=[0-9]*//g' | sort
  sed 's/ [0-9]* *\\([0-9]*\\)$/ \\1/' /proc/self/uid_map /proc/self/gid_map
  grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Umask|NSpid|SigBlk|SigIgn)' /proc/self/status; cat /proc/self/oom_score_adj; cut -d' ' -f41 /proc/self/stat
  ls -ln /dev | sed 's/ [A-Z][a-z][a-z] .* / /'; ls /proc/self/fd; ls -a / /sys/class/net; cat /etc/hosts
  tty; stty size; stat -c '%n %t:%T %u' /dev/console; echo said > /dev/tty; cat /proc/keys 2>&1; ls -ln /given /proc/self/fd/1 | cut -c1-30
  touch /made 2>&1; stat -c '%u:%g' /made /given; cat /given; cat; echo said >&2; echo again > /dev/stderr; exit 7`;

/** Without what is of one container, or of one moment. */
function comparable({ id, stdout, ...result }: RunResult): object {
  const { startedAt, endedAt, durationMs, setupMs, cpuMs, usage, ...same } = result as RunResult & Record<string, unknown>;
  return {
    ...same,
    usage: Object.keys(usage ?? {}).sort(),
    stdout: stdout.replaceAll(id.slice(0, 12), 'ID').replaceAll(/lr-x-*\d*.*\n/g, ''),
  };
}

/** Each shape with what its run has of its own. */
const SHAPES: Record<string, [ContainerOptions, PoolRunOptions?]> = {
  'a range of its own': [AUTO],
  'maps of the caller’s': [MAPS],
  'an id that is kept': [{ userns: 'keep-id', user: '70000' }],
  'a user, files and input': [
    { ...AUTO, user: '1234:1235', groupAdd: [77] },
    { input: 'read\n', copyIn: { '/given': { content: 'given', mode: 0o640 } }, copyOut: ['/given', '/made', '/missing'] },
  ],
  'limits that root alone may raise': [
    { ...AUTO, ulimits: { nofile: { soft: 100, hard: 200 } }, scheduler: { policy: 'batch', nice: -5 } },
  ],
  'a terminal': [{ ...AUTO, user: '1234', tty: { columns: 100, rows: 30 } }, { input: '' }],
  'init, and a root that is read-only': [{ ...AUTO, init: true, readOnly: true, tmpfs: { '/tmp': '' } }, { copyIn: { '/tmp/x': 'x' } }],
  'streams that are ignored': [AUTO, { stdin: 'ignore', stderr: 'ignore' }],
  'another filter, and masks': [{ ...AUTO, seccomp: 'unconfined', maskedPaths: ['/proc/keys'], readonlyPaths: ['/etc'], hostname: 'own' }],
};

describe('a pool with user namespaces', () => {
  const compares = async (own: ContainerOptions, of: PoolRunOptions = {}): Promise<void> => {
    const given = await options({ ...own, command: ['sh', '-c', LOOK] });
    await using pool = await Container.pool(given, { ready: 1 });
    const there = waiting();
    const run = pool.run(of);
    // it had waited, and was not made for the run
    expect(there).toContain(await run.pid);
    expect(comparable(await run)).toEqual(comparable(await Container.run({ ...given, ...of })));
  };

  it.each(Object.entries(SHAPES))('has the result of Container.run: %s', (_, [own, of]) => compares(own, of));

  groups.it('has the result of Container.run: the profile for strangers’ code', () =>
    compares({ profile: 'untrusted' }, { copyIn: { '/tmp/x': 'x' } }),
  );

  it('gives each container ids of its own, and gives them back', async () => {
    const pool = await Container.pool(await options({ ...AUTO, command: ['cat'] }), { ready: 3 });
    expect(waiting().length).toBe(3);
    const runs = Array.from({ length: 5 }, () => pool.run({ stdin: 'pipe' }));
    const owners = await Promise.all(runs.map(async (run) => statSync(`/proc/${await run.pid}`).uid));
    expect(new Set(owners).size).toBe(5);
    for (const run of runs) run.stdin?.end();
    await Promise.all(runs);
    await until('others wait', () => pool.ready === 3);
    // those that wait, and those that are ahead
    await until('others are ahead', () => ranges().size === 6);
    await pool.close();
    expect(ranges()).toEqual(new Set());
  });

  it('goes on where one was killed while it waited, or its run fails', async () => {
    await using pool = await Container.pool(await options({ ...AUTO, command: ['echo', 'x'] }), { ready: 1 });
    process.kill(waiting()[0] ?? 0, 'SIGKILL');
    await until('Node has heard of it', () => pool.ready === 0);
    expect(await pool.run()).toMatchObject({ stdout: 'x\n' });
    await until('another one waits', () => pool.ready === 1);
    await expect(pool.run({ command: ['/missing'] })).rejects.toMatchObject({ code: 'ENOENT', syscall: 'execve' });
    await until('the next one waits', () => pool.ready === 1);
    expect(await pool.run()).toMatchObject({ stdout: 'x\n' });
  });
});

requires({ root: true, tools: ['busybox', 'unshare', 'mount'], kernel: '6.3' }).it(
  'a pool has as many ahead as there are ids for, and is not made without ids for all',
  async () => {
    const ids = join(folder, 'ids');
    writeFileSync(ids, `nacelle:700000:${3 * 65_536}\n`);
    const script = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid && exec "$@"`;
    const told = await runNode<object>('pool-ids', [JSON.stringify(await options({ ...AUTO, command: ['true'] }))], {
      through: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'],
    });
    expect(told).toEqual({ statuses: ['ok'], closed: [], many: 'ERR_NO_IDS', left: [] });
  },
);

requires({ root: true, tools: ['busybox', 'unshare', 'mount'], kernel: '6.3' }).it(
  'a pool names each container that could not be undone, also one that was killed while it waited',
  async () => {
    const told = await runNode<object>('pool-undo', [JSON.stringify(await options({ ...AUTO, command: ['true'] }))], {
      through: ['unshare', '-m', '--propagation', 'private'],
    });
    expect(told).toEqual({ claims: 3, unnamed: [] });
    // the claims are in the records of its supervisor, which ends a moment after it
    await until('nothing is left', async () => {
      expect((await reap()).failures).toEqual([]);
      return ranges().size === 0;
    });
  },
);

describe('a container that waits in a user namespace that others have ids of', () => {
  it('and is stopped by one of them does not hold its run up for longer than the run’s timeout', async () => {
    await using pool = await Container.pool(await options(MAPS), { ready: 1 });
    const [pid] = await until('one waits', () => (waiting().length === 1 ? waiting() : null));
    if (pid === undefined) throw new Error('none waits');
    process.kill(pid, 'SIGSTOP');
    await expect(pool.run({ command: ['true'], timeout: 500 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });
});
