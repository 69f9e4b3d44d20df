import { randomBytes } from 'node:crypto';
import { ownerName } from '../native/shim.js';
import { NONE, type Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { groupLayout } from './cgroup-base.js';

/** A group on the unified tree for one program, without any limit: so that its whole tree can be killed. */
export interface TreeGroup {
  readonly prepare: readonly Step[];
  readonly slot: Slot;
  readonly undo: readonly Step[];
}

/** `undefined` where this process may make no group: then a kill reaches the first process alone. */
export function treeGroup(slots: Slots): TreeGroup | undefined {
  const layout = groupLayout();
  const base = layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  if (base?.path == null) return undefined;
  const path = `${base.path}/nacelle/${ownerName()}/${randomBytes(8).toString('hex')}`;
  const slot = slots.take();
  return {
    prepare: [{ op: 'make_group', host: true, out: slot, at: NONE, path }],
    slot,
    undo: [{ op: 'remove_group', host: true, at: NONE, path }],
  };
}
