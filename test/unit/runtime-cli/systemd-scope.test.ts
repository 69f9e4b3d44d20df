import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupLayout } from '../../../lib/host/cgroup-base.js';
import { checkedConfig } from '../../../lib/oci-config/checked-config.js';
import { frontPlans } from '../../../lib/runtime-cli/front/front-plans.js';
import { scopeFolders, scopeNameOf, scopeUnit, slicePath } from '../../../lib/runtime-cli/plan/systemd-scope.js';
import { unitProperties } from '../../../lib/runtime-cli/plan/unit-properties.js';

const unified = { version: 2, mountPoint: '/cg', ownPath: '/cg/x', readOnly: false, controllers: ['memory'] } as const;
const layout: GroupLayout = {
  ...{ mode: 'v2', unified, bases: new Map(), withheld: null, swap: { total: 0, accounted: false }, controllers: new Map() },
};

describe('the scope that cgroupsPath names', () => {
  it.each([
    ['machine.slice:libpod:abc', 'machine.slice', 'libpod-abc.scope', '/cg/machine.slice/libpod-abc.scope'],
    [':docker:abc', 'system.slice', 'docker-abc.scope', '/cg/system.slice/docker-abc.scope'],
    ['-.slice::abc', '-.slice', 'abc.scope', '/cg/abc.scope'],
    [undefined, 'system.slice', 'nacelle-id.scope', '/cg/system.slice/nacelle-id.scope'],
    ['', 'system.slice', 'nacelle-id.scope', '/cg/system.slice/nacelle-id.scope'],
    [
      'kubepods-burstable-pod1_2.slice:cri-containerd:abc',
      'kubepods-burstable-pod1_2.slice',
      'cri-containerd-abc.scope',
      '/cg/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-abc.scope',
    ],
  ])('%j', (path, slice, unit, folder) => {
    const name = { slice, unit, of: 'machine' } as const;
    expect(scopeNameOf(path, 'id')).toEqual(name);
    const group = { version: 2, controllers: ['memory'], mountPoint: '/cg', unit };
    expect(scopeFolders(layout, name, '')).toEqual([{ path: folder, ...group, unitOf: 'machine' }]);
    expect(scopeFolders(layout, { ...name, of: 'user' }, '/u/s')).toEqual([
      { path: folder.replace('/cg', '/cg/u/s'), ...group, unitOf: 'user' },
    ]);
  });

  it.each([
    ['/a/b', 'expected cgroupsPath to be of format "slice:prefix:name"'],
    ['a:b', 'expected cgroupsPath to be of format'],
    ['a.slice:b:c:d', 'expected cgroupsPath to be of format'],
    ['a.slice:b:', 'expected cgroupsPath to be of format'],
    ['a:b:c', 'names no slice of systemd: "a"'],
    ['a/b.slice:c:d', 'names no slice'],
    ['a--b.slice:c:d', 'names no slice'],
    ['-a.slice:c:d', 'names no slice'],
    ['.slice:c:d', 'names no slice'],
    ['a.slice:b:../c', 'names no unit'],
    [`a.slice:b:${'c'.repeat(255)}`, 'names no unit'],
    ['a.slice:b c:d', 'names no unit'],
    [`${'a-'.repeat(50_000)}a.slice:b:c`, 'names no slice of systemd: it has 100007 characters'],
    ['::memory.x', 'whose group systemd gives another name'],
    ['_a.slice:b:c', 'whose group systemd gives another name'],
  ])('is refused: %j', (path, words) => {
    expect(() => scopeNameOf(path, 'id')).toThrow(words);
    expect(() => scopeNameOf(path, 'id')).toThrow('linux.cgroupsPath');
  });

  it('is in user.slice of a user’s systemd where no slice is named', () => {
    expect(scopeNameOf(':libpod:abc', 'id', 'user')).toEqual({ slice: 'user.slice', unit: 'libpod-abc.scope', of: 'user' });
  });

  it('is refused where v1 has controllers', () => {
    expect(() => scopeFolders({ ...layout, mode: 'hybrid' }, scopeNameOf(undefined, 'id'), '')).toThrow('on pure cgroup v2 alone');
  });

  it('is below the group, whatever it is', () => {
    const word = fc.string({ unit: fc.constantFrom('a', '-', '.', ':', '/', '\\', '_', ' ', 'é', '\0'), maxLength: 12 });
    fc.assert(
      fc.property(word, word, word, (slice, prefix, name) => {
        let named: ReturnType<typeof scopeNameOf>;
        try {
          named = scopeNameOf(`${slice}.slice:${prefix}:${name}`, 'id');
        } catch {
          return;
        }
        const [folder] = scopeFolders(layout, named, '');
        expect(folder?.path.startsWith('/cg/')).toBe(true);
        expect(folder?.path.split('/')).not.toContain('..');
        expect(folder?.path.endsWith(`/${named.unit}`)).toBe(true);
      }),
    );
  });

  it('each slice lies in that of the name before its last dash', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z_]{1,5}$/), { minLength: 1, maxLength: 6 }), (words) => {
        const parts = slicePath(`${words.join('-')}.slice`).split('/');
        expect(parts.at(-1)).toBe(`${words.join('-')}.slice`);
        for (const [index, part] of parts.entries()) {
          const above = parts[index - 1];
          if (above !== undefined) expect(part.slice(0, part.lastIndexOf('-'))).toBe(above.slice(0, -'.slice'.length));
        }
        expect(parts).toHaveLength(words.length);
      }),
    );
  });
});

const MAX = 2n ** 64n - 1n;

describe('the properties of a unit', () => {
  it.each<[string, string, [string, string, unknown][]]>([
    ['memory.max', '8192', [['MemoryMax', 't', 8192n]]],
    ['memory.max', 'max', [['MemoryMax', 't', MAX]]],
    ['memory.low', '0', [['MemoryLow', 't', 0n]]],
    ['memory.swap.max', '0', [['MemorySwapMax', 't', 0n]]],
    ['pids.max', '20', [['TasksMax', 't', 20n]]],
    ['pids.max', '0', []],
    ['memory.max', '99999999999999999999', []],
    ['cpu.weight', '79', [['CPUWeight', 't', 79n]]],
    [
      'cpu.max',
      '50000 100000',
      [
        ['CPUQuotaPerSecUSec', 't', 500_000n],
        ['CPUQuotaPeriodUSec', 't', 100_000n],
      ],
    ],
    [
      'cpu.max',
      '12345 100000',
      [
        ['CPUQuotaPerSecUSec', 't', 130_000n],
        ['CPUQuotaPeriodUSec', 't', 100_000n],
      ],
    ],
    [
      'cpu.max',
      'max 100000',
      [
        ['CPUQuotaPerSecUSec', 't', MAX],
        ['CPUQuotaPeriodUSec', 't', 100_000n],
      ],
    ],
    [
      'cpu.max',
      '10000',
      [
        ['CPUQuotaPerSecUSec', 't', 100_000n],
        ['CPUQuotaPeriodUSec', 't', 100_000n],
      ],
    ],
    ['cpu.max', 'x', []],
    ['cpuset.cpus', '0-3,9', [['AllowedCPUs', 'ay', [15, 2]]]],
    ['cpuset.mems', '0', [['AllowedMemoryNodes', 'ay', [1]]]],
    ['cpuset.cpus', '', [['AllowedCPUs', 'ay', []]]],
    ['hugetlb.2MB.max', '0', []],
    ['toString', '1', []],
  ])('of %s = %s', (file, value, expected) => {
    expect(unitProperties([{ file, value }])).toEqual(expected.map(([name, signature, of]) => [name, { signature, value: of }]));
  });

  it('of a scope take the limit of processes away that systemd would set', () => {
    const name = { slice: 'a.slice', unit: 'b.scope' };
    const tasks = (limits: { file: string; value: string }[]) =>
      scopeUnit(name, { id: 'one', pid: 7, limits }).properties.filter(([property]) => property === 'TasksMax');
    expect(tasks([])).toEqual([['TasksMax', { signature: 't', value: MAX }]]);
    expect(tasks([{ file: 'pids.max', value: '5' }])).toEqual([['TasksMax', { signature: 't', value: 5n }]]);
  });
});

it('a container in a scope is deleted by Node, which asks systemd', () => {
  const folder = { path: '/cg/a', mountPoint: '/cg', version: 2, controllers: [] } as const;
  const commands = (unit?: string) =>
    frontPlans(
      {
        ...{ format: 1, ociVersion: '1.3.0', id: 'a', pid: 1, startTime: '1', bundle: '/b', rootfs: '/b/r', created: '', owner: 'root' },
        ...{ annotations: {}, home: '/cg/a', freezer: { path: '/cg/a', version: 2 }, config: {} },
        groups: [unit === undefined ? folder : { ...folder, unit }],
      },
      checkedConfig('config.json', { ociVersion: '1.3.0', root: { path: 'r' } }),
    ).plans.map(({ command }) => command);
  expect(commands()).toContain('delete --force');
  expect(commands('a.scope')).not.toContain('delete');
  expect(commands('a.scope')).not.toContain('delete --force');
  expect(commands('a.scope')).toContain('start');
});
