import { once } from 'node:events';
import { constants } from 'node:os';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect } from 'vitest';
import { Cgroup, Container, type RunOptions, type RunResult } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { missing, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { findTool } from '../../fixtures/tools.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'gcc'], cgroup: 'memory' });
const program = findTool('gcc') ? compile('ends') : '';
const NAME = `nacelle-test-${process.pid}-causes`;
const MiB = 1024 ** 2;

/** One way to end: the program's arguments, and what must be told of it. */
interface Row {
  name: string;
  ends: string;
  options?: RunOptions;
  /** What is done to it once it has said 'ready'. */
  once?: (container: Container) => void | Promise<void>;
  status: RunResult['status'];
  exitCode?: number;
  signal?: NodeJS.Signals;
  reason: string | RegExp;
  flags?: Partial<Pick<RunResult, 'timedOut' | 'oomKilled' | 'isCanceled' | 'isMaxBuffer'>>;
}

/** Stands for an abort of `cancelSignal`. */
const cancel = (): void => undefined;
const memory = { memory: 48 * MiB };
const atLimit = 'out of memory: the kernel killed a process of its group at the limit of 50,331,648 bytes';
const oom = { status: 'memory-limit', flags: { oomKilled: true } } as const;

const rows: Row[] = [
  { name: 'exit 0', ends: 'exit 0', status: 'ok', exitCode: 0, reason: 'exited with 0' },
  ...[1, 137, 255].map((code): Row => {
    return { name: `exit ${code}`, ends: `exit ${code}`, status: 'nonzero-exit', exitCode: code, reason: `exited with ${code}` };
  }),
  {
    name: 'a fault',
    ends: 'fault 8',
    status: 'signalled',
    signal: 'SIGSEGV',
    reason: 'killed by SIGSEGV',
  },
  {
    name: 'a stack overflow is no want of memory',
    ends: 'deep',
    options: memory,
    status: 'signalled',
    signal: 'SIGSEGV',
    reason: 'killed by SIGSEGV',
  },
  {
    name: 'the wall clock',
    ends: 'sleep',
    options: { timeout: 300 },
    status: 'timeout',
    signal: 'SIGKILL',
    reason: 'killed after 300 ms of wall time',
    flags: { timedOut: true },
  },
  {
    name: 'a wall clock of less than a nanosecond, which is not without a limit',
    ends: 'sleep',
    options: { timeout: 1e-7 },
    status: 'timeout',
    signal: 'SIGKILL',
    reason: /wall time/,
    flags: { timedOut: true },
  },
  {
    name: 'a CPU clock of less than a nanosecond',
    ends: 'spin',
    options: { cpuTimeLimit: 1e-7 },
    status: 'cpu-time-limit',
    signal: 'SIGKILL',
    reason: /CPU time/,
    flags: { timedOut: true },
  },
  {
    name: 'the CPU clock',
    ends: 'spin',
    options: { cpuTimeLimit: 200 },
    status: 'cpu-time-limit',
    signal: 'SIGKILL',
    reason: 'killed after 200 ms of CPU time',
    flags: { timedOut: true },
  },
  {
    name: 'a cancel',
    ends: 'say ready',
    once: cancel,
    status: 'canceled',
    signal: 'SIGKILL',
    reason: 'killed because cancelSignal was aborted',
    flags: { isCanceled: true },
  },
  {
    name: 'too much output',
    ends: 'flood 1',
    options: { maxBuffer: 10_000 },
    status: 'output-limit',
    signal: 'SIGKILL',
    reason: 'wrote more than 10,000 bytes to stdout',
    flags: { isMaxBuffer: true },
  },
  {
    name: 'too much on standard error',
    ends: 'flood 2',
    options: { maxBuffer: 10_000 },
    status: 'output-limit',
    signal: 'SIGKILL',
    reason: 'wrote more than 10,000 bytes to stderr',
    flags: { isMaxBuffer: true },
  },
  {
    name: "the caller's kill",
    ends: 'say ready',
    once: (container) => container.kill(),
    status: 'signalled',
    signal: 'SIGKILL',
    reason: 'killed by SIGKILL, sent by the caller',
  },
  {
    name: "the caller's other signal",
    ends: 'say ready',
    options: { init: true },
    once: (container) => container.kill('SIGTERM'),
    status: 'signalled',
    signal: 'SIGTERM',
    reason: 'killed by SIGTERM, sent by the caller',
  },
  {
    name: 'a kill from the host outside',
    ends: 'say ready',
    once: (container) => void process.kill(container.pid, 'SIGKILL'),
    status: 'signalled',
    signal: 'SIGKILL',
    reason: 'killed by SIGKILL from outside',
  },
  { name: 'out of memory in process 1', ends: 'eat 200', options: memory, ...oom, signal: 'SIGKILL', reason: atLimit },
  { name: 'out of memory in a grandchild, exit 0', ends: 'child 0 child 0 eat 200', options: memory, ...oom, exitCode: 0, reason: atLimit },
  { name: 'out of memory in a grandchild, exit 5', ends: 'child 5 child 0 eat 200', options: memory, ...oom, exitCode: 5, reason: atLimit },
  { name: 'out of memory in a sibling', ends: 'orphan eat 200', options: { ...memory, init: true }, ...oom, exitCode: 0, reason: atLimit },
  {
    name: 'out of memory in the parent group',
    ends: 'eat 200',
    options: { cgroup: NAME },
    ...oom,
    signal: 'SIGKILL',
    reason: 'out of memory in a parent group',
  },
  {
    name: 'the same with a limit of its own, far above',
    ends: 'eat 200',
    options: { cgroup: NAME, memory: 180 * MiB },
    ...oom,
    signal: 'SIGKILL',
    reason: 'out of memory in a parent group',
  },
  {
    name: 'out of memory in the parent group, in a child',
    ends: 'child 5 eat 200',
    options: { cgroup: NAME },
    status: 'nonzero-exit',
    exitCode: 5,
    reason: 'exited with 5; the kernel killed a process of its group because a parent group was out of memory',
  },
  {
    name: 'ulimit cpu, the soft one',
    ends: 'spin',
    options: { init: true, ulimits: { cpu: { soft: 1, hard: 10 } } },
    status: 'signalled',
    signal: 'SIGXCPU',
    reason: 'killed by SIGXCPU: it used the 1 s of CPU time that ulimit cpu gives a process',
  },
  {
    name: 'ulimit cpu, the hard one',
    ends: 'spin',
    options: { ulimits: { cpu: 1 } },
    status: 'signalled',
    signal: 'SIGKILL',
    reason: 'killed by SIGKILL: it used the 1 s of CPU time that ulimit cpu gives a process',
  },
  {
    name: 'ulimit fsize',
    ends: 'file 100000',
    options: { init: true, ulimits: { fsize: 8192 } },
    status: 'signalled',
    signal: 'SIGXFSZ',
    reason: 'killed by SIGXFSZ: it wrote past the 8,192 bytes that ulimit fsize gives a file',
  },
  {
    name: 'ulimit fsize in process 1, which gets no signal but an error',
    ends: 'file 100000',
    options: { ulimits: { fsize: 8192 } },
    status: 'nonzero-exit',
    exitCode: 31,
    reason: 'exited with 31',
  },
  {
    name: 'ulimit as: an allocation that fails is no want of memory',
    ends: 'allocate 512',
    options: { ...memory, ulimits: { as: 64 * MiB } },
    status: 'nonzero-exit',
    exitCode: 12,
    reason: 'exited with 12',
  },
  {
    name: 'the limit of processes',
    ends: 'forks 20',
    options: { pidsLimit: 5 },
    status: 'nonzero-exit',
    exitCode: 11,
    reason: 'exited with 11; its limit of 5 processes refused a fork',
  },
  {
    name: 'a forbidden end by hand is no violation of the filter',
    ends: 'raise 31',
    options: { init: true },
    status: 'signalled',
    signal: 'SIGSYS',
    reason: 'killed by SIGSYS',
  },
  {
    name: 'its own SIGKILL, under an init',
    ends: 'raise 9',
    options: { init: true },
    status: 'signalled',
    signal: 'SIGKILL',
    reason: 'killed by SIGKILL',
  },
];

const harmless = ['SIGCHLD', 'SIGCONT', 'SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGWINCH'];
const aliases = ['SIGIOT', 'SIGPOLL', 'SIGKILL', 'SIGSYS'];
const fatal = Object.entries(constants.signals).filter(([name]) => !harmless.includes(name) && !aliases.includes(name));

let parent: Cgroup | null = null;

beforeAll(async () => {
  if (missing({ groups: true }).length === 0) parent = await Cgroup.create(NAME, { memory: 64 * MiB });
});

afterAll(async () => {
  await parent?.remove();
});

async function play({ ends, options, once: act }: Pick<Row, 'ends' | 'options' | 'once'>): Promise<RunResult> {
  const abort = new AbortController();
  const given: RunOptions = {
    ...(await busybox()),
    command: ['/ends', ...ends.split(' ')],
    copyIn: { '/ends': { source: program, mode: 0o755 } },
    ...options,
  };
  if (!act) return Container.run(given);
  const listener = new PassThrough();
  const ready = once(listener, 'data');
  // a cancel is of `run`, everything else is done to a container
  if (act === cancel) {
    const running = Container.run({ ...given, cancelSignal: abort.signal, stdout: ['pipe', listener] });
    await ready;
    abort.abort();
    return running;
  }
  await using container = await Container.create({ ...given, stdout: ['pipe', listener] });
  await container.start();
  await ready;
  await act(container);
  return await container.wait();
}

describe('what ended a program is told by its evidence', () => {
  it.each(rows)('$name', async (row) => {
    const result = await play(row);
    const { status, reason, exitCode = null, signal = null, flags } = row;
    expect(result).toMatchObject({
      status,
      exitCode,
      signal,
      reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
      ...{ timedOut: false, oomKilled: false, isCanceled: false, isMaxBuffer: false, ...flags },
    });
    expectUsage(result);
  });

  it.each(fatal)('%s, raised by itself under an init', async (signal, number) => {
    const result = await play({ ends: `raise ${number}`, options: { init: true } });
    expect(result).toMatchObject({ status: 'signalled', signal, signalNumber: number, reason: `killed by ${signal}`, exitCode: null });
    expectUsage(result);
  });

  it.each([34, 64])('signal %i, which has no name', async (number) => {
    const result = await play({ ends: `raise ${number}`, options: { init: true } });
    expect(result).toMatchObject({ status: 'signalled', signal: null, signalNumber: number, reason: `killed by signal ${number}` });
  });

  it.each(['SIGTERM', 'SIGKILL', 'SIGUSR1'] as const)('process 1 survives the %s that it sends itself', async (signal) => {
    const ends = `raise ${constants.signals[signal]}`;
    expect(await play({ ends })).toMatchObject({ status: 'nonzero-exit', exitCode: 77, signal: null });
  });

  it('want of memory in a sibling group is none of its own', async () => {
    const limits = { cgroup: NAME, memory: 16 * MiB };
    const [eater, other] = await Promise.all([
      play({ ends: 'eat 200', options: limits }),
      play({ ends: 'sleep', options: { ...limits, timeout: 1000 } }),
    ]);
    expect(eater).toMatchObject({ status: 'memory-limit', oomKilled: true });
    expect(eater.reason).toMatch(/at the limit of 16,777,216 bytes/);
    expect(other).toMatchObject({ status: 'timeout', oomKilled: false, usage: { oomKills: 0 } });
  });

  it('the others are told apart', () => {
    const told = rows.map(({ status, reason, exitCode, signal }) => `${status} ${reason} ${exitCode} ${signal}`);
    const twice = rows.filter((_, i) => told.indexOf(told[i] ?? '') !== i).map(({ name }) => name);
    // of a fault the kernel tells the signal's number alone, and of want of memory who ran out, not who was killed
    expect(twice).toEqual([
      'a stack overflow is no want of memory',
      'out of memory in a sibling',
      'the same with a limit of its own, far above',
    ]);
  });
});

function expectUsage({ usage }: RunResult): void {
  expect(usage.cpuTimeMs).toBeGreaterThan(0);
  expect(usage.memoryPeak).toBeGreaterThan(0);
  expect(usage.pidsPeak === null || usage.pidsPeak > 0).toBe(true);
  expect(usage).toMatchObject({ userMs: expect.any(Number), systemMs: expect.any(Number), oomKills: expect.any(Number) });
}
