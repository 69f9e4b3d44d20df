import { describe, expect, it } from 'vitest';
import { type GroupFiles, noFiles } from '../../../lib/cgroup/limits/group-write.js';
import type { GroupLayout } from '../../../lib/host/cgroup-base.js';
import { resourcesSchema } from '../../../lib/oci-config/resources-schema.js';
import { Slots } from '../../../lib/plan/plan.js';
import { groupFolders, type HandedOn, planBundleGroups } from '../../../lib/runtime-cli/plan/bundle-groups.js';

type Mode = GroupLayout['mode'];

function layoutOf(mode: Mode, controllers: readonly string[]): GroupLayout {
  const version = mode === 'v2' ? 2 : 1;
  const hierarchy = { version, mountPoint: '/cg', ownPath: '/cg/engine/own', readOnly: false, controllers } as const;
  return {
    ...{ mode, withheld: null, swap: { total: 1, accounted: true }, bases: new Map() },
    unified: mode === 'v2' ? { ...hierarchy, version: 2 } : null,
    controllers: new Map(controllers.map((name) => [name, hierarchy])),
  };
}

/** Beside v1, with a unified tree at /unified that has these controllers, and two own groups of one name. */
function besideV1(controllers: readonly string[]): GroupLayout {
  const layout = layoutOf('v1', ['devices']);
  const unified = { version: 2, mountPoint: '/unified', ownPath: '/unified/engine', readOnly: false, controllers } as const;
  return {
    ...layout,
    mode: 'hybrid',
    unified,
    controllers: new Map([...layout.controllers, ...controllers.map((name) => [name, unified] as const)]),
  };
}

const files: GroupFiles = { has: () => true, read: () => null };

/** The steps that make a group on a machine of this kind, in words. */
function made(
  mode: Mode,
  {
    controllers,
    path,
    resources = {},
    groups = {},
    hasDevices = true,
    layout = layoutOf(mode, mode === 'v1' && hasDevices ? [...controllers, 'devices'] : controllers),
  }: {
    controllers: string[];
    path?: string;
    resources?: object;
    groups?: Record<string, HandedOn>;
    hasDevices?: boolean;
    layout?: GroupLayout;
  },
): string[] {
  const folders = groupFolders(layout, path, 'id');
  const { prepare } = planBundleGroups({
    ...{ slots: new Slots(), layout, files, folders },
    ...{
      resources: resourcesSchema.parse(resources),
      canFilterDevices: hasDevices,
      isConfined: false,
      keep: false,
      handsOn: (folder) => groups[folder] ?? null,
    },
  });
  // those of devices are in every container
  return prepare.flatMap((step) => {
    if (step.op === 'make_group') return [`make ${step.path}`];
    return step.op === 'put' && !step.path.startsWith('devices.') ? [`${step.path} = ${Buffer.from(step.bytes)}`] : [];
  });
}

const limits = (mode: Mode, resources: object): string[] =>
  made(mode, { controllers: ['memory', 'cpu', mode === 'v2' ? 'io' : 'blkio'], path: '/a', resources }).filter(
    (step) => !/^make|subtree_control/.test(step),
  );

describe('a period of processors', () => {
  it.each<[Mode, object, string[]]>([
    ['v1', { period: 50_000 }, ['cpu.cfs_period_us = 50000']],
    ['v2', { period: 50_000, quota: -1 }, ['cpu.max = max 50000']],
    ['v2', { period: 50_000, quota: 7000 }, ['cpu.max = 7000 50000']],
  ])('is written without a quota too: %s %j', (mode, cpu, writes) => {
    expect(limits(mode, { cpu })).toEqual(writes);
  });
});

describe('limits of memory', () => {
  it.each<[Mode, object, string[]]>([
    ['v1', { limit: 8192 }, ['memory.limit_in_bytes = 8192']],
    ['v2', { limit: 8192 }, ['memory.max = 8192']],
    ['v1', { limit: 8192, swap: -1 }, ['memory.limit_in_bytes = 8192']],
    ['v2', { limit: 8192, swap: -1 }, ['memory.max = 8192']],
    ['v1', { limit: 8192, swap: 9000 }, ['memory.limit_in_bytes = 8192', 'memory.memsw.limit_in_bytes = 9000']],
    ['v2', { limit: 8192, swap: 9000 }, ['memory.swap.max = 808', 'memory.max = 8192']],
    ['v2', { limit: 8192, swap: 8192 }, ['memory.swap.max = 0', 'memory.max = 8192']],
    ['v1', { limit: -1, swap: -1 }, []],
    ['v2', { limit: 0, reservation: 4096 }, ['memory.low = 4096']],
  ])('on %s of %j', (mode, memory, expected) => {
    expect(limits(mode, { memory })).toEqual(expected);
  });
});

describe('the OOM killer', () => {
  it('is turned off on v1 where that is asked for, and on in no new group, where it is on', () => {
    expect(limits('v1', { memory: { disableOOMKiller: true } })).toEqual(['memory.oom_control = 1']);
    expect(limits('v1', { memory: { disableOOMKiller: false } })).toEqual([]);
  });
});

describe('a container without groups', () => {
  const withoutGroups = (resources: object, controllers = ['memory', 'cpu']) =>
    planBundleGroups({
      ...{ slots: new Slots(), layout: layoutOf('v1', controllers), files, folders: [], resources: resourcesSchema.parse(resources) },
      ...{ canFilterDevices: false, isConfined: true, keep: false, handsOn: () => null },
    });

  it('has what is so without a group', () => {
    const { limits } = withoutGroups({ memory: { disableOOMKiller: false }, cpu: { period: 50_000, quota: -1 } });
    expect(limits).toEqual([]);
  });

  it.each([
    [
      { memory: { disableOOMKiller: true } },
      'limits of the cgroup controller memory is not supported here: the container has no group of it',
    ],
    [
      { cpu: { period: 50_000, quota: 7000 } },
      'limits of the cgroup controller cpu is not supported here: the container has no group of it',
    ],
  ])('is refused with %j', (resources, words) => {
    expect(() => withoutGroups(resources)).toThrow(words);
  });

  it('hears it when the machine does not have the controller', () => {
    expect(() => withoutGroups({ cpu: { shares: 512 } }, ['memory'])).toThrow('the cgroup controller cpu is not there');
  });
});

describe('the weight of block I/O', () => {
  it('is as given for BFQ, and on the scale of io.weight', () => {
    expect(limits('v2', { blockIO: { weight: 505 } })).toEqual(['io.weight = default 5000', 'io.bfq.weight = 505']);
    expect(limits('v1', { blockIO: { weight: 505 } })).toEqual(['blkio.bfq.weight = 505', 'blkio.weight = 505']);
  });

  it('is one for each device too, where BFQ has the file', () => {
    const blockIO = {
      weightDevice: [
        { major: 7, minor: 1, weight: 444 },
        { major: 7, minor: 2, weight: 0 },
      ],
    };
    expect(limits('v2', { blockIO })).toEqual(['io.bfq.weight = 7:1 444']);
    expect(limits('v1', { blockIO })).toEqual(['blkio.bfq.weight_device = 7:1 444']);
    const layout = layoutOf('v1', ['blkio', 'devices']);
    const request = {
      slots: new Slots(),
      layout,
      folders: groupFolders(layout, '/a', 'id'),
      canFilterDevices: true,
      isConfined: false,
      keep: false,
      handsOn: () => null,
    };
    expect(() => planBundleGroups({ ...request, files: noFiles, resources: resourcesSchema.parse({ blockIO }) })).toThrow(
      'linux.resources.blockIO.weightDevice of config.json',
    );
  });
});

describe('resources.unified', () => {
  it('is refused for a controller of v1, by the file', () => {
    expect(limits('v2', { unified: { 'memory.min': '4096' } })).toEqual(['memory.min = 4096']);
    expect(() => limits('v1', { unified: { 'memory.min': '4096' } })).toThrow(
      'linux.resources.unified["memory.min"] of config.json is not supported here: invalid configuration',
    );
  });

  it('is refused in the words of runc and crun for a controller that is not there, and for what is no file of one', () => {
    expect(() => limits('v2', { unified: { 'foo.bar': '1' } })).toThrow(
      'linux.resources.unified["foo.bar"] of config.json is not supported here: invalid configuration: the requested cgroup controller `foo` is not available',
    );
    expect(() => limits('v2', { unified: { 'NOT-A-VALID-KEY': '1' } })).toThrow(
      'the specified key has not the form CONTROLLER.VALUE `NOT-A-VALID-KEY`',
    );
    expect(limits('v2', { unified: { 'cgroup.max.depth': '3' } })).toEqual(['cgroup.max.depth = 3']);
  });
});

describe('groups on pure v2', () => {
  const controllers = ['memory', 'pids'];
  const all = { available: controllers, enabled: controllers };

  it('lie beside the own group, for that has processes, and enable what is not enabled yet', () => {
    expect(made('v2', { controllers, groups: { '/cg': all, '/cg/engine': { available: controllers, enabled: ['memory'] } } })).toEqual([
      ...['make /cg/engine/id', '/cg/engine/cgroup.subtree_control = +pids'],
    ]);
    expect(made('v2', { controllers, path: 'a/b', groups: { '/cg': all, '/cg/engine': all } })).toEqual([
      ...['make /cg/engine/a/b', '/cg/engine/a/cgroup.subtree_control = +memory +pids'],
    ]);
  });

  it('ask a group for nothing that it has not', () => {
    const groups = { '/cg': { available: ['pids'], enabled: [] } };
    expect(made('v2', { controllers, path: '/a', groups })).toEqual(['make /cg/a', '/cg/cgroup.subtree_control = +pids']);
  });

  it('have what the group above is to hand on to a folder that is there already', () => {
    const groups = { '/cg': { available: controllers, enabled: [] }, '/cg/a': { available: [], enabled: [] } };
    expect(made('v2', { controllers, path: '/a/b', groups })).toEqual([
      ...['make /cg/a/b', '/cg/cgroup.subtree_control = +memory +pids', '/cg/a/cgroup.subtree_control = +memory +pids'],
    ]);
  });
});

describe('groups of a hybrid machine', () => {
  const controllers = ['hugetlb', 'misc'];
  const layout = besideV1(controllers);
  const of = (resources: object): string[] =>
    made('hybrid', {
      controllers,
      layout,
      path: 'a/b',
      resources,
      groups: { '/unified': { available: controllers, enabled: controllers } },
    }).filter((step) => step.includes('/unified'));

  it('are handed on what limits the container, and nothing else, as an own group with processes hands nothing on', () => {
    expect(of({})).toEqual(['make /unified/engine/a/b']);
    expect(of({ hugepageLimits: [{ pageSize: '2MB', limit: 4096 }] })).toEqual([
      'make /unified/engine/a/b',
      '/unified/engine/cgroup.subtree_control = +hugetlb',
      '/unified/engine/a/cgroup.subtree_control = +hugetlb',
    ]);
    expect(of({ unified: { 'misc.max': 'sev 1' } })).toContain('/unified/engine/a/cgroup.subtree_control = +misc');
  });
});

describe('groups elsewhere', () => {
  it('lie below the own group', () => {
    expect(made('v1', { controllers: ['memory'] })).toEqual(['make /cg/engine/own/id']);
  });
});

describe('groups that confine no devices', () => {
  it.each<Mode>(['v1', 'v2'])('are refused on %s, whatever is asked for', (mode) => {
    expect(() => made(mode, { controllers: ['memory'], hasDevices: false })).toThrow('linux.resources.devices of config.json');
  });
});
