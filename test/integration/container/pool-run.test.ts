import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeEach, expect } from 'vitest';
import { Container, type ContainerOptions, type PoolRunOptions, type RunResult } from '../../../lib/index.js';
import { descendants, makerOfContainers, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { waiting } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { comparable, LOOK, SHAPES } from '../../fixtures/run-shapes.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const groups = requires({ containers: true, groups: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder('/var/tmp');

async function options(more: ContainerOptions = {}): Promise<ContainerOptions> {
  return { ...(await busybox()), ...more };
}

/** Of the supervisor that makes containers. */
const processes = (): number[] => descendants(makerOfContainers() ?? 0).map(({ pid }) => pid);

// what Container.run has prewarmed would be taken for one that waits in a pool
beforeEach(forgetMadeAhead);

describe('a run in a pool', () => {
  const compares = async (shape: ContainerOptions, own: PoolRunOptions = {}): Promise<void> => {
    const given = await options(shape);
    await using pool = await Container.pool(given, { ready: 1 });
    const command = ['sh', '-c', LOOK];
    const there = processes();
    const pooled = pool.run({ command, ...own });
    // taken, not made for it
    expect(there).toContain(await pooled.pid);
    const result = await pooled;
    expect(result.stdout).not.toBe('');
    expect(comparable(result)).toEqual(comparable(await Container.run({ ...given, command, ...own })));
  };

  it.each(Object.entries(SHAPES))('has the result of Container.run: %s', (_, [shape, own]) => compares(shape, own));

  groups.it('has the result of Container.run: the profile for strangers’ code', () =>
    compares({ profile: 'untrusted', userns: 'host' }, { copyIn: { '/tmp/x': 'x' } }),
  );

  it('has the process that has waited, and each process once', async () => {
    await using pool = await Container.pool(await options({ command: ['sh', '-c', 'cat /mine; echo x > /mine; hostname > /etc/own'] }));
    const seen = new Set<number>();
    for (let i = 0; i < 6; i++) {
      await until('one waits', () => pool.ready > 0);
      const pids = waiting();
      const run = pool.run();
      const pid = await run.pid;
      expect(pids).toContain(pid);
      expect(seen).not.toContain(pid);
      seen.add(pid);
      expect(await run).toMatchObject({ stdout: '', exitCode: 0 });
    }
  });

  it('has a terminal whose size its caller changes, and that takes what is typed', async () => {
    await using pool = await Container.pool(await options({ command: ['sh', '-c', 'read line; stty size; echo "got $line"'] }), {
      ready: 1,
    });
    const there = processes();
    const run = pool.run({ tty: { columns: 100, rows: 30 } });
    expect(there).toContain(await run.pid);
    await run.resize({ columns: 90, rows: 20 });
    run.stdin?.write('typed\n');
    const { stdout } = await run;
    expect(stdout).toMatch(/20 90\r\ngot typed\r\n$/);
  });

  it('is followed by another one that waits, though Node does nothing', async () => {
    await using pool = await Container.pool(await options({ command: ['true'] }), { ready: 2 });
    const before = new Set(waiting());
    const run = pool.run();
    await run.pid;
    const pause = new Int32Array(new SharedArrayBuffer(4));
    // the event loop does not go on in between
    for (let i = 0; i < 12_000 && waiting().filter((pid) => !before.has(pid)).length === 0; i++) Atomics.wait(pause, 0, 0, 10);
    expect(waiting().filter((pid) => !before.has(pid))).toHaveLength(1);
    await run;
  });

  it('has its own streams, clocks, labels, cancel and encoding', async () => {
    await using pool = await Container.pool(await options({ command: ['cat'] }), { ready: 4 });
    const controller = new AbortController();
    const cancelled = pool.run({ command: ['sleep', '1000'], cancelSignal: controller.signal });
    await cancelled.pid;
    const listed = await Container.list();
    expect(listed.map(({ command }) => command)).toEqual([['sleep', '1000']]);
    controller.abort();
    expect(await cancelled).toMatchObject({ status: 'canceled' });
    const [late, long, bytes, piped, labelled] = await Promise.all([
      pool.run({ command: ['sleep', '1000'], timeout: 50 }),
      pool.run({ command: ['yes'], maxBuffer: 1000 }),
      pool.run({ stdin: Readable.from(['a', 'b']), encoding: 'buffer' }),
      pool.run({ input: 'z'.repeat(300_000) }),
      pool.run({ command: ['sh', '-c', 'exit 3'], labels: { own: 'label' } }),
    ]);
    expect(late).toMatchObject({ status: 'timeout' });
    expect(long).toMatchObject({ status: 'output-limit' });
    expect(bytes.stdout).toEqual(Buffer.from('ab'));
    expect(piped.stdout).toHaveLength(300_000);
    expect(labelled).toMatchObject({ status: 'nonzero-exit', exitCode: 3 });
    await expect(pool.run({ command: ['false'], reject: true })).rejects.toMatchObject({ name: 'ContainerRunError' });
    await expect(pool.run({ command: ['/missing'] })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reads and writes files of this machine, also where no container that waits can', async () => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    writeFileSync(from, 'of this machine\n');
    await using pool = await Container.pool(await options({ command: ['sh', '-c', 'cat; cat /in'] }), { ready: 1 });
    const own = { stdin: { file: from }, stdout: { file: to }, copyIn: { '/in': { source: from } } } as const;
    expect(await pool.run(own)).toMatchObject({ status: 'ok' });
    expect(readFileSync(to, 'utf8')).toBe('of this machine\nof this machine\n');
    expect(await pool.run({ stdout: { file: to }, copyIn: { '/in': 'x' } })).toMatchObject({ status: 'ok' });
    expect(readFileSync(to, 'utf8')).toBe('x');
  });

  it('is the same again where the next one has the same options', async () => {
    await using pool = await Container.pool(await options({ env: { A: 'b' } }), { ready: 2 });
    const own = { command: ['sh', '-c', 'echo $HOSTNAME $A; cat; cat /given > /made; exit 3'], input: 'read', copyIn: { '/given': 'x' } };
    const runs: RunResult[] = [];
    for (let i = 0; i < 4; i++) {
      await until('one waits', () => pool.ready > 0);
      runs.push(await pool.run({ ...own, copyOut: ['/made'] }));
    }
    for (const { id, stdout, exitCode, files } of runs) {
      expect({ stdout, exitCode }).toEqual({ stdout: `${id.slice(0, 12)} b\nread`, exitCode: 3 });
      expect(Buffer.from(files['/made'] ?? []).toString()).toBe('x');
    }
    expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
    // the words of a failure are of the container's own plan
    for (let i = 0; i < 3; i++) {
      await until('one waits', () => pool.ready > 0);
      await expect(pool.run({ command: ['/missing'] })).rejects.toMatchObject({
        code: 'ENOENT',
        step: 'exec',
        message: expect.stringContaining('/missing'),
      });
    }
  });

  asRoot.it('can get no capability any more while it waits that it is not to have', async () => {
    await using pool = await Container.pool(
      await options({ capDrop: ['ALL'], capAdd: ['CHOWN'], command: ['grep', 'CapBnd', '/proc/self/status'] }),
      {
        ready: 1,
      },
    );
    const bounds = waiting().map((pid) => statusField('CapBnd', readFileSync(`/proc/${pid}/status`, 'utf8')));
    expect(bounds).toEqual(['0000000000000001']);
    expect((await pool.run()).stdout).toMatch(/0000000000000001$/m);
  });

  it('can be many at once', async () => {
    await using pool = await Container.pool(await options(), { ready: 3 });
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => pool.run({ command: ['echo', `${i}`] })));
    expect(all.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 12 }, (_, i) => `${i}\n`));
    expect(new Set(all.map(({ id }) => id)).size).toBe(12);
  });

  groups.it('has a group of its own, with the limits of the pool and its own clock', async () => {
    await using pool = await Container.pool(await options({ memory: '32m', pidsLimit: 20 }), { ready: 1 });
    const burn = pool.run({ command: ['sh', '-c', 'while :; do :; done'], cpuTimeLimit: 100 });
    expect(await burn).toMatchObject({ status: 'cpu-time-limit' });
    await until('one waits', () => pool.ready > 0);
    expect(await pool.run({ command: ['sh', '-c', 'x=$(yes | head -c 100000000); echo $x'] })).toMatchObject({ status: 'memory-limit' });
    await until('one waits', () => pool.ready > 0);
    const { stderr } = await pool.run({ command: ['sh', '-c', 'for i in $(seq 40); do sleep 1000 & done'] });
    expect(stderr).toMatch(/can't fork/);
  });
});
