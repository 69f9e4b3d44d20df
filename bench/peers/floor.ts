import { inspectGroups } from '../../lib/host/cgroup-base.js';
import type { Hierarchy } from '../../lib/host/cgroup-layout.js';
import { NotHere } from '../case.js';
import type { Subject } from '../measure.js';
import { compiled } from './compiled.js';

/** The bare system calls of the same container, from a small C process: bench/floor.c. */
export function floor(rootfs: string): Subject {
  const groups = groupArguments();
  return compiled('floor', (count) => [rootfs, count, ...groups]);
}

/** The folders below which it makes its groups: where the library makes its own. */
function groupArguments(): string[] {
  const layout = inspectGroups();
  const base = (what: string, hierarchy: Hierarchy | null | undefined): string => {
    const found = hierarchy && layout.bases.get(hierarchy.mountPoint);
    if (!found?.path) throw new NotHere(`no group can be made for ${what}`);
    return found.path;
  };
  const unified = base('the unified tree', layout.unified);
  const memory = layout.controllers.get('memory');
  if (memory && memory === layout.unified) return ['v2', unified];
  return ['v1', ...['memory', 'pids', 'devices'].map((name) => base(name, layout.controllers.get(name))), unified];
}
