import { describe, expect, it } from 'vitest';
import { MOUNT_ATTR } from '../../../lib/plan/recipe.js';
import type { Step } from '../../../lib/plan/steps.js';
import { packPlan, type TreeRoot } from '../../../lib/volume/tree-plan.js';

const ownership = { mode: 0o755, uid: 0, gid: 0 };
const recipe = {
  mounts: [
    { target: '/', lower: ['/top', '/bottom'], attributes: MOUNT_ATTR.NODEV, root: ownership, cover: [] },
    {
      target: '/usr',
      lower: ['/usr'],
      attributes: MOUNT_ATTR.NODEV,
      root: ownership,
      cover: [{ kind: 'whiteout', path: 'secret' } as const],
    },
  ],
  binds: [{ source: '/file', target: '/etc/file', kind: 'file', recursive: false, sealed: false, attributes: MOUNT_ATTR.NODEV } as const],
  userxattr: false,
};

function stepsOf(root: TreeRoot): readonly Step[] {
  const { plan, slots } = packPlan({ root, path: '/var/data' }, 9);
  expect([...slots.descriptors.values()]).toEqual([9]);
  expect(plan.stages).toHaveLength(1);
  return plan.stages[0]?.steps ?? [];
}

describe.each<TreeRoot>([
  { type: 'recipe', recipe },
  { type: 'folder', path: '/rootfs' },
])('the plan that packs a tree in a $type', (root) => {
  const steps = stepsOf(root);
  const at = (op: Step['op']): number => steps.findIndex((step) => step.op === op);

  it('resolves the path below the root, and then gives up what it can see', () => {
    expect(at('set_propagation')).toBeLessThan(at('attach_at'));
    expect(steps[at('open_in_root')]).toMatchObject({ path: '/var/data' });
    expect(at('open_in_root')).toBeLessThan(at('pivot'));
    expect(at('pivot')).toBeLessThan(at('work_filter'));
    expect(steps.slice(-2).map(({ op }) => op)).toEqual(['work_filter', 'pack']);
  });

  it('writes to no mount but its own tmpfs, and opens no device', () => {
    const flags = steps.flatMap((step) => {
      if (step.op === 'overlay') return [step.attributes];
      return step.op === 'set_mount' ? [step.set] : [];
    });
    expect(flags.length).toBeGreaterThan(0);
    for (const each of flags) expect(Number(each) & (MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV)).toBe(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV);
  });
});

it('what an image hides is hidden, and an image of one layer is an overlay too', () => {
  const steps = stepsOf({ type: 'recipe', recipe });
  expect(steps.filter(({ op }) => op === 'overlay').map((step) => (step.op === 'overlay' ? step.lower.length : 0))).toEqual([3, 2]);
  expect(steps.filter(({ op }) => op === 'mknod')).toMatchObject([{ path: 'cover-1/secret' }]);
  expect(steps.filter(({ op }) => op === 'attach')).toMatchObject([{ path: '/usr' }, { path: '/etc/file' }]);
});

it('a folder through which no socket is to work is an overlay of two layers, and a root of a cover alone has a second one', () => {
  const sealed = {
    source: '/var/lib',
    target: '/var/lib',
    kind: 'folder',
    recursive: false,
    sealed: true,
    attributes: MOUNT_ATTR.NODEV,
  } as const;
  const root = { target: '/', lower: [], attributes: MOUNT_ATTR.NODEV, root: ownership, cover: [] };
  const steps = stepsOf({ type: 'recipe', recipe: { mounts: [root], binds: [sealed], userxattr: true } });
  const overlays = steps.flatMap((step) => (step.op === 'overlay' ? [step] : []));
  expect(overlays.map(({ lower, upper }) => [lower.length, upper])).toEqual([
    [2, -1],
    [2, -1],
  ]);
  for (const { options } of overlays) expect(options).toContain('userxattr');
  expect(steps.filter(({ op }) => op === 'clone_mount')).toEqual([]);
});
