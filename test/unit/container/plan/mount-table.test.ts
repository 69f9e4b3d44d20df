import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { defaultMounts } from '../../../../lib/container/plan/default-mounts.js';
import { type MountRow, type MountTable, mountpointsOf } from '../../../../lib/container/plan/mount-table.js';
import type { UserNamespacePlan } from '../../../../lib/container/plan/userns.js';
import { CREATE } from '../../../../lib/plan/constants.js';
import type { Ground } from '../../../../lib/plan/plan.js';
import { MOUNT_ATTR } from '../../../../lib/plan/recipe.js';
import type { Step } from '../../../../lib/plan/steps.js';
import {
  defaultDeviceLinks,
  defaultDevices,
  defaultMaskedPaths,
  defaultReadonlyPaths,
  maskedPathsForRoot,
} from '../../../../lib/security/paths.js';
import { type Facts, last, parts, plan } from '../../../fixtures/container-plan.js';
import { systemd } from '../../cgroup/machines.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;
const [QUIET, FOLDER] = [NOSUID | NODEV | NOEXEC, CREATE.folder | CREATE.noLink];

const files = { hosts: '127.0.0.1 localhost\n', hostname: 'inside\n', resolvConf: 'nameserver 192.0.2.1\n' };

function tableOf(options: object = {}, unified = false, userns: UserNamespacePlan = { kind: 'none' }): MountTable {
  return defaultMounts({
    ownProc: true,
    options: parseRunOptions({ image: 'host', command: ['true'], ...options }),
    unified,
    files,
    userns,
    devices: [],
  });
}

const targets = (rows: readonly { readonly target: string }[]): string[] => rows.map(({ target }) => target);

describe('the default table', () => {
  it('is /proc, /sys and /dev with what lies in it, files of /etc, and what is hidden', () => {
    expect(tableOf()).toEqual({
      mounts: [
        { target: '/proc', type: 'proc', attributes: QUIET, create: FOLDER },
        { target: '/sys', type: 'sysfs', options: [], attributes: QUIET | RDONLY, create: FOLDER },
        {
          target: '/dev',
          type: 'tmpfs',
          options: ['mode=755', 'size=65536k', 'nr_inodes=16384'],
          attributes: NOSUID,
          create: FOLDER,
          devices: defaultDevices,
          links: defaultDeviceLinks,
        },
        {
          target: '/dev/pts',
          type: 'devpts',
          options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
          attributes: NOSUID | NOEXEC,
          create: FOLDER,
        },
        {
          target: '/dev/shm',
          type: 'tmpfs',
          options: ['mode=1777', 'size=65536k', 'nr_inodes=16384'],
          attributes: QUIET,
          create: FOLDER,
        },
        { target: '/dev/mqueue', type: 'mqueue', options: [], attributes: QUIET, create: FOLDER },
      ],
      files: [
        { target: '/etc/hosts', content: files.hosts, attributes: 0 },
        { target: '/etc/hostname', content: files.hostname, attributes: 0 },
        { target: '/etc/resolv.conf', content: files.resolvConf, attributes: 0 },
      ],
      maskedPaths: [...defaultMaskedPaths, ...maskedPathsForRoot],
      readonlyPaths: defaultReadonlyPaths,
    });
  });

  it('is plain data', () => {
    for (const table of [tableOf(), tableOf({ namespaces: { ipc: 'host' }, readOnly: true }, true)]) {
      expect(JSON.parse(JSON.stringify(table))).toEqual(table);
    }
  });

  it("has the host's shared memory with the host's ipc namespace, and nothing else of the host's", () => {
    const bound = tableOf({ namespaces: { ipc: 'host' } }).mounts.filter(({ type }) => type === 'bind');
    expect(bound).toEqual([{ target: '/dev/shm', type: 'bind', source: '/dev/shm', attributes: 0, create: FOLDER }]);
    expect(targets(tableOf({ namespaces: { ipc: 'host' } }).mounts)).toEqual(targets(tableOf().mounts));
    expect(tableOf().mounts.filter(({ type }) => type === 'bind')).toEqual([]);
  });

  it('has the groups of a machine with cgroup v2 alone, read-only, where sysfs has a folder for them', () => {
    const groups = { target: '/sys/fs/cgroup', type: 'cgroup2', options: [], attributes: QUIET | RDONLY, create: CREATE.no };
    expect(tableOf({}, true).mounts.filter(({ type }) => type === 'cgroup2')).toEqual([groups]);
    expect(targets(tableOf({}, true).mounts).filter((target) => target !== groups.target)).toEqual(targets(tableOf().mounts));
  });

  it('has files that are read-only as the root is, and none that the caller mounts over', () => {
    expect(tableOf({ readOnly: true }).files.map(({ attributes }) => attributes)).toEqual([RDONLY, RDONLY, RDONLY]);
    const mounts = ['/etc/hosts', '/etc/resolv.conf', '/dev/shm'].map((target) => ({ type: 'bind', source: '/x', target }));
    expect(targets(tableOf({ mounts }).files)).toEqual(['/etc/hostname']);
    expect(tableOf({ mounts }).mounts).toEqual(tableOf().mounts);
    expect(targets(tableOf({ mounts: [{ type: 'bind', source: '/x', target: '/etc' }] }).files)).toEqual(targets(tableOf().files));
  });

  it('hides what the caller says instead', () => {
    expect(tableOf({ maskedPaths: [], readonlyPaths: ['/x'] })).toEqual({ ...tableOf(), maskedPaths: [], readonlyPaths: ['/x'] });
  });

  it('tells where the root is mounted over', () => {
    const own = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf', '/proc', '/sys', '/dev'];
    for (const unified of [false, true]) expect(mountpointsOf(tableOf({}, unified))).toEqual(own);
  });
});

describe('a table of mounts', () => {
  type Op<T> = Extract<Step, { op: T }>;
  const stepsOf = (change: Facts['change'], options = {}): readonly Step[] => last(plan(options, change ? { change } : {}));
  const replaced =
    (row: MountRow) =>
    (table: MountTable): MountTable => ({ ...table, mounts: table.mounts.map((other) => (other.target === row.target ? row : other)) });
  const added =
    (...rows: MountRow[]) =>
    (table: MountTable): MountTable => ({ ...table, mounts: [...table.mounts, ...rows] });
  const attachOf = (steps: readonly Step[], path: string): Op<'attach'> | undefined =>
    steps.find((step): step is Op<'attach'> => step.op === 'attach' && step.path === path);
  const madeAt = (steps: readonly Step[], path: string): Step | undefined =>
    steps.find((step) => 'out' in step && step.out === attachOf(steps, path)?.mount);
  const groundAt = (steps: readonly Step[], path: string): Ground | undefined => {
    const step = attachOf(steps, path);
    return step && { on: step.on, mounts: step.mounts };
  };
  const data: MountRow = { target: '/data', type: 'bind', source: '/srv', attributes: 0, create: CREATE.folder };

  it('is the plan: another row is another mount, at the same place', () => {
    const usual = stepsOf(undefined);
    const steps = stepsOf(replaced({ target: '/dev/shm', type: 'tmpfs', options: ['size=1m'], attributes: NOSUID, create: FOLDER }));
    expect(madeAt(usual, 'shm')).toMatchObject({ op: 'filesystem', type: 'tmpfs', attributes: QUIET });
    expect(madeAt(steps, 'shm')).toMatchObject({ op: 'filesystem', type: 'tmpfs', options: ['size=1m'], attributes: NOSUID });
    const others = (all: readonly Step[]): Step[] => all.filter((step) => step !== madeAt(all, 'shm'));
    expect(others(steps)).toEqual(others(usual));
  });

  it("takes what is the host's while the host can be seen, attaches it before what lies in it can be seen, and not in the first part", () => {
    const change = replaced({ target: '/dev/shm', type: 'bind', source: '/dev/shm', attributes: RDONLY, create: FOLDER });
    const steps = stepsOf(change);
    const bound = steps.findIndex((step) => step.op === 'clone_mount' && step.path === '/dev/shm');
    const mount = attachOf(steps, 'shm')?.mount;
    expect(steps[bound]).toEqual({ op: 'clone_mount', out: mount, at: -1, path: '/dev/shm', recursive: 0 });
    expect(steps[bound + 1]).toMatchObject({ op: 'set_mount', mount, set: RDONLY });
    const below = (path: string): number => steps.findIndex((step) => step.op === 'attach' && step.path === path);
    expect(bound).toBeLessThan(steps.findIndex(({ op }) => op === 'attach_at'));
    expect(below('shm')).toBe(below('/dev') + 2);
    const { first } = parts({}, { change });
    expect(first?.stages[0]?.steps.filter(({ op }) => op === 'clone_mount')).toEqual([]);
    expect(attachOf(steps, 'shm')?.root).toBe(attachOf(steps, '/dev')?.mount);
  });

  it('takes one more bind, to which links of the image lead no more than to the caller’s', () => {
    const steps = stepsOf(added(data, { target: '/data/tmp', type: 'tmpfs', options: [], attributes: 0, create: FOLDER }));
    const root = attachOf(steps, '/proc')?.root;
    const [proc, sys, dev, bound] = ['/proc', '/sys', '/dev', '/data'].map((path) => attachOf(steps, path)?.mount);
    expect(madeAt(steps, '/data')).toMatchObject({ op: 'clone_mount', path: '/srv', at: -1 });
    expect(groundAt(steps, '/data')).toEqual({ on: [root], mounts: [root, proc, sys, dev] });
    // what lies in the bind is mounted below that, by no path from the root
    expect(attachOf(steps, 'tmp')).toMatchObject({ root: bound, on: [], mounts: [] });
    // the files of /etc stay out of the bind
    expect(groundAt(steps, '/etc/hosts')?.mounts).toContain(bound);
    // right below the root, where a link is refused, none can lead anywhere
    expect(groundAt(steps, '/proc')).toEqual({ on: [], mounts: [] });
    const deep = stepsOf(added(data, { ...data, target: '/a/b', create: FOLDER }));
    expect(groundAt(deep, '/a/b')?.mounts).toContain(attachOf(deep, '/data')?.mount);
  });

  it('has devices and links where its rows have them', () => {
    const [none] = defaultDevices;
    const row: MountRow = {
      target: '/run/own',
      type: 'tmpfs',
      options: [],
      attributes: 0,
      create: FOLDER,
      devices: none ? [{ ...none, path: '/run/own/sub/null' }] : [],
      links: [{ path: '/run/own/link', target: 'sub' }],
    };
    const steps = stepsOf(added(row));
    const root = attachOf(steps, '/run/own')?.mount;
    expect(steps.filter((step) => 'root' in step && step.root === root).map((step) => [step.op, 'path' in step && step.path])).toEqual([
      ['mknod', 'sub/null'],
      ['symlink', 'link'],
    ]);
  });

  it('is without what it has not, and refuses to be without /dev', () => {
    const without = (gone: string) => (table: MountTable) => ({ ...table, mounts: table.mounts.filter(({ target }) => target !== gone) });
    expect(attachOf(stepsOf(without('/sys')), '/sys')).toBeUndefined();
    expect(stepsOf(without('/sys')).flatMap((step) => (step.op === 'require_mount' ? [step.path] : []))).toEqual(['/proc', '/dev']);
    for (const target of ['/proc', '/dev']) expect(() => stepsOf(without(target))).toThrow(`the table of mounts has none at ${target}`);
  });

  it('writes other files, of which the first part knows nothing', () => {
    const change = (table: MountTable): MountTable => ({ ...table, files: [{ target: '/run/it', content: 'text', attributes: 0 }] });
    const steps = stepsOf(change);
    const written = steps.flatMap((step) => (step.op === 'write_file' ? [[step.path, Buffer.from(step.bytes).toString()]] : []));
    expect(written).toEqual([['run/it', 'text']]);
    expect(attachOf(steps, '/run/it')).toMatchObject({ create: CREATE.file });
    expect(parts({}, { change }).first).toEqual(parts().first);
    expect(parts({}, { files }).first).toEqual(parts().first);
    expect(parts({}, { files }).rest).not.toEqual(parts().rest);
  });

  it('hides other paths', () => {
    const steps = stepsOf((table) => ({ ...table, maskedPaths: ['/proc/kcore'], readonlyPaths: [] }));
    expect(steps.find(({ op }) => op === 'mask')).toMatchObject({ paths: ['/kcore'] });
    expect(steps.filter(({ op }) => op === 'readonly')).toEqual([]);
  });

  it('has the groups of cgroup v2 in the sysfs', () => {
    const steps = last(plan({}, { machine: systemd }));
    expect(attachOf(steps, 'fs/cgroup')).toMatchObject({ root: attachOf(steps, '/sys')?.mount, create: CREATE.no });
    expect(madeAt(steps, 'fs/cgroup')).toMatchObject({ op: 'filesystem', type: 'cgroup2' });
  });
});
