import { describe, expect, it } from 'vitest';
import { planGroup } from '../../../../lib/cgroup/group-plan.js';
import { parseExec } from '../../../../lib/container/options/exec-options.js';
import { planExec } from '../../../../lib/container/plan/exec-plan.js';
import { type Plan, Slots } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';
import type { UserMaps } from '../../../../lib/plan/userns-maps.js';
import type { Streams } from '../../../../lib/process/streams/child-end.js';
import { end, first, ops, usual } from '../../../fixtures/container-plan.js';
import { groupLayoutOf, hybrid, systemd } from '../../cgroup/machines.js';

interface Facts {
  readonly entersPid?: boolean;
  readonly streams?: Streams;
  readonly nullByShim?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly machine?: typeof hybrid;
  readonly userns?: UserMaps;
  readonly options?: object;
}

const withNull: Streams = { ends: [{ type: 'null' }, { type: 'pipe', fd: 11 }, { type: 'pipe', fd: 12 }], copies: [] };
const withFile: Streams = { ends: [{ type: 'file', path: '/host/file' }, { type: 'pipe', fd: 11 }, { type: 'null' }], copies: [] };

function planned(facts: Facts = {}): Plan {
  const {
    entersPid = true,
    streams = usual,
    nullByShim = false,
    noNewPrivileges = true,
    machine = hybrid,
    userns = null,
    options = {},
  } = facts;
  const slots = new Slots();
  const group = planGroup({
    slots,
    layout: groupLayoutOf(machine),
    name: 'owner/id/exec-1',
    limits: {},
    controllers: [],
    within: 'owner/id',
  });
  return planExec({
    slots,
    process: 20,
    namespaces: { flags: 0x2c020000, entersPid },
    userns,
    group,
    cpuClock: null,
    program: {
      env: ['PATH=/bin'],
      cwd: '/work',
      groupAdd: [],
      user: 'user',
      umask: 0o22,
      capabilities: 3n,
      noNewPrivileges,
      filter: new Uint8Array(8),
      ulimits: { nproc: 5, nofile: 6 },
      scheduler: undefined,
      oomScoreAdj: 10,
    },
    argv: ['true'],
    streams,
    nullByShim,
    options: parseExec(options).process,
    detach: parseExec(options).detach,
  });
}

const [outside, inside] = [(facts?: Facts) => stepsOf(facts, 0), (facts?: Facts) => stepsOf(facts, 1)];
const stepsOf = (facts: Facts | undefined, stage: number): readonly Step[] => planned(facts).stages[stage]?.steps ?? [];

describe('a program that joins a container', () => {
  it('looks first whether the container is there, before a group is made', () => {
    expect(planned().prepare.map(({ op }) => op)).toEqual([
      'require_running',
      ...planned()
        .prepare.slice(1)
        .map(({ op }) => op),
    ]);
    expect(first(planned().prepare, 'require_running')).toBeLessThan(first(planned().prepare, 'make_group'));
  });

  it('is not to be looked into from its first step on, in either process', () => {
    expect(outside()[0]).toEqual({ op: 'dumpable', value: 0 });
    expect(inside()[0]).toEqual({ op: 'dumpable', value: 0 });
  });

  it("opens what is the host's before it joins, and nothing of the host's after", () => {
    const steps = outside({ streams: withFile });
    const joined = first(steps, 'join_process');
    expect(end(steps, 'clone_mount')).toBeLessThan(joined);
    expect(end(steps, 'reopen')).toBeLessThan(joined);
    expect(first(steps, 'oom_score_adj')).toBeLessThan(joined);
    expect(first(steps, 'join_above')).toBeLessThan(joined);
    expect(first(steps, 'open_null')).toBeGreaterThan(joined);
    expect(first(steps, 'user')).toBeGreaterThan(joined);
    expect(first(steps, 'chdir')).toBeGreaterThan(joined);
  });

  it('is confined before the process in the pid namespace is cloned, which takes nothing along but the channel', () => {
    const steps = outside();
    const clone = first(steps, 'clone');
    expect(clone).toBe(steps.length - 1);
    expect(steps[clone]).toMatchObject({ stage: 1, keep: [] });
    for (const op of ['bound_capabilities', 'capabilities', 'seccomp', 'no_new_privileges'] as const)
      expect(first(steps, op)).toBeLessThan(clone);
    expect(ops(inside())).toEqual(['dumpable', 'setsid', 'rlimit', 'parent_death_signal', 'exec']);
    expect(inside()[2]).toMatchObject({ op: 'rlimit', name: 'nproc' });
  });

  it('hands nothing over from the beginning, or from when that was done', () => {
    expect(ops(planned().prepare)).toContain('refuse_descriptors');
    expect(ops(outside())).not.toContain('refuse_descriptors');
    const given: Facts = { streams: withNull, nullByShim: true };
    expect(ops(planned(given).prepare)).not.toContain('refuse_descriptors');
    const steps = outside(given);
    expect(first(steps, 'refuse_descriptors')).toBeGreaterThan(end(steps, 'give'));
    expect(first(steps, 'refuse_descriptors')).toBeLessThan(first(steps, 'clone'));
  });

  it('is one process where the pid namespace is not joined', () => {
    const { stages } = planned({ entersPid: false });
    expect(stages).toHaveLength(1);
    expect(ops(stages[0]?.steps ?? []).slice(-2)).toEqual(['parent_death_signal', 'exec']);
  });

  it('loads the filter before rights go without no_new_privs, and last with it', () => {
    const early = outside({ noNewPrivileges: false });
    expect(first(early, 'seccomp')).toBeLessThan(first(early, 'bound_capabilities'));
    expect(first(outside(), 'seccomp')).toBeGreaterThan(first(outside(), 'capabilities'));
  });

  it("takes the null device from the container's /dev alone, by the shim where the container may be refused", () => {
    expect(ops(outside())).not.toContain('open_null');
    const steps = outside({ streams: withNull });
    expect(steps[first(steps, 'open_in_root')]).toMatchObject({ path: 'dev' });
    const byShim = outside({ streams: withNull, nullByShim: true });
    expect(byShim[first(byShim, 'open_null')]).toMatchObject({ host: true });
  });

  it('is born in its group on the unified tree', () => {
    for (const machine of [hybrid, systemd]) expect(planned({ machine }).stages[0]?.group).toBeDefined();
    expect(planned().killGroup).toBeDefined();
    expect(planned().undo.map(({ op }) => op)).toContain('remove_group');
  });

  it('has clocks and an ending of its own', () => {
    const { timeoutMs, ending } = planned({ options: { timeout: 5, killSignal: 'SIGTERM', forceKillAfterDelay: 7 } });
    expect({ timeoutMs, ending }).toEqual({ timeoutMs: 5, ending: { signal: 15, forceKillAfterMs: 7 } });
  });
});
