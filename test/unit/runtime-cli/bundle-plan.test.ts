import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../lib/oci-config/config-schema.js';
import { NONE, type Plan, Slots, slotsOf } from '../../../lib/plan/plan.js';
import { MOUNT_ATTR } from '../../../lib/plan/recipe.js';
import type { Slot, Step } from '../../../lib/plan/steps.js';
import type { UserMaps } from '../../../lib/runtime-cli/config/bundle-user-maps.js';
import { capabilitySets, processLimits } from '../../../lib/runtime-cli/config/process-facts.js';
import { programLabels } from '../../../lib/runtime-cli/config/security-labels.js';
import { planBundleExec } from '../../../lib/runtime-cli/plan/bundle-exec-plan.js';
import type { GroupFolder } from '../../../lib/runtime-cli/plan/bundle-groups.js';
import { planBundle } from '../../../lib/runtime-cli/plan/bundle-plan.js';
import type { LoadedFilter } from '../../../lib/runtime-cli/plan/bundle-process.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';

type Change = (config: ReturnType<typeof JSON.parse>) => void;

const limits: Change = ({ process }) => {
  process.rlimits = ['NOFILE', 'NPROC'].map((name) => ({ type: `RLIMIT_${name}`, soft: 5, hard: 6 }));
};

function parsed(change: Change) {
  const text: Parameters<Change>[0] = JSON.parse(specText());
  limits(text);
  change(text);
  const config = configSchema.parse(text);
  const { process } = config;
  if (process === undefined) throw new Error('the spec has no process');
  const labels = programLabels(process, { apparmor: 'apparmor/exec', selinux: true });
  return { config, process, labels, capabilities: capabilitySets(process), limits: processLimits(process) };
}

const filter = { filter: new Uint8Array(8), flags: 0, listener: null };
const listener = { path: '/run/agent', metadata: '' };

/** The plan of a container: its pid namespace is 40, joined, unless `joined` is false. */
function planned({
  change = () => undefined,
  joined = true,
  procs = new Map(),
  groups = [],
  maps = null,
}: {
  maps?: UserMaps | null;
  change?: Change;
  joined?: boolean;
  procs?: Map<number, number>;
  groups?: GroupFolder[];
} = {}) {
  const { config, ...program } = parsed(change);
  const slots = new Slots();
  const plan = planBundle({
    ...{
      slots,
      config,
      ...program,
      filter,
      rootfs: '/b/rootfs',
      folder: '/run/x',
      streams: [0, 1, 2],
      console: null,
      netDevices: [],
      pidfdSocket: null,
    },
    groups: { prepare: [], join: [], unified: undefined, killGroup: { at: NONE, path: '.' }, undo: [], limits: [] },
    mounts: {
      sources: new Map(),
      groups,
      mode: 'v2',
      hasCgroupNamespace: true,
      devices: [],
      procs,
      mapped: new Map(),
      label: config.linux?.mountLabel ?? null,
    },
    joined: new Map(joined ? [['pid', 40]] : []),
    runtimes: new Set(),
    ...{
      newKeyring: true,
      noPivot: false,
      handsOver: true,
      preserved: [],
      maps,
      isInUsers: false,
      makesDevices: true,
      keepsGroups: false,
      listenerState: ['{', '}'],
    },
    states: { creating: { before: '{', after: '}' }, created: { before: '{', after: '}' } },
  });
  return { plan, slots, pid: [...slots.descriptors].find(([, fd]) => fd === 40)?.[0] };
}

function execPlanned(filtered: LoadedFilter = filter): Plan {
  const { process, ...program } = parsed(() => undefined);
  return planBundleExec({
    ...{ ...program, slots: new Slots(), process, filter: filtered, groups: [], streams: [0, 1, 2], console: null, pidfdSocket: null },
    namespaces: new Map([
      ['net', 30],
      ['pid', 31],
      ['mnt', 32],
    ]),
    start: { go: 20, told: 21 },
    handsOver: true,
    ...{ hasOwnUsers: false, root: null, keepsGroups: false, linux: undefined, preserved: [60], listenerState: ['{', '}'] },
  });
}

const ops = (steps: readonly Step[] = []): string[] => steps.map((step) => (step.op === 'rlimit' ? `rlimit ${step.name}` : step.op));
const inPidNamespace = ['dumpable', 'setsid', 'rlimit nproc', 'await_start', 'exec'];

describe('a pid namespace that is joined', () => {
  it('has the listener of its filter sent when that is loaded, before anything else', () => {
    const [outside, inside] = execPlanned({ ...filter, listener }).stages.map(({ steps }) => ops(steps));
    const sent = ['load_call_filter', 'give', 'send_listener', 'close', 'refuse_descriptors', 'close'];
    expect(outside?.slice(-8)).toEqual([...sent, 'refuse_descriptors', 'clone']);
    expect(inside).not.toContain('send_listener');
  });

  it('is entered by a program of `exec` when it can do nothing more than the program', () => {
    const [outside, inside] = execPlanned().stages.map(({ steps }) => ops(steps));
    expect(inside).toEqual(['dumpable', 'setsid', 'pass_descriptors', ...inPidNamespace.slice(2)]);
    expect(outside).not.toContain('pass_descriptors');
    expect(outside?.slice(-5)).toEqual(['dumpable', 'capabilities', 'seccomp', 'refuse_descriptors', 'clone']);
    expect(outside).not.toContain('rlimit nproc');
    expect(outside?.indexOf('raise_limit')).toBeLessThan(outside?.indexOf('bound_capabilities') ?? 0);
    expect(execPlanned().setUpMs).toBeGreaterThan(0);
  });

  it('is entered by a container when it has been set up', () => {
    const [outside, inside] = planned().plan.stages.map(({ steps }) => ops(steps));
    expect(inside).toEqual(inPidNamespace);
    expect(outside?.slice(-2)).toEqual(['refuse_descriptors', 'clone']);
    expect(outside?.indexOf('setns')).toBeGreaterThan(outside?.indexOf('pivot') ?? Number.POSITIVE_INFINITY);
    expect(planned().plan.setUpMs).toBeGreaterThan(0);
    expect(planned({ joined: false }).plan).not.toHaveProperty('setUpMs');
  });

  it('is entered as late from a user namespace, which a process outside of it enters by itself', () => {
    const map = [{ inside: 0, outside: 1000, count: 1 }];
    const { plan, pid } = planned({
      change: ({ linux }) => linux.namespaces.push({ type: 'user' }),
      maps: { uid: map, gid: map },
    });
    const [outside = [], inside] = plan.stages.map(({ steps }) => steps);
    expect(ops(inside)).toEqual(inPidNamespace);
    expect(plan.stages[0]?.flags).toBe(0);
    const order = ops(outside).filter((op) =>
      ['setns', 'unshare', 'write_process', 'become_root', 'pivot', 'capabilities', 'clone'].includes(op),
    );
    expect(order).toEqual([
      ...['setns', 'unshare', 'write_process', 'write_process', 'unshare', 'unshare', 'unshare', 'become_root'],
      ...['pivot', 'capabilities', 'clone'],
    ]);
    // there nobody has rights over the pid namespace, whose proc is made by the shim
    expect(outside).toContainEqual(expect.objectContaining({ op: 'proc', host: true, pidns: pid }));
  });

  it('gets the two pipes of the container, and nothing else', () => {
    const { plan } = planned();
    const clone = plan.stages[0]?.steps.at(-1);
    const pipes = plan.stages[1]?.steps.find(({ op }) => op === 'await_start');
    expect(clone).toMatchObject({ op: 'clone', stage: 1, keep: slotsOf(pipes ?? { op: 'setsid' }) });
  });

  it('is told of to the hooks in it by its own process', () => {
    const hook = { path: '/bin/true' };
    const { plan } = planned({ change: (config) => Object.assign(config, { hooks: { createContainer: [hook], startContainer: [hook] } }) });
    const [outside = [], inside = []] = plan.stages.map(({ steps }) => steps);
    const inputs = (steps: readonly Step[]): Slot[] => steps.flatMap((step) => (step.op === 'run_named_hook' ? [step.input] : []));
    const told = (steps: readonly Step[]): Slot[] =>
      steps.flatMap((step) => (step.op === 'describe_process' && step.out !== undefined ? [step.out] : []));
    expect(inputs(outside)).toEqual(told(outside));
    expect(inputs(inside)).toEqual(told(inside));
    expect(told(inside)).not.toEqual(told(outside));
    expect(ops(inside).indexOf('describe_process')).toBeLessThan(ops(inside).indexOf('await_start'));
    expect(ops(outside).indexOf('run_named_hook')).toBeLessThan(ops(outside).indexOf('setns'));
  });

  it('is what proc shows', () => {
    const { plan, pid } = planned();
    expect(plan.stages[0]?.steps).toContainEqual(expect.objectContaining({ op: 'proc', pidns: pid }));
    // made before, inside
    const before = planned({ procs: new Map([[0, 50]]) });
    const steps = before.plan.stages[0]?.steps ?? [];
    const [slot] = [...before.slots.descriptors].find(([, fd]) => fd === 50) ?? [];
    expect(ops(steps)).not.toContain('proc');
    expect(steps).toContainEqual(expect.objectContaining({ op: 'attach', mount: slot, path: '/proc' }));
  });
});

describe('proc', () => {
  const mountedOn =
    (destination: string, mount: object): Change =>
    ({ mounts, linux }) => {
      mounts[0] = { destination, type: 'proc', source: 'proc', ...mount };
      linux.sysctl = { 'net.ipv4.ip_forward': '1' };
    };
  const steps = (change: Change): readonly Step[] => planned({ change, joined: false }).plan.stages[0]?.steps ?? [];

  it('has its own options', () => {
    const found = steps(mountedOn('/proc', { options: ['nosuid', 'hidepid=2', 'subset=pid'] }));
    expect(found).toContainEqual(
      expect.objectContaining({ op: 'filesystem', type: 'proc', options: ['source=proc', 'hidepid=2', 'subset=pid'] }),
    );
  });

  it.each(['/proc', '/proc/', '//proc/.', 'proc'])('is where sysctls are written when it is mounted on %j', (destination) => {
    const found = steps(mountedOn(destination, {}));
    const mount = found.find((step) => step.op === 'attach' && step.path === '/proc');
    const sysctl = found.find(({ op }) => op === 'sysctl');
    expect(sysctl).toMatchObject({ proc: mount?.op === 'attach' ? mount.mount : null });
  });

  it('must be there for sysctls', () => {
    expect(() => steps(mountedOn('/elsewhere', {}))).toThrow('linux.sysctl: needs a mount of proc on /proc');
  });
});

describe('a mount of the groups', () => {
  it.each([
    [true, MOUNT_ATTR.RDONLY],
    [false, 0],
  ])('is read-only whatever config.json says where the group is the runtime’s own: %s', (isRuntimes, readOnly) => {
    const groups = [{ path: '/cg/own', version: 2, controllers: [], mountPoint: '/cg', isRuntimes } as const];
    const change: Change = (config) => {
      config.mounts = [{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['rw'] }];
    };
    const steps = planned({ change, joined: false, groups }).plan.stages[0]?.steps ?? [];
    const attributes = steps.flatMap((step) =>
      step.op === 'filesystem' && step.type === 'cgroup2' ? [Number(step.attributes) & MOUNT_ATTR.RDONLY] : [],
    );
    expect(attributes).toEqual([readOnly]);
  });
});
