import { describe, expect, it } from 'vitest';
import { type LandlockInput, planLandlock } from '../../../../lib/container/plan/landlock-plan.js';
import { Slots } from '../../../../lib/plan/plan.js';

const input = (more: Partial<LandlockInput> = {}): LandlockInput => ({
  slots: new Slots(),
  abi: 7,
  paths: [
    { paths: ['/usr', '/opt'], isFolder: true, access: 'run', mayMiss: true },
    { paths: ['/work'], isFolder: true, access: 'write', mayMiss: false },
    { paths: [], isFolder: false, access: 'read', mayMiss: true },
  ],
  ports: { connect: [443], bind: [] },
  filters: [Uint8Array.of(1), Uint8Array.of(2)],
  folder: '/tmp/own',
  argv: ['true'],
  program: {
    user: '65534:65534',
    groupAdd: [],
    env: [],
    cwd: '/tmp/own',
    umask: 0o22,
    capabilities: 0n,
    noNewPrivileges: true,
    filter: null,
    ulimits: { nofile: 10 },
    scheduler: undefined,
    oomScoreAdj: null,
  },
  user: '65534:65534',
  streams: { ends: [{ type: 'null' }, { type: 'null' }, { type: 'null' }], copies: [] },
  group: null,
  guard: true,
  cpuClock: null,
  options: { killSignal: 9, forceKillAfterDelay: 1000, timeout: null },
  journal: [{ op: 'forget', host: true, path: '/record' }],
  park: true,
  ...more,
});

const stepsOf = (more: Partial<LandlockInput> = {}) => planLandlock(input(more)).stages.flatMap(({ steps }) => steps);
const opsOf = (more: Partial<LandlockInput> = {}) => stepsOf(more).map(({ op }) => op);

describe('the plan of a program under Landlock', () => {
  it('makes no namespace, mounts nothing and joins nothing', () => {
    const { stages } = planLandlock(input());
    expect(stages.map(({ flags }) => flags)).toEqual([0]);
    const never = new Set([
      'unshare',
      'setns',
      'join_process',
      'filesystem',
      'clone_mount',
      'attach',
      'attach_at',
      'overlay',
      'pivot',
      'mask',
    ]);
    expect(opsOf().filter((op) => never.has(op))).toEqual([]);
  });

  it('opens first, then gives up all rights, and is confined last', () => {
    const order = opsOf();
    const at = (op: string): number => order.indexOf(op as (typeof order)[number]);
    const wanted = [
      'open',
      'landlock_ruleset',
      'landlock_paths',
      'landlock_port',
      'landlock_folder',
      'rlimit',
      'no_new_privileges',
      'bound_capabilities',
    ];
    const last = ['capabilities', 'guard', 'give', 'landlock_restrict', 'seccomp', 'parent_death_signal', 'park', 'exec'];
    const places = [...wanted, ...last].map(at);
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(order.filter((op) => op === 'seccomp')).toHaveLength(2);
    expect(stepsOf().find(({ op }) => op === 'capabilities')).toMatchObject({ effective: 0, permitted: 0, inheritable: 0, ambient: 0 });
  });

  it('has a rule for each list of paths, and none for an empty one', () => {
    expect(stepsOf().filter(({ op }) => op === 'landlock_paths')).toMatchObject([
      { paths: ['/usr', '/opt'], rights: 0xd, missing: 1 },
      { paths: ['/work'], missing: 0 },
    ]);
    expect(opsOf({ ports: null })).not.toContain('landlock_port');
    expect(stepsOf({ ports: null }).find(({ op }) => op === 'landlock_ruleset')).toMatchObject({ ports: 0 });
  });

  it('ends what is left, then removes the folder, and forgets it last', () => {
    expect(planLandlock(input()).undo.map(({ op }) => op)).toEqual(['end_guarded', 'remove_tree', 'forget']);
    expect(planLandlock(input({ guard: false, folder: null, journal: [] })).undo).toEqual([]);
    expect(planLandlock(input({ folder: null })).prepare).toEqual([]);
  });

  it('leaves a user who is not root as it is', () => {
    const order = opsOf({ user: null });
    for (const op of ['user', 'add_groups', 'bound_capabilities', 'chown'] as const) expect(order).not.toContain(op);
    expect(order).toContain('no_new_privileges');
  });
});
