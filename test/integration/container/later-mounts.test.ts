import { expect } from 'vitest';
import { Container, type Execution } from '../../../lib/index.js';
import { descendants, processInfo, readText, shimOf, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, groups: true, tools: ['busybox'] });

const NAME = 'nacelle-closer';
const closerOf = (): number | undefined => descendants().find(({ command, state }) => command === NAME && state !== 'Z')?.pid;

/** A program that has ended before the shim has heard of it needs no closer. */
const closer = (): Promise<number> =>
  until('there is a closer', async () => {
    await sh('true');
    return closerOf();
  });

async function stopped(): Promise<number> {
  const pid = await closer();
  process.kill(pid, 'SIGSTOP');
  await until('it stands still', () => processInfo(pid)?.state === 'T');
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
      process.kill(pid, 'SIGCONT');
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
      process.kill(pid, 'SIGCONT');
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
});
