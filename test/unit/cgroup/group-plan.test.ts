import { describe, expect, it } from 'vitest';
import { containerControllers, foldersAbove, planGroup, planRemoval } from '../../../lib/cgroup/group-plan.js';
import { readUsage } from '../../../lib/cgroup/stats/usage.js';
import { UnsupportedError } from '../../../lib/errors.js';
import { lacking, works } from '../../../lib/host/feature.js';
import { Slots } from '../../../lib/plan/plan.js';
import type { Step } from '../../../lib/plan/steps.js';
import { groupLayoutOf, hybrid, type Machine, systemd, v1 } from './machines.js';

const plan = (machine: Machine, limits = {}, bases = {}) =>
  planGroup({
    slots: new Slots(),
    layout: groupLayoutOf(machine, { bases }),
    name: 'owner/id',
    limits,
    controllers: containerControllers,
    deviceRules: [{ type: 'a', access: 'rwm', allow: false }],
  });

/** A step in a line: what it does, where. */
const shown = (step: Step): string => {
  const path = 'path' in step ? step.path : '';
  return step.op === 'put' ? `${path} = ${Buffer.from(step.bytes)}` : `${step.op} ${path}`;
};

describe('a group on', () => {
  it('a hybrid machine: one folder in each hierarchy, the unified one first', () => {
    const group = plan(hybrid, { memory: 4096 });
    expect(group.prepare.map(shown)).toEqual([
      'make_group /sys/fs/cgroup/unified/nacelle/owner/id',
      'make_group /sys/fs/cgroup/memory/session/a97e/nacelle/owner/id',
      'make_group /sys/fs/cgroup/cpuacct/nacelle/owner/id',
      'make_group /sys/fs/cgroup/pids/nacelle/owner/id',
      'make_group /sys/fs/cgroup/devices/nacelle/owner/id',
      'memory.limit_in_bytes = 4096',
      'memory.memsw.limit_in_bytes = 4096',
      'devices.deny = a',
    ]);
    expect(group.unified).toBe(0);
    expect(group.killGroup?.at).toBe(0);
    expect(group.join.map((step) => step.op === 'join_group' && step.group)).toEqual([1, 2, 3, 4]);
    // and where it may come to be when limits are changed
    expect(group.undo.map(shown)).toEqual([
      'release_real_time /sys/fs/cgroup/cpu/nacelle/owner/id',
      ...group.prepare.slice(0, 5).map((step) => shown(step).replace('make', 'remove')),
      'remove_group /sys/fs/cgroup/cpuset/nacelle/owner/id',
      'remove_group /sys/fs/cgroup/cpu/nacelle/owner/id',
    ]);
    expect(group.confinesDevices).toBe(true);
    expect(group.paths.unified).toBe('/sys/fs/cgroup/unified/nacelle/owner/id');
  });

  it('a v2 machine: every folder above hands the controllers on, once its own folder keeps them from being removed', () => {
    const base = '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.service';
    const group = plan(systemd, { cpus: 1 });
    expect(group.prepare.map((step) => shown(step).replace(base, 'BASE'))).toEqual([
      'make_group BASE/nacelle/owner/id',
      'BASE/cgroup.subtree_control = +memory +pids +cpu',
      'BASE/nacelle/cgroup.subtree_control = +memory +pids +cpu',
      'BASE/nacelle/owner/cgroup.subtree_control = +memory +pids +cpu',
      'cpu.max = 100000 100000',
    ]);
    expect(group.join).toEqual([]);
    expect(group.undo.map((step) => shown(step).replace(base, 'BASE'))).toEqual(['remove_group BASE/nacelle/owner/id']);
    expect(group.confinesDevices).toBe(false);
  });

  it('a v1 machine: killed where it has a folder, joined by the child', () => {
    const group = plan(v1);
    expect(group.unified).toBeUndefined();
    expect(group.join).toHaveLength(3);
  });

  it('controllers that are mounted together: one folder', () => {
    const group = plan(v1, { cpus: 1 });
    expect(group.paths.cpu).toBe(group.paths.cpuacct);
    const removed = group.undo.map(shown).filter((step) => step.startsWith('remove_group'));
    expect(removed).toHaveLength(4);
    expect(new Set(removed).size).toBe(4);
  });
});

describe('device rules', () => {
  const request = { slots: new Slots(), name: 'owner/id', limits: {}, controllers: containerControllers };
  const deviceRules = [{ type: 'a', access: 'rwm', allow: false }] as const;

  it('are a BPF program where v1 has no controller', () => {
    const group = planGroup({ ...request, layout: groupLayoutOf(systemd), deviceRules, deviceFilter: works });
    expect(group.prepare.slice(-3).map(({ op }) => op)).toEqual(['load_device_filter', 'attach_device_filter', 'close']);
    expect(group.confinesDevices).toBe(true);
  });

  it('are v1 files where it has, whatever the other can do', () => {
    const group = planGroup({ ...request, layout: groupLayoutOf(hybrid), deviceRules, deviceFilter: works });
    expect(group.prepare.map(shown)).toContain('devices.deny = a');
    expect(group.prepare.map(({ op }) => op)).not.toContain('load_device_filter');
  });

  it('hold nothing where neither is there, and the reason is told', () => {
    const group = planGroup({ ...request, layout: groupLayoutOf(systemd), deviceRules, deviceFilter: lacking('no BPF here') });
    expect(group).toMatchObject({ confinesDevices: false, unconfinedReason: 'no BPF here' });
  });
});

it('a v1 cpuset gets CPUs and memory nodes, as those above it do, before it gets limits or processes', () => {
  const group = planGroup({
    slots: new Slots(),
    layout: groupLayoutOf(hybrid),
    name: 'owner/id',
    limits: { cpusetCpus: '0' },
    files: { has: () => true, read: () => '0-1' },
    controllers: [],
  });
  expect(group.prepare.map(shown)).toEqual([
    'make_group /sys/fs/cgroup/unified/nacelle/owner/id',
    'make_group /sys/fs/cgroup/cpuset/nacelle/owner/id',
    'inherit_cpusets /sys/fs/cgroup/cpuset/nacelle/owner/id',
    'cpuset.cpus = 0',
  ]);
  // those of ours: not the one in which this process is
  expect(group.prepare).toContainEqual(expect.objectContaining({ op: 'inherit_cpusets', most: 3 }));
});

describe('a hierarchy in which no group can be made', () => {
  const refusal = { path: null, reason: 'it is read-only', fix: 'Mount it anew.' };

  it('is left out when no limit needs it', () => {
    expect(plan(hybrid, {}, { '/sys/fs/cgroup/memory': refusal }).paths).not.toHaveProperty('memory');
  });

  it('is refused when a limit needs it', () => {
    const make = () => plan(hybrid, { memory: 4096 }, { '/sys/fs/cgroup/memory': refusal });
    expect(make).toThrow(UnsupportedError);
    expect(make).toThrow(/^limit memory .*it is read-only\. Mount it anew/);
  });

  it('is refused when it is the unified one', () => {
    expect(() => plan(systemd, {}, { '/sys/fs/cgroup': refusal })).toThrow(UnsupportedError);
  });
});

describe('the clock of CPU time', () => {
  it('counts ns on v1, µs on v2', () => {
    expect(plan(hybrid).cpuClock(5)).toMatchObject({ limitMs: 5, path: 'cpuacct.usage', key: '', unit: 1 });
    expect(plan(systemd).cpuClock(5)).toMatchObject({ path: 'cpu.stat', key: 'usage_usec', unit: 1000 });
  });
});

describe('what the group tells at the end', () => {
  it('is read from the files that were asked for, whichever are there', () => {
    const group = plan(systemd);
    const texts: Record<string, string> = {
      'memory.peak': '8192\n',
      'memory.events': 'low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n',
      'cpu.stat': 'usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n',
    };
    const usage = readUsage(
      group.usage,
      group.reports.map(({ path }) => (texts[path] === undefined ? null : Buffer.from(texts[path]))),
    );
    expect(usage).toMatchObject({ cpuTimeMs: 3, userMs: 2, systemMs: 1, memoryPeak: 8192, oomKills: 2, pidsPeak: null, ioReadBytes: null });
  });

  it('of v1 too', () => {
    const group = plan(hybrid);
    const texts: Record<string, string> = {
      'memory.max_usage_in_bytes': '4096\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
      'cpuacct.usage': '3000000\n',
      'cpuacct.stat': 'user 2\nsystem 1\n',
      'pids.peak': '7\n',
    };
    const usage = readUsage(
      group.usage,
      group.reports.map(({ path }) => (texts[path] === undefined ? null : Buffer.from(texts[path]))),
    );
    expect(usage).toMatchObject({ cpuTimeMs: 3, userMs: 2, systemMs: 1, memoryPeak: 4096, oomKills: 1, pidsPeak: 7 });
  });
});

it('below a group of the caller: joins the nearest above in each hierarchy of v1 in which it has no folder', () => {
  const join = (machine: Machine) =>
    planGroup({ slots: new Slots(), layout: groupLayoutOf(machine), name: 'a/b/id', limits: {}, controllers: ['memory'], within: 'a/b' })
      .join;
  const floor = (mount: string) => `/sys/fs/cgroup/${mount}/nacelle`.length;
  const above = (mount: string) => ({ op: 'join_above', path: `/sys/fs/cgroup/${mount}/nacelle/a/b`, floor: floor(mount) });
  const others = ['pids', 'devices', 'cpuset', 'cpuacct', 'cpu'];
  // first where it is by itself
  expect(join(hybrid)).toEqual([expect.objectContaining({ op: 'join_group' }), ...others.map(above)]);
  expect(join(systemd)).toEqual([]);
});

it('with limits that never change: removes the folders that it made, and no others', () => {
  const undo = (limits: object) =>
    planGroup({
      slots: new Slots(),
      layout: groupLayoutOf(hybrid),
      name: 'a/b/id',
      limits,
      controllers: [],
      within: 'a/b',
      isFixed: true,
    }).undo.map(shown);
  expect(undo({})).toEqual(['remove_group /sys/fs/cgroup/unified/nacelle/a/b/id']);
  expect(undo({ cpus: 1 })).toEqual([
    'release_real_time /sys/fs/cgroup/cpu/nacelle/a/b/id',
    'remove_group /sys/fs/cgroup/unified/nacelle/a/b/id',
    'remove_group /sys/fs/cgroup/cpu/nacelle/a/b/id',
  ]);
});

it('removal kills on the unified tree, then removes each folder once', () => {
  const { prepare, undo } = planRemoval({ cpu: '/c/x', cpuacct: '/c/x', unified: '/u/x' });
  expect(prepare).toEqual([]);
  // v1 alone has real-time run time
  expect(planRemoval({ cpu: '/u/x', unified: '/u/x' }).undo.map(shown)).toEqual(['kill_group /u/x', 'remove_group /u/x']);
  expect(undo.map(shown)).toEqual(['kill_group /u/x', 'release_real_time /c/x', 'remove_group /c/x', 'remove_group /u/x']);
});

it('without the unified tree a group is in the freezer, and is killed there', () => {
  const mount = '33 24 0:29 / /sys/fs/cgroup/freezer rw,nosuid - cgroup cgroup rw,freezer\n';
  const group = plan({ ...v1, mountinfo: v1.mountinfo + mount, membership: `${v1.membership}7:freezer:/\n` });
  expect(Object.keys(group.paths)[0]).toBe('freezer');
  expect(group.killGroup?.at).toBe(0);
  expect(planRemoval({ memory: '/m/x', freezer: '/f/x' }).undo.map(shown)[0]).toBe('kill_group /f/x');
  expect(plan(hybrid).paths).not.toHaveProperty('freezer');
});

it('folders above a group, the innermost first', () => {
  expect(foldersAbove('/b/nacelle/x/y/z', 'x/y/z')).toEqual(['/b/nacelle/x/y', '/b/nacelle/x']);
  expect(foldersAbove('/b/nacelle/x', 'x')).toEqual([]);
});
