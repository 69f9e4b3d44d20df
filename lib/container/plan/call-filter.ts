import { type Denials, NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { listenedFilter } from '../../security/denials/listened-filter.js';
import { looksOf } from '../../security/denials/looks.js';
import { ownArchitecture } from '../../security/own-architecture.js';
import type { ProgramSpec } from './program-spec.js';

type Filtered = Pick<ProgramSpec, 'filter' | 'filterFlags' | 'denials'>;

/**
 * Steps that load a program's filter. An older shim knows the step `seccomp` alone, which is enough where there is nothing more to say.
 *
 * @param listener the slot for the listener of its calls; `null`: nobody can be asked, and the filter refuses and kills by itself
 */
export function loadFilter({ filter, filterFlags: flags = 0, denials = null }: Filtered, listener: Slot | null): Step[] {
  if (filter === null) return [];
  if (denials !== null && listener !== null) {
    const listened = listenedFilter(filter, { refusals: denials.told });
    return [
      { op: 'load_call_filter', out: listener, filter: listened, flags },
      { op: 'give', slot: listener },
    ];
  }
  return [flags === 0 ? { op: 'seccomp', filter } : { op: 'load_call_filter', out: NONE, filter, flags }];
}

/** How the calls are answered that a program's filter asks for. */
export function planDenials({ filter, denials = null }: Filtered, listener: Slot | null): { readonly denials?: Denials } {
  if (filter === null || denials === null || listener === null) return {};
  const looks = denials.told ? looksOf(ownArchitecture()) : new Uint8Array();
  return { denials: { listener, answers: filter, looks, told: denials.told } };
}
