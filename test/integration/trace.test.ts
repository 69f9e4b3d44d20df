import { expect } from 'vitest';
import type { Span, Timeline } from '../../lib/native/timeline.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const withNetworks = requires({ root: true, tools: ['busybox', 'unshare'], kernel: '5.12' });

/** What the program printed, and the timelines that it wrote. */
async function traced(
  args: string[],
  trace = 'json',
  through: string[] = [],
): Promise<{ stdout: string; stderr: string; timelines: Timeline[] }> {
  const { code, stdout, stderr } = await startNode('traced', args, { env: { NACELLE_TRACE: trace }, through }).ended;
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const timelines =
    trace === 'json'
      ? stderr
          .trimEnd()
          .split('\n')
          .map((line): Timeline => JSON.parse(line))
      : [];
  return { stdout, stderr, timelines };
}

const stepsOf = (spans: readonly Span[]): string[] => spans.filter(({ step }) => step !== '-').map(({ step }) => step);
const nodes = (spans: readonly Span[]): string[] => spans.filter(({ who }) => who === 'node').map(({ what }) => what);

/** What one actor does is one thing after the other, and all of it lies within the whole. */
function expectTimes({ spans }: Timeline): void {
  const node = spans.filter(({ who }) => who === 'node');
  const [from, to] = [node[0]?.beganMs ?? Number.NaN, node.at(-1)?.endedMs ?? Number.NaN];
  for (const { beganMs, endedMs } of spans) {
    expect(endedMs ?? beganMs).toBeGreaterThanOrEqual(beganMs);
    expect(endedMs ?? beganMs).toBeLessThanOrEqual(to);
  }
  for (const actor of ['node', 'process'] as const) {
    const own = spans.filter(({ who }) => who === actor);
    for (const [place, { beganMs }] of own.entries()) expect(beganMs).toBeGreaterThanOrEqual(own[place - 1]?.endedMs ?? 0);
    const sum = own.filter(({ beganMs }) => beganMs >= from).reduce((all, { beganMs, endedMs }) => all + (endedMs ?? beganMs) - beganMs, 0);
    // sums of fractions
    expect(sum).toBeLessThanOrEqual(to - from + 0.001);
  }
}

describe('NACELLE_TRACE', () => {
  it('tells of each step of a plan, in order, on one clock', async () => {
    const { stdout, timelines } = await traced(['plan']);
    expect(timelines).toHaveLength(1);
    const [timeline] = timelines;
    if (timeline === undefined) throw new Error('there is no timeline');
    expect(stepsOf(timeline.spans)).toEqual(JSON.parse(stdout));
    expectTimes(timeline);
    expect(
      timeline.spans.filter(({ step }) => step === 'open' || step === 'write_process' || step === 'close').map(({ who }) => who),
    ).toEqual(['shim', 'shim', 'shim']);
    expect(timeline.spans.filter(({ endedMs }) => endedMs === null).map(({ step }) => step)).toEqual(['exec']);
  });

  it('tells of runs, also of one whose first part was made ahead, and of one that fails', async () => {
    const { timelines } = await traced(['runs', `dir:${await busyboxRootfs()}`]);
    const runs = timelines.filter(({ name }) => name === 'Container.run');
    for (const run of runs) expectTimes(run);
    // the first one finds out besides what the machine can do, and so many run after the second as it takes until one has been made ahead
    const [, second = []] = runs.map(({ spans }) => spans);
    const [ahead = [], failed = []] = runs.slice(-2).map(({ spans }) => spans);
    const [toItsStart, toItsEnd] = [nodes(second).slice(0, 5), nodes(second).slice(5)];
    expect(toItsStart).toEqual([
      'check the options',
      'prepare and plan',
      'encode the plan',
      'send the plan',
      'wait until the program runs',
    ]);
    // the result is made while the shim undoes the rest, which may be done first
    expect(toItsEnd.sort()).toEqual(['make the result', 'wait until it has ended']);
    expect(nodes(ahead)).toContain('encode the rest of the plan');
    // the same steps, but for where the first part waited
    const sorted = (spans: readonly Span[]): string[] => stepsOf(spans).sort();
    expect(sorted(ahead)).toEqual([...stepsOf(second), 'rest'].sort());
    expect(stepsOf(second)).toEqual(expect.arrayContaining(['pivot', 'seccomp', 'exec', 'remove_group']));
    expect(second.map(({ what }) => what)).toEqual(expect.arrayContaining(['clone the first process', 'read what the groups counted']));
    // this execve came back
    expect(failed.find(({ step }) => step === 'exec')?.endedMs).toEqual(expect.any(Number));
    expect(failed.some(({ what }) => what === 'the program, until its end is known')).toBe(false);
  });

  it('tells of a container that was created when that has ended, as text', async () => {
    const { stderr } = await traced(['create', `dir:${await busyboxRootfs()}`], '1');
    expect(stderr).toMatch(/^nacelle: Container\.create, \d+\.\d{3} ms\n/m);
    const lines = stderr.split('\n').map((line) => line.trim().split(/\s{2,}/));
    expect(lines.some((line) => line.at(-1) === 'wait until the program was started')).toBe(true);
    expect(lines.filter((line) => line.includes('park'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('exec'))).toHaveLength(1);
  });

  it('tells of what is left for a run of a pool, and of what was made before', async () => {
    const { timelines } = await traced(['pool', `dir:${await busyboxRootfs()}`]);
    const run = timelines.find(({ name }) => name === 'ContainerPool.run');
    if (run === undefined) throw new Error('there is no timeline');
    expectTimes(run);
    expect(nodes(run.spans)).toContain('encode the rest of the plan');
    const steps = stepsOf(run.spans);
    expect(steps).toEqual(expect.arrayContaining(['pivot', 'rest', 'seccomp', 'exec']));
    expect(steps.indexOf('pivot')).toBeLessThan(steps.indexOf('rest'));
    expect(steps.indexOf('rest')).toBeLessThan(steps.indexOf('seccomp'));
  });

  withNetworks.it('tells that nothing is kept of the networks of a run, which nobody can change', async () => {
    const { timelines } = await traced(['networks', `dir:${await busyboxRootfs()}`], 'json', ['unshare', '-n']);
    const isKept = (name: string): boolean => timelines.some((one) => one.name === name && stepsOf(one.spans).includes('run_steps'));
    expect(isKept('Container.run')).toBe(false);
    expect(isKept('Container.create')).toBe(true);
  });

  it('writes nothing where nobody asked', async () => {
    for (const trace of ['', '0']) expect((await traced(['runs', `dir:${await busyboxRootfs()}`], trace)).stderr).toBe('');
  });
});
