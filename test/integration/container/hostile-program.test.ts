import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, Namespace, type RunOptions, type RunResult } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { shimsOf, statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { findTool } from '../../fixtures/tools.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const tools = ['busybox', 'gcc'];
const { describe, it } = requires({ containers: true, groups: true, tools });
/** Nobody inside may trace what waits in an ordinary user's container: its memory is of the user namespace above. */
const asRoot = requires({ root: true, tools });
const joining = requires({ containers: true, groups: true, joinsPid: true, tools });
const folder = temporaryFolder();
const program = findTool('gcc') ? compile('attack') : '';

const attack = async (args: string[], options: RunOptions = {}): Promise<RunResult> =>
  Container.run({ ...(await busybox()), copyIn: { '/attack': { source: program } }, command: ['/attack', ...args], ...options });

const tracing = { init: true, capAdd: ['SYS_PTRACE'] };

/** Its number in its own pid namespace. */
function pidInside({ pid }: Container): string {
  return (
    statusField('NSpid', readFileSync(`/proc/${pid}/status`, 'utf8'))
      .split(/\s+/)
      .at(-1) ?? ''
  );
}

describe('a hostile program', () => {
  it('nests folders deeper than there are descriptors, on disk: they are removed', async () => {
    const { stdout } = await attack(['nest', '30000'], { upper: 'disk', cwd: '/tmp' });
    expect(stdout).toBe('nested\n');
  });

  it('speaks for init, with CAP_SYS_PTRACE: nothing of it is believed, and the others live', async () => {
    await using other = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await other.start();
    const shims = shimsOf(process.env.NACELLE_RUNROOT);
    expect(await attack(['speak', '1'], tracing)).toMatchObject({ status: 'ok', stdout: 'spoke\n' });
    expect(await attack(['speak', '1'], { init: true })).toMatchObject({ status: 'ok', stdout: 'no socket\n' });
    expect(shimsOf(process.env.NACELLE_RUNROOT)).toEqual(shims);
    expect(other.state).toBe('running');
  });

  asRoot.it('speaks for a container that waits in its pid namespace: that one ends, and is not taken for another', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    await using waiting = await Container.create({ ...(await busybox()), command: ['true'], namespaces: { pid } });
    const options = { namespaces: { pid }, capAdd: ['SYS_PTRACE'] };
    expect(await attack(['speak', pidInside(waiting)], options)).toMatchObject({ status: 'ok', stdout: 'spoke\n' });
    await expect(waiting.wait()).rejects.toMatchObject({ code: 'EPROTO' });
  });

  asRoot.it('hands a folder of its own over as the group of a container that waits: that one ends, and nobody on the host', async () => {
    const victim = spawn('sleep', ['1000']);
    try {
      const { pid } = await Namespace.create(['pid']);
      await using _pid = pid;
      await using waiting = await Container.create({ ...(await busybox()), command: ['true'], namespaces: { pid } });
      const options = { namespaces: { pid }, capAdd: ['SYS_PTRACE'], cwd: '/tmp' };
      expect(await attack(['forge', pidInside(waiting), String(victim.pid)], options)).toMatchObject({ status: 'ok', stdout: 'forged\n' });
      await expect(waiting.wait()).rejects.toMatchObject({ code: 'EPROTO' });
      expect([victim.exitCode, victim.signalCode]).toEqual([null, null]);
    } finally {
      victim.kill('SIGKILL');
      await once(victim, 'close');
    }
  });

  it('says for init that it has ended well, and goes on: its time ends it, and that is told', async () => {
    const result = await attack(['end', '1'], { ...tracing, timeout: 500 });
    expect(result).toMatchObject({ status: 'timeout', timedOut: true, exitCode: null, signal: 'SIGKILL', stdout: 'said\n' });
    expect(result.durationMs).toBeGreaterThanOrEqual(500);
  });

  it('says for init that it could not be started: it was, and has a result', async () => {
    expect(await attack(['fail', '1'], tracing)).toMatchObject({ status: 'ok', exitCode: 0, stdout: 'said\n' });
  });

  requires({ root: true, kernel: '6.16', tools }).it('hands the shim no descriptor for which that would have to wait', async () => {
    expect(await attack(['hand', '1'], tracing)).toMatchObject({ status: 'ok', stdout: 'EPERM\n' });
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    await using waiting = await Container.create({ ...(await busybox()), command: ['true'], namespaces: { pid } });
    const options = { namespaces: { pid }, capAdd: ['SYS_PTRACE'] };
    expect(await attack(['hand', pidInside(waiting)], options)).toMatchObject({ status: 'ok', stdout: 'EPERM\n' });
  });

  joining.it('has init stand still, which it is not process 1 for: its clocks run all the same', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    for (let round = 0; round < 8; round++) {
      const result = await attack(['stop', 'parent'], { init: true, namespaces: { pid }, timeout: 200 });
      expect(result).toMatchObject({ status: 'timeout', stdout: 'stopped\n' });
    }
  });

  joining.it('has all stand still that comes into its pid namespace: what has a limit of time ends', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    const options = { ...(await busybox()), copyIn: { '/attack': { source: program } }, namespaces: { pid } };
    await using hostile = await Container.create({ ...options, command: ['/attack', 'stop', 'all'] });
    await hostile.start();
    await once(hostile.stdout ?? process, 'data');
    // a program that ends by itself was faster than the one that stops
    const outcome = await until('one stands still', async () => {
      const end = await attack(['crowd', '0'], { namespaces: { pid }, timeout: 200 }).catch((error: Error) => error);
      return end instanceof Error || end.status !== 'ok' ? end : null;
    });
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ETIMEDOUT' });
    else expect(outcome).toMatchObject({ status: 'timeout' });
  });

  it.each([
    ['as its stdin', (file: string) => ({ stdin: { file } })],
    ['by a read-only volume', (file: string) => ({ volumes: [`${file}:/file:ro`], command: ['sh', '-c', '/attack lease < /file'] })],
  ])('gets no lease on a file that it is shown %s, for which others would wait', async (_, by) => {
    const file = join(folder, 'leased');
    writeFileSync(file, 'content');
    expect(await attack(['lease'], by(file))).toMatchObject({ stdout: 'EPERM\n' });
    expect(await attack(['lease'], { ...by(file), capAdd: ['LEASE'] })).toMatchObject({
      stdout: expect.stringMatching(/^(?:taken|EAGAIN)\n$/),
    });
  });
});
