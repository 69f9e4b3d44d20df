import { describe, expect, it } from 'vitest';
import { CLONE } from '../../../../lib/plan/constants.js';
import { type Plan, slotsOf } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';
import { end, type Facts, first, ops, plan } from '../../../fixtures/container-plan.js';

const START = 500_000;
const map = [{ inside: 0, outside: START, count: 65_536 }];
const given = { kind: 'given', fd: 30, uid: map, gid: map, back: null } as const;

function stages(
  options: object = {},
  facts: Facts = {},
): { readonly outside: readonly Step[]; readonly inside: readonly Step[]; whole: Plan } {
  const whole = plan({ userns: 'auto', ...options }, { userns: given, ...facts });
  const [outside, inside] = whole.stages.map(({ steps }) => steps);
  if (!outside || !inside) throw new Error('the plan has too few stages');
  return { outside, inside, whole };
}

describe('a container that is put into a user namespace', () => {
  it('has a process outside, which joins it last, and one inside, which is born in all other namespaces', () => {
    const { outside, whole } = stages();
    expect(ops(outside).slice(-2)).toEqual(['setns', 'clone']);
    expect(outside.at(-2)).toMatchObject({ type: 'user' });
    expect(whole.stages.map(({ flags }) => flags)).toEqual([0, CLONE.pid | CLONE.net | CLONE.uts | CLONE.mnt]);
    // the groups are joined outside, where the shim's clone puts it into the one of the unified tree
    expect(whole.stages[0]?.group).toBeDefined();
  });

  it('becomes root inside before anything else, and may not be looked into after that', () => {
    expect(ops(stages().inside).slice(0, 3)).toEqual(['become_root', 'dumpable', 'unshare']);
  });

  it('maps the layers before the overlay is laid over them, and attaches it only inside', () => {
    const { outside, inside } = stages();
    const overlay = outside.find((step) => step.op === 'overlay');
    const mapped = outside.flatMap((step) => (step.op === 'idmap' ? [step.mount] : []));
    expect(overlay?.lower).toEqual(mapped);
    expect(first(outside, 'overlay')).toBeGreaterThan(end(outside, 'idmap'));
    expect(inside.some(({ op }) => op === 'overlay' || op === 'idmap')).toBe(false);
    expect(inside.find((step) => step.op === 'attach_at')).toMatchObject({ mount: overlay?.out, path: '/' });
  });

  it('has every device and every owner outside by outer ids, and none inside', () => {
    const { outside, inside } = stages();
    for (const step of outside) {
      // a folder to attach a layer on is for nobody inside
      if ('uid' in step && !('path' in step && step.path.startsWith('layer')))
        expect(step, step.op).toMatchObject({ uid: START, gid: START });
    }
    expect(outside.filter(({ op }) => op === 'mknod').length).toBeGreaterThan(5);
    expect(inside.some((step) => step.op === 'mknod')).toBe(false);
    expect(outside.find((step) => step.op === 'filesystem' && step.options.includes(`uid=${START}`))).toBeDefined();
  });

  it('hands over every slot that is used inside', () => {
    for (const facts of [{}, { disk: '/upper' }, { folder: '/root' }, { park: true, userns: { ...given, back: 31 } }]) {
      const { outside, inside } = stages(
        { mounts: [{ type: 'bind', source: '/a', target: '/b' }], copyIn: { '/c': { source: '/d' } } },
        facts,
      );
      const clone = outside.at(-1);
      const made = new Set(inside.flatMap((step) => ('out' in step && step.out !== undefined ? [step.out] : [])));
      const needed = inside.flatMap(slotsOf).filter((slot) => !made.has(slot));
      expect(clone?.op === 'clone' && clone.keep).toEqual(expect.arrayContaining(needed));
    }
  });

  it('makes what belongs to a namespace of the host outside', () => {
    const typesIn = (steps: readonly Step[]) => steps.flatMap((step) => (step.op === 'filesystem' ? [step.type] : []));
    const own = stages();
    expect(typesIn(own.inside)).toEqual(expect.arrayContaining(['sysfs', 'mqueue', 'devpts']));
    expect(ops(own.inside)).toContain('proc');
    const shared = stages({ namespaces: { net: 'host', ipc: 'host', pid: 'host' } });
    expect(typesIn(shared.outside)).toEqual(expect.arrayContaining(['sysfs', 'mqueue']));
    expect(ops(shared.outside)).toContain('proc');
    expect(typesIn(shared.inside)).not.toContain('sysfs');
  });

  it('leaves binds of the host as they are, and maps a root that is a folder with all below it', () => {
    const { outside } = stages({ mounts: [{ type: 'bind', source: '/a', target: '/b' }] }, { folder: '/root' });
    expect(outside.filter(({ op }) => op === 'idmap')).toMatchObject([{ path: '/root', recursive: 1 }]);
  });

  it('maps a folder that is copied, for its files may be closed to all but root', () => {
    const { outside } = stages({ copyIn: { '/c': { source: '/folder' }, '/f': { source: '/file' } } }, { copiedFolders: ['/folder'] });
    expect(outside.filter((step) => step.op === 'idmap' && step.path === '/folder')).toHaveLength(1);
    expect(outside.filter((step) => step.op === 'idmap' && step.path === '/file')).toHaveLength(0);
    expect(outside.filter((step) => step.op === 'open' && step.path === '/file')).toHaveLength(1);
  });

  it('does outside what only root of the host may: hard limits, the scheduler, pipes', () => {
    const { outside, inside } = stages({ ulimits: { nofile: 100 }, scheduler: { policy: 'other', nice: 5 } });
    expect(outside.find((step) => step.op === 'raise_limit')).toMatchObject({ name: 'nofile', hard: 100n });
    expect(outside.filter((step) => step.op === 'chown_to')).toMatchObject([
      { uid: START, gid: START },
      { uid: START, gid: START },
    ]);
    expect(ops(outside)).toContain('scheduler');
    expect(ops(inside)).not.toContain('scheduler');
    expect(ops(inside)).toEqual(expect.arrayContaining(['rlimit', 'chown']));
  });

  it('enters a pid namespace that it joins last, in a third process', () => {
    const { inside, whole } = stages({ namespaces: { pid: { fd: 40, inode: 1n, type: 'pid' } } });
    expect(whole.stages).toHaveLength(3);
    expect(inside.slice(0, 4)).toMatchObject([{ op: 'become_root' }, { op: 'dumpable' }, { op: 'unshare' }, { op: 'setns', type: 'pid' }]);
    expect(inside.at(-1)).toMatchObject({ op: 'clone', stage: 2 });
  });

  it('gives a mount of the upper that shows the owners of inside, where its changes may be read', () => {
    const { outside } = stages({}, { park: true, userns: { ...given, back: 31 } });
    const overlay = outside.find((step) => step.op === 'overlay');
    const upper = overlay?.upper;
    const at = first(outside, 'overlay');
    const after = outside.slice(at + 1).filter((step) => slotsOf(step).includes(upper ?? -2) || ('out' in step && step.out === upper));
    expect(ops(after)).toEqual(['clone_mount', 'idmap', 'give', 'close']);
  });

  it('leaves terminals to the groups of their users where the group tty has no id', () => {
    const ptsOf = (steps: readonly Step[]) =>
      steps.flatMap((step) => (step.op === 'filesystem' && step.type === 'devpts' ? [step.options] : []));
    expect(ptsOf(stages().inside)).toEqual([expect.arrayContaining(['gid=5'])]);
    const short = { ...given, gid: [{ inside: 0, outside: START, count: 5 }] };
    expect(ptsOf(stages({}, { userns: short }).inside)).toEqual([expect.not.arrayContaining(['gid=5'])]);
  });

  it('refuses a root whose owner is not in its map', () => {
    const short = { ...given, uid: [{ inside: 1, outside: START, count: 10 }] };
    expect(() => stages({}, { userns: short })).toThrow(/the user 0, who owns a part of the root, is not in the container's map/);
  });
});
