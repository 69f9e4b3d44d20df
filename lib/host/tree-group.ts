import { OWN_NAME } from '../plan/constants.js';
import { newId } from '../plan/id.js';
import { NONE, type Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { groupLayout } from './cgroup-base.js';
import { owner } from './owner.js';

/** A group on the unified tree for one program, without any limit: so that its whole tree can be killed. */
export interface TreeGroup {
  readonly id: string;
  readonly path: string;
  readonly prepare: readonly Step[];
  readonly slot: Slot;
  readonly undo: readonly Step[];
}

/** `null` where this process may make no group: then a kill reaches the first process alone. */
export async function treeGroup(slots: Slots): Promise<TreeGroup | null> {
  const layout = groupLayout();
  const base = layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  if (base?.path == null) return null;
  const id = newId();
  const path = `${base.path}/${OWN_NAME}/${await owner(layout)}/${id}`;
  const slot = slots.take();
  return {
    id,
    path,
    prepare: [{ op: 'make_group', host: true, out: slot, at: NONE, path }],
    slot,
    undo: [{ op: 'remove_group', host: true, at: NONE, path }],
  };
}
