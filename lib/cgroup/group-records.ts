import type { HostRecord } from '../host/journal.js';
import type { Step } from '../plan/steps.js';

/** The records for the journal of what a group's undo steps remove: whoever reaps kills what is in the group first. */
export function recordsOf(undo: readonly Step[]): HostRecord[] {
  return undo.flatMap((step): HostRecord[] => {
    if (step.op === 'remove_group') return [{ kind: 'group', path: step.path }];
    return step.op === 'remove_folder' ? [{ kind: 'folder', path: step.path }] : [];
  });
}
