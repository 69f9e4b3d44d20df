import { rmdirSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, NacelleError, type RunOptions, SyscallError } from '../../../lib/index.js';
import { stepTable } from '../../../lib/plan/steps.js';
import { shimOf } from '../../fixtures/host.js';
import { leftovers, snapshot, useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { type Fault, traced } from '../../fixtures/strace.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'strace'] });
const folder = temporaryFolder();

// As many kinds of steps as one plan can have.
const rich: RunOptions = {
  memory: '64m',
  pidsLimit: 50,
  cpus: 0.5,
  tmpfs: { '/t': 'size=1m' },
  volumes: [`${folder}:/data:ro`],
  copyIn: { '/in': 'x' },
  timeout: 300_000,
  domainname: 'example',
  sysctls: { 'net.ipv4.ip_forward': '1' },
  devices: ['/dev/null:/dev/other'],
  ulimits: { nofile: 100 },
  user: 'user',
  cwd: '/made',
  oomScoreAdj: 100,
};
// Makes and removes more on the host.
const onDisk: RunOptions = { ...rich, upper: 'disk' };

const run = async (options = rich) => Container.run({ ...(await busybox()), command: ['true'], ...options });
const words = stepTable.map(({ op, what }) => ({ op: String(op), start: what.split('{')[0] ?? '' }));

function shim(): number {
  const pid = shimOf()?.pid;
  if (pid === undefined) throw new Error('no shim');
  return pid;
}

/** How often the shim, and the container's process before it runs the program, make each system call in one run. */
async function counted(options: RunOptions): Promise<{ ofShim: Map<string, number>; ofChild: Map<string, number> }> {
  await run();
  await forgetMadeAhead();
  const { lines } = await traced(shim(), folder, { follow: true }, () => run(options));
  const calls = new Map<number, Map<string, number>>();
  const over = new Set<number>();
  let child = 0;
  for (const [, process, call = ''] of lines.flatMap((line) => [/^(\d+) +(\w+)\(/.exec(line) ?? []])) {
    const pid = Number(process);
    const counts = calls.get(pid) ?? new Map<string, number>();
    calls.set(pid, counts);
    if (!over.has(pid)) counts.set(call, (counts.get(call) ?? 0) + 1);
    if (call !== 'execve') continue;
    over.add(pid);
    child = pid;
  }
  return { ofShim: calls.get(shim()) ?? new Map(), ofChild: calls.get(child) ?? new Map() };
}

/**
 * What a run ends with while the shim's system calls fail, and, with `follow`, those of the processes that it makes. On a busy machine one of these makes a
 * call less, or more, than another one did: so it runs until the call is made that is to fail.
 */
async function failing(follow: boolean, fault: Fault, options = onDisk): Promise<unknown> {
  const [value] = await until(`${fault.call} is called for the time ${fault.when} in a run`, async () => {
    // one that was made before strace looks would take part unseen
    await forgetMadeAhead();
    const { value, lines } = await traced(shim(), folder, { follow, faults: [fault] }, () => run(options).catch((error: unknown) => error));
    return lines.some((line) => line.includes('(INJECTED)')) ? [value] : null;
  });
  return value;
}

function expectStep(error: unknown, code: string): asserts error is SyscallError {
  if (!(error instanceof SyscallError))
    throw new Error(`no SyscallError: ${error instanceof Error ? error.message : JSON.stringify(error)}`);
  expect(error.code).toBe(code);
  expect(error.message).toContain(`: ${code} (`);
  const step = words.find(({ op }) => op === error.step);
  expect(error.message.startsWith(step?.start ?? 'start the process'), `${error.step}: ${error.message}`).toBe(true);
  if (step?.op.startsWith('attach') || step?.op.startsWith('mkdir') || step?.op === 'make_group') expect(error.path).not.toBeNull();
}

/** Of the calls that do something, where a failure must not pass; the others tell, look, or end. */
const doing = [
  ...['capset', 'chdir', 'clone3', 'dup2', 'execve', 'fchdir', 'fchmod', 'fchown', 'fchownat', 'fsconfig', 'fsmount'],
  ...['fsopen', 'ioctl', 'keyctl', 'mkdirat', 'mknodat', 'mount', 'mount_setattr', 'move_mount', 'open_tree', 'openat2', 'pivot_root'],
  ...['prlimit64', 'seccomp', 'setdomainname', 'setgroups', 'sethostname', 'setns', 'setresgid', 'setresuid', 'setsid', 'socket'],
  ...['socketpair', 'symlinkat', 'umount2', 'unshare', 'write'],
];

describe('a system call that fails', () => {
  it("in the container's process ends the run with its step, and leaves nothing", async () => {
    const { ofShim, ofChild } = await counted(rich);
    const calls = [...ofChild].filter(([call]) => doing.includes(call));
    expect(calls.map(([call]) => call)).toEqual(expect.arrayContaining(['fsopen', 'move_mount', 'pivot_root', 'sethostname', 'seccomp']));
    const owner = shim();
    for (const [call, count] of calls) {
      // strace counts for each process: the shim is past its own calls of that name before
      for (const when of new Set([(ofShim.get(call) ?? 0) + 1, count])) {
        if (when > count) continue;
        const before = snapshot();
        const error = await failing(true, { call, error: 'ENOSPC', when: String(when) }, rich);
        const name = `${call} number ${when}`;
        expectStep(error, 'ENOSPC');
        expect(error.cleanupError, name).toBeUndefined();
        expect(await leftovers(before), name).toEqual([]);
      }
    }
    expect(await run()).toMatchObject({ status: 'ok' });
    expect(shim()).toBe(owner);
  });

  it('is none of the filter’s where there is no filter: descriptors that may be left open end the run', async () => {
    const unfiltered: RunOptions = { ...rich, seccomp: 'unconfined' };
    const { ofShim, ofChild } = await counted(unfiltered);
    const [before, last] = [ofShim.get('close_range') ?? 0, ofChild.get('close_range') ?? 0];
    expect(last).toBeGreaterThan(before);
    expectStep(await failing(true, { call: 'close_range', error: 'ENOSPC', when: String(last) }, unfiltered), 'ENOSPC');
  });

  it('in the shim does as well', async () => {
    const { ofShim } = await counted(onDisk);
    const owner = shim();
    for (const call of ['mkdirat', 'openat', 'write', 'mknodat', 'socketpair', 'setsockopt', 'clone3', 'epoll_ctl', 'sendmsg']) {
      expect(ofShim.get(call), call).toBeGreaterThan(0);
      const before = snapshot();
      const error = await failing(false, { call, error: 'ENOMEM', when: '1' });
      expectStep(error, 'ENOMEM');
      expect(error.cleanupError, call).toBeUndefined();
      expect(await leftovers(before), call).toEqual([]);
    }
    expect(await run()).toMatchObject({ status: 'ok' });
    expect(shim()).toBe(owner);
  });

  it('for want of descriptors has its cure in the message', async () => {
    const error = await failing(false, { call: 'socketpair', error: 'EMFILE', when: '1' });
    expectStep(error, 'EMFILE');
    expect(error.hint).toMatch(/ulimit -n/);
  });
});

describe('undoing that fails', () => {
  /** Takes away by hand what could not be removed, so that it is known to have been there. */
  const removed = (error: unknown): string => {
    if (!(error instanceof SyscallError) || error.path === null) throw new Error(`no path: ${String(error)}`);
    rmdirSync(error.path);
    return error.step ?? '';
  };
  const groups = { call: 'rmdir,unlinkat', error: 'EIO' };

  it('is the error of a run that went well, and names what is left', async () => {
    const error = await failing(false, { ...groups, when: '3' });
    if (!(error instanceof NacelleError)) throw new Error(`it ran: ${JSON.stringify(error)}`);
    expect(error.code).toBe('ERR_CLEANUP');
    expect(error.cleanupError).toMatchObject({ name: 'SyscallError', code: 'EIO' });
    expect(removed(error.cleanupError)).toBe('remove_group');
    expect(await run()).toMatchObject({ status: 'ok' });
  });

  it('comes beside the first failure, however many there are', async () => {
    const error = await failing(false, { ...groups, when: '3..4' }, { ...onDisk, cwd: '/etc/passwd' });
    expectStep(error, 'ENOTDIR');
    expect(error.step).toBe('chdir');
    const { cleanupError } = error;
    if (!(cleanupError instanceof AggregateError)) throw new Error(`not both: ${String(cleanupError)}`);
    expect(cleanupError.errors.map(removed)).toEqual(['remove_group', 'remove_group']);
    for (const { path } of cleanupError.errors) expect(cleanupError.message).toContain(path);
    expect(await run()).toMatchObject({ status: 'ok' });
  });
});
