import type { HostRecord } from '../host/journal.js';
import type { Step } from '../plan/steps.js';

/** What a group's undo steps remove, for the journal: whoever reaps kills what is in it first. */
export function recordsOf(undo: readonly Step[]): HostRecord[] {
  return undo.flatMap((step): HostRecord[] => {
    if (step.op === 'remove_group') return [{ kind: 'group', path: step.path }];
    return step.op === 'remove_folder' ? [{ kind: 'folder', path: step.path }] : [];
  });
}
