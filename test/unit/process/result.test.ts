import { constants } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Evidence, judge, type LethalLimits, noLimits, times, usageOf } from '../../../lib/process/result.js';

const exited = (value: number) => ({ kind: 'exited', value }) as const;
const killed = (value: number) => ({ kind: 'signalled', value }) as const;

const limits = (more: Partial<LethalLimits> = {}): LethalLimits => ({ ...noLimits, memory: 67_108_864, filterKills: true, ...more });

function evidence(end: Evidence['end'], more: Partial<Evidence> = {}): Evidence {
  return {
    end,
    oomKills: 0,
    oomKillsOfParent: 0,
    forksRefused: 0,
    cpuMs: 0,
    overflow: null,
    processOne: true,
    timeoutMs: 1000,
    cpuTimeLimitMs: 2500,
    limits: limits(),
    ...more,
  };
}

const none = 'none' as const;

describe('status and reason', () => {
  it.each<[string, Evidence, string, string]>([
    ['exit 0', evidence({ exit: exited(0), cause: none }), 'ok', 'exited with 0'],
    ['exit 3', evidence({ exit: exited(3), cause: none }), 'nonzero-exit', 'exited with 3'],
    ['its own exit 137', evidence({ exit: exited(137), cause: none }), 'nonzero-exit', 'exited with 137'],
    ['SIGKILL of somebody', evidence({ exit: killed(9), cause: none }), 'signalled', 'killed by SIGKILL from outside'],
    ['SIGKILL under an init', evidence({ exit: killed(9), cause: none }, { processOne: false }), 'signalled', 'killed by SIGKILL'],
    ['SIGSEGV', evidence({ exit: killed(11), cause: none }), 'signalled', 'killed by SIGSEGV'],
    ['a real-time signal', evidence({ exit: killed(40), cause: none }), 'signalled', 'killed by signal 40'],
    [
      'SIGSYS',
      evidence({ exit: killed(31), cause: none }),
      'syscall-violation',
      'killed by SIGSYS: it made a system call that its filter forbids',
    ],
    ['SIGSYS of the caller', evidence({ exit: killed(31), cause: 'caller' }), 'signalled', 'killed by SIGSYS, sent by the caller'],
    ['kill()', evidence({ exit: killed(9), cause: 'caller' }), 'signalled', 'killed by SIGKILL, sent by the caller'],
    ['kill() that was handled', evidence({ exit: exited(0), cause: 'caller' }), 'ok', 'exited with 0'],
    ['the end of its owner', evidence({ exit: killed(9), cause: 'owner' }), 'signalled', 'killed by SIGKILL because its owner ended'],
    ['the wall clock', evidence({ exit: killed(9), cause: 'wall-time' }), 'timeout', 'killed after 1,000 ms of wall time'],
    ['the wall clock, exit 0', evidence({ exit: exited(0), cause: 'wall-time' }), 'timeout', 'killed after 1,000 ms of wall time'],
    ['the CPU clock', evidence({ exit: killed(9), cause: 'cpu-time' }), 'cpu-time-limit', 'killed after 2,500 ms of CPU time'],
    ['a cancel', evidence({ exit: killed(9), cause: 'cancel' }), 'canceled', 'killed because cancelSignal was aborted'],
    [
      'output',
      evidence({ exit: killed(9), cause: 'output' }, { overflow: { stream: 'stderr', maxBuffer: 1024 } }),
      'output-limit',
      'wrote more than 1,024 bytes to stderr',
    ],
    [
      'output, ended before the kill',
      evidence({ exit: exited(0), cause: none }, { overflow: { stream: 'stdout', maxBuffer: 1024 } }),
      'output-limit',
      'wrote more than 1,024 bytes to stdout',
    ],
    [
      'memory',
      evidence({ exit: killed(9), cause: none }, { oomKills: 1 }),
      'memory-limit',
      'out of memory: the kernel killed a process of its group at the limit of 67,108,864 bytes',
    ],
    [
      'memory of a child, exit 0',
      evidence({ exit: exited(0), cause: none }, { oomKills: 2, limits: noLimits }),
      'memory-limit',
      'out of memory: the kernel killed 2 processes of its group',
    ],
    [
      'memory of a parent',
      evidence({ exit: killed(9), cause: none }, { oomKillsOfParent: 1 }),
      'memory-limit',
      'out of memory in a parent group',
    ],
    [
      'memory of a parent, a child of it killed',
      evidence({ exit: exited(5), cause: none }, { oomKillsOfParent: 2 }),
      'nonzero-exit',
      'exited with 5; the kernel killed 2 processes of its group because a parent group was out of memory',
    ],
    [
      'forks refused',
      evidence({ exit: exited(1), cause: none }, { forksRefused: 1, limits: limits({ pids: 1000 }) }),
      'nonzero-exit',
      'exited with 1; its limit of 1,000 processes refused a fork',
    ],
    [
      'forks refused above',
      evidence({ exit: exited(0), cause: none }, { forksRefused: 3 }),
      'ok',
      'exited with 0; a limit of processes refused 3 forks',
    ],
    [
      'ulimit cpu, soft',
      evidence({ exit: killed(24), cause: none }, { cpuMs: 600, limits: limits({ cpuSeconds: { soft: 1, hard: 2 } }) }),
      'signalled',
      'killed by SIGXCPU: it used the 1 s of CPU time that ulimit cpu gives a process',
    ],
    [
      'ulimit cpu, hard',
      evidence({ exit: killed(9), cause: none }, { cpuMs: 1700, limits: limits({ cpuSeconds: { soft: 1, hard: 2 } }) }),
      'signalled',
      'killed by SIGKILL: it used the 2 s of CPU time that ulimit cpu gives a process',
    ],
    [
      'SIGXCPU that was sent',
      evidence({ exit: killed(24), cause: none }, { cpuMs: 400, limits: limits({ cpuSeconds: { soft: 1, hard: 2 } }) }),
      'signalled',
      'killed by SIGXCPU',
    ],
    ['SIGXFSZ that was sent', evidence({ exit: killed(25), cause: none }), 'signalled', 'killed by SIGXFSZ'],
    [
      'ulimit fsize',
      evidence({ exit: killed(25), cause: none }, { limits: limits({ fileBytes: 4096 }) }),
      'signalled',
      'killed by SIGXFSZ: it wrote past the 4,096 bytes that ulimit fsize gives a file',
    ],
    [
      'SIGSYS where no filter kills',
      evidence({ exit: killed(31), cause: none }, { limits: limits({ filterKills: false }) }),
      'signalled',
      'killed by SIGSYS',
    ],
    [
      'a clock after the memory of a child',
      evidence({ exit: killed(9), cause: 'wall-time' }, { oomKills: 1 }),
      'timeout',
      'killed after 1,000 ms of wall time',
    ],
  ])('%s', (_, given, status, reason) => expect(judge(given)).toMatchObject({ status, reason }));
});

describe('the other fields', () => {
  it('give either a code or a signal', () => {
    expect(judge(evidence({ exit: exited(3), cause: none }))).toMatchObject({
      exitCode: 3,
      signal: null,
      signalNumber: null,
      failed: true,
    });
    expect(judge(evidence({ exit: killed(15), cause: none }))).toMatchObject({ exitCode: null, signal: 'SIGTERM', signalNumber: 15 });
    expect(judge(evidence({ exit: killed(40), cause: none }))).toMatchObject({ exitCode: null, signal: null, signalNumber: 40 });
  });

  it('name every signal as the kernel does', () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      const { signal } = judge(evidence({ exit: killed(number), cause: none }));
      if (name !== 'SIGIOT' && name !== 'SIGPOLL') expect(signal).toBe(name);
    }
  });

  it('keep the evidence that did not decide', () => {
    expect(
      judge(evidence({ exit: killed(9), cause: 'wall-time' }, { oomKills: 1, overflow: { stream: 'stdout', maxBuffer: 1024 } })),
    ).toMatchObject({
      timedOut: true,
      oomKilled: true,
      isMaxBuffer: true,
      isCanceled: false,
    });
  });

  it('agree with the status, whatever the evidence', () => {
    const cause = fc.constantFrom('none', 'caller', 'wall-time', 'cpu-time', 'output', 'cancel', 'owner');
    const exit = fc.oneof(fc.integer({ min: 0, max: 255 }).map(exited), fc.integer({ min: 1, max: 64 }).map(killed));
    const rest = fc.record({
      oomKills: fc.nat(2),
      oomKillsOfParent: fc.nat(2),
      forksRefused: fc.nat(2),
      overflow: fc.constantFrom(null, ...(['stdout', 'stderr'] as const).map((stream) => ({ stream, maxBuffer: 1024 }))),
    });
    fc.assert(
      fc.property(exit, cause, rest, (how, why, more) => {
        const verdict = judge(evidence({ exit: how, cause: why }, more));
        expect(verdict.failed).toBe(verdict.status !== 'ok');
        expect(verdict.timedOut).toBe(why === 'wall-time' || why === 'cpu-time');
        expect(verdict.isCanceled).toBe(why === 'cancel');
        expect(verdict.exitCode === null).toBe(verdict.signalNumber !== null);
        if (verdict.status === 'ok') expect([verdict.exitCode, verdict.oomKilled, verdict.isMaxBuffer]).toEqual([0, false, false]);
        if (verdict.status === 'memory-limit') expect(verdict.oomKilled).toBe(true);
      }),
    );
  });
});

describe('usage and times', () => {
  const process = { userMs: 5, systemMs: 7, maxRssBytes: 99, voluntarySwitches: 1, involuntarySwitches: 2 };

  it('are of the process, unless its group knows better', () => {
    expect(usageOf(process)).toMatchObject({ cpuTimeMs: 12, memoryPeak: null, voluntarySwitches: 1, pressure: null });
    expect(usageOf(process, { cpuTimeMs: 40, memoryPeak: 4096 })).toMatchObject({ cpuTimeMs: 40, userMs: 5, memoryPeak: 4096 });
  });

  it('last as long as the monotonic clock says', () => {
    expect(times({ startedAtMs: 1e12, startedMs: 50, endedMs: 62.5 })).toEqual({ startedAt: new Date(1e12), durationMs: 12.5 });
  });
});
