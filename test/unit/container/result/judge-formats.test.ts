import { describe, expect, it } from 'vitest';
import { toGoJudgeResult, toIsolateMeta } from '../../../../lib/container/result/judge-formats.js';
import { sampleResult } from '../../../fixtures/result.js';

const exited = (value: number) => ({ exit: { kind: 'exited', value }, cause: 'none' }) as const;
const killed = (value: number, cause: 'none' | 'wall-time' | 'cpu-time' | 'output' | 'cancel' = 'none') =>
  ({ exit: { kind: 'signalled', value }, cause }) as const;

describe('toIsolateMeta', () => {
  const common = { time: 0.1235, 'time-wall': 0.2505, 'cg-mem': 5, 'csw-voluntary': 4, 'csw-forced': 5 };

  it('has no status when all is well', () => {
    expect(toIsolateMeta(sampleResult(exited(0)))).toEqual({ ...common, exitcode: 0 });
  });

  it.each([
    ['a nonzero exit', sampleResult(exited(3)), { exitcode: 3, status: 'RE', message: 'exited with 3' }],
    ['a signal', sampleResult(killed(11)), { exitsig: 11, status: 'SG', message: 'killed by SIGSEGV' }],
    [
      'a clock',
      sampleResult(killed(9, 'wall-time')),
      { exitsig: 9, status: 'TO', killed: 1, message: 'killed after 1,000 ms of wall time' },
    ],
    [
      'memory',
      sampleResult(killed(9), { oomKills: 1 }),
      {
        exitsig: 9,
        status: 'SG',
        'cg-oom-killed': 1,
        message: 'out of memory: the kernel killed a process of its group at the limit of 1,048,576 bytes',
      },
    ],
    [
      'output',
      sampleResult(killed(9, 'output'), { overflow: { stream: 'stdout', maxBuffer: 100 } }),
      { exitsig: 9, status: 'SG', killed: 1, message: 'wrote more than 100 bytes to stdout' },
    ],
  ])('%s', (_, result, fields) => expect(toIsolateMeta(result)).toEqual({ ...common, ...fields }));
});

describe('toGoJudgeResult', () => {
  it('has nanoseconds and bytes', () => {
    expect(toGoJudgeResult(sampleResult(exited(0)))).toEqual({
      status: 'Accepted',
      exitStatus: 0,
      time: 123_500_000,
      runTime: 250_500_000,
      memory: 5000,
      procPeak: 3,
      files: { stdout: 'out', stderr: '' },
    });
  });

  it.each([
    [sampleResult(exited(3)), 'Nonzero Exit Status', 3],
    [sampleResult(killed(11)), 'Signalled', 11],
    [sampleResult(killed(9, 'cpu-time')), 'Time Limit Exceeded', 9],
    [sampleResult(killed(9, 'wall-time')), 'Time Limit Exceeded', 9],
    [sampleResult(exited(0), { oomKills: 1 }), 'Memory Limit Exceeded', 0],
    [sampleResult(killed(9, 'output'), { overflow: { stream: 'stderr', maxBuffer: 100 } }), 'Output Limit Exceeded', 9],
    [sampleResult(killed(31)), 'Dangerous Syscall', 31],
    [sampleResult(killed(9, 'cancel')), 'Signalled', 9],
  ])('%#: $status', (result, status, exitStatus) => {
    expect(toGoJudgeResult(result)).toMatchObject({ status, exitStatus, error: result.reason });
  });
});
