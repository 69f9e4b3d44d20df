import { expect } from 'vitest';
import { Container, type Execution } from '../../../lib/index.js';
import { carryOut } from '../../../lib/native/host-work.js';
import { planOf } from '../../../lib/plan/plan.js';
import { descendants, isAlive, processInfo, readText, shimOf, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { waiting } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, groups: true, tools: ['busybox'] });

const NAME = 'nacelle-closer';
const closers = (): number[] => descendants().flatMap(({ command, state, pid }) => (command === NAME && state !== 'Z' ? [pid] : []));

/** A program that has ended before the shim has heard of it needs no closer. */
const closer = (): Promise<number> =>
  until('there is a closer', async () => {
    await sh('true');
    return closers()[0];
  });

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, name);
}

async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  await until('it stands still', () => processInfo(pid)?.state === 'T');
}

/** The only closer that there is, which has all but one of its four places free, and stands still. */
async function stopped(): Promise<number> {
  signal(closers(), 'SIGKILL');
  await until('no closer is left', () => closers().length === 0);
  const pid = await closer();
  await stop(pid);
  return pid;
}

/** Ends once it is known to run. */
async function ended(script: string): Promise<{ run: Execution; program: number }> {
  const run = Container.run({ ...(await busybox()), command: ['sh', '-c', `${script}; read _; true`], stdin: 'pipe' });
  const program = await run.pid;
  run.stdin?.end();
  return { run, program };
}

const LARGE = 'head -c 33554432 /dev/zero > /large';

describe('the mounts of a run', () => {
  it('are undone by a process that can do nothing else', async () => {
    const pid = await closer();
    const status = await until('it is confined', () => {
      const text = readText(`/proc/${pid}/status`) ?? '';
      return statusField('Seccomp', text) === '2' ? text : null;
    });
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) expect(BigInt(`0x${statusField(set, status)}`)).toBe(0n);
    expect(statusField('NoNewPrivs', status)).toBe('1');
    expect(processInfo(pid)?.parent).toBe(shimOf()?.pid);
  });

  it('are not waited for where they hold little', async () => {
    const pid = await stopped();
    try {
      const { run } = await ended('echo done');
      expect((await run).stdout).toBe('done\n');
      expect(processInfo(pid)?.state).toBe('T');
    } finally {
      signal([pid], 'SIGCONT');
    }
  });

  it('are waited for where they hold much memory', async () => {
    const pid = await stopped();
    let isOver = false;
    try {
      const { run, program } = await ended(LARGE);
      const over = run.then(() => {
        isOver = true;
      });
      await until('the program is gone', () => processInfo(program) === null);
      // what this shim answers comes after what it has said before
      await sh('true');
      expect(isOver).toBe(false);
      process.kill(pid, 'SIGCONT');
      await over;
    } finally {
      signal([pid], 'SIGCONT');
    }
  });

  it('go too when that process is killed', async () => {
    const pid = await stopped();
    const { run, program } = await ended(LARGE);
    await until('the program is gone', () => processInfo(program) === null);
    process.kill(pid, 'SIGKILL');
    expect((await run).exitCode).toBe(0);
    expect(await closer()).not.toBe(pid);
  });

  it('are undone by another process where one is slow', async () => {
    const pid = await stopped();
    try {
      for (let run = 0; run < 4; ++run) expect((await (await ended('echo done')).run).stdout).toBe('done\n');
      expect((await (await ended(LARGE)).run).exitCode).toBe(0);
      expect(processInfo(pid)?.state).toBe('T');
      expect(closers().length).toBeGreaterThan(1);
    } finally {
      signal([pid], 'SIGCONT');
    }
  });

  it('are waited for where many others are still to go', async () => {
    const pids = [await stopped()];
    let isOver = false;
    try {
      // each takes four, so the third is started for a run that waits for eight others
      while (pids.length < 3) {
        await (await ended('true')).run;
        for (const pid of closers().filter((other) => !pids.includes(other))) {
          pids.push(pid);
          await stop(pid);
        }
      }
      const { run, program } = await ended('true');
      const over = run.then(() => {
        isOver = true;
      });
      await until('the program is gone', () => processInfo(program) === null);
      // what this shim answers comes after what it has said before
      await carryOut(planOf({}));
      expect(isOver).toBe(false);
      signal(pids, 'SIGCONT');
      await over;
    } finally {
      signal(pids, 'SIGCONT');
    }
  });

  it('are waited for no longer than processes that were killed', async () => {
    const pid = await stopped();
    try {
      const run = Container.run({ ...(await busybox()), command: ['sh', '-c', `${LARGE}; echo written; sleep 1000`], reject: false });
      for await (const line of run) if (line === 'written') await run.kill();
      expect((await run).signal).toBe('SIGKILL');
      expect(processInfo(pid)?.state).toBe('T');
    } finally {
      signal([pid], 'SIGCONT');
    }
  });

  it('have gone when a pool is closed, of its runs', async () => {
    const pool = await Container.pool({ ...(await busybox()), command: ['cat'] }, { ready: 1 });
    const pid = await stopped();
    let isClosed = false;
    try {
      const run = pool.run({ stdin: 'pipe' });
      await run.pid;
      run.stdin?.end('done');
      expect((await run).stdout).toBe('done');
      const closed = pool.close().then(() => {
        isClosed = true;
      });
      await until('those that waited are gone', () => waiting().length === 0);
      await carryOut(planOf({}));
      expect(isClosed).toBe(false);
      signal([pid], 'SIGCONT');
      await closed;
    } finally {
      signal([pid], 'SIGCONT');
      await pool.close();
    }
  });

  it('have gone when the supervisor of a process that has ended is gone', async () => {
    const program = startNode('later-mounts');
    const told: string = (await program.lines.next()).value;
    const [shim = 0, slow = 0] = told.split(' ').map(Number);
    try {
      expect((await program.ended).code).toBe(0);
      // of one that didn't wait nothing would be left soon
      await until('it has no parent any more', () => processInfo(shim)?.parent !== program.pid);
      expect([isAlive(shim), isAlive(slow)]).toEqual([true, true]);
      signal([slow], 'SIGCONT');
      await until('the supervisor is gone', () => !isAlive(shim));
      expect(isAlive(slow)).toBe(false);
    } finally {
      signal([slow], 'SIGCONT');
    }
  });
});
