import type { Step } from '../plan/steps.js';
import type { GroupPlan } from './group-plan.js';

/** Where a group is, which is all that is noted of it. */
export type GroupPlaces = Pick<GroupPlan, 'name' | 'paths' | 'usage' | 'leaf'>;

/** The same group for another container: `id`, which stands in its paths, gives way to `other`. Pure. */
export function renamedGroup(group: GroupPlan, id: string, other: string): GroupPlan {
  const renamed = renaming(id, other);
  const steps = (list: readonly Step[]): Step[] => list.map((step) => ('path' in step ? { ...step, path: renamed(step.path) } : step));
  return {
    ...group,
    prepare: steps(group.prepare),
    join: steps(group.join),
    undo: steps(group.undo),
    folders: group.folders.map(renamed),
    ...renamedPlaces(group, id, other),
  };
}

/** The same for whoever needs none of the steps. Pure. */
export function renamedPlaces({ name, paths, usage, leaf }: GroupPlaces, id: string, other: string): GroupPlaces {
  const renamed = renaming(id, other);
  return {
    name: renamed(name),
    paths: Object.fromEntries(Object.entries(paths).map(([controller, path]) => [controller, renamed(path)])),
    usage: usage.map(({ controller, path, at }) => ({ controller, path, at: renamed(at) })),
    leaf,
  };
}

function renaming(id: string, other: string): (text: string) => string {
  return (text) => text.replace(id, () => other);
}
