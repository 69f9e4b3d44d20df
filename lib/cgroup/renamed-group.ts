import type { Step } from '../plan/steps.js';
import type { GroupPlan } from './group-plan.js';

/** The same group for another container: `id`, which stands in its paths, gives way to `other`. Pure. */
export function renamedGroup(group: GroupPlan, id: string, other: string): GroupPlan {
  const renamed = (text: string): string => text.replace(id, () => other);
  const steps = (list: readonly Step[]): Step[] => list.map((step) => ('path' in step ? { ...step, path: renamed(step.path) } : step));
  return {
    ...group,
    prepare: steps(group.prepare),
    join: steps(group.join),
    undo: steps(group.undo),
    usage: group.usage.map((file) => ({ ...file, at: renamed(file.at) })),
    name: renamed(group.name),
    folders: group.folders.map(renamed),
    paths: Object.fromEntries(Object.entries(group.paths).map(([controller, path]) => [controller, renamed(path)])),
  };
}
