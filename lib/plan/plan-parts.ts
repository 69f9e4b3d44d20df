// Generated from addon/shim/wire/plan.def by scripts/generate.mjs. Change that file, not this one.
import type { FieldKind, Slot, Step } from './steps.js';

/** A part of a plan as it travels. Times are in ns. */
export type PlanPart =
  | { readonly op: 'slots'; readonly given: readonly Slot[]; readonly count: number | bigint; }
  | { readonly op: 'prepare'; readonly steps: readonly Step[]; }
  | { readonly op: 'stage'; readonly flags: number | bigint; readonly group: Slot; readonly steps: readonly Step[]; }
  | { readonly op: 'undo'; readonly steps: readonly Step[]; }
  | { readonly op: 'reports'; readonly files: readonly { readonly at: Slot; readonly path: string }[]; }
  | { readonly op: 'returns'; readonly slots: readonly Slot[]; }
  | { readonly op: 'later_mounts'; readonly report: number | bigint; readonly most: number | bigint; }
  | { readonly op: 'kill_group'; readonly at: Slot; readonly path: string; }
  | { readonly op: 'timeout'; readonly wait: number | bigint; }
  | { readonly op: 'set_up'; readonly wait: number | bigint; }
  | { readonly op: 'cpu_clock'; readonly limit: number | bigint; readonly at: Slot; readonly path: string; readonly key: string; readonly unit: number | bigint; }
  | { readonly op: 'ending'; readonly signal: number | bigint; readonly force_kill_after: number | bigint; }
  | { readonly op: 'keep'; readonly auto_remove: number | bigint; readonly at: Slot; readonly path: string; readonly removal: readonly Step[]; }
  | { readonly op: 'leaves_tree'; }
  | { readonly op: 'with_clients'; }
  | { readonly op: 'hands_over'; }
  | { readonly op: 'tells_end_first'; }
  | { readonly op: 'trace'; }
  | { readonly op: 'again'; readonly on: number | bigint; readonly most: number | bigint; readonly first: number | bigint; readonly longest: number | bigint; readonly lasting: number | bigint; readonly stop_signal: number | bigint; readonly prepare: readonly Step[]; }
  | { readonly op: 'again_stage'; readonly flags: number | bigint; readonly group: Slot; readonly steps: readonly Step[]; }
  | { readonly op: 'health'; readonly then: number | bigint; readonly retries: number | bigint; readonly interval: number | bigint; readonly start_period: number | bigint; readonly start_interval: number | bigint; readonly at: Slot; readonly frozen: string; readonly check: Uint8Array; }
  | { readonly op: 'words'; readonly bytes: Uint8Array; }
  | { readonly op: 'denials'; readonly listener: Slot; readonly answers: Uint8Array; readonly looks: Uint8Array; readonly told: number | bigint; };

export interface PartRow {
  readonly op: PlanPart['op'];
  readonly fields: readonly (readonly [FieldKind | 'FILES' | 'PLAN', string])[];
}

/** In the order of the numbers. */
export const partTable: readonly PartRow[] = [
  { op: 'slots', fields: [['SLOTS', 'given'], ['NUM', 'count']] },
  { op: 'prepare', fields: [['STEPS', 'steps']] },
  { op: 'stage', fields: [['NUM', 'flags'], ['SLOT', 'group'], ['STEPS', 'steps']] },
  { op: 'undo', fields: [['STEPS', 'steps']] },
  { op: 'reports', fields: [['FILES', 'files']] },
  { op: 'returns', fields: [['SLOTS', 'slots']] },
  { op: 'later_mounts', fields: [['NUM', 'report'], ['NUM', 'most']] },
  { op: 'kill_group', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'timeout', fields: [['NUM', 'wait']] },
  { op: 'set_up', fields: [['NUM', 'wait']] },
  { op: 'cpu_clock', fields: [['NUM', 'limit'], ['SLOT', 'at'], ['STR', 'path'], ['STR', 'key'], ['NUM', 'unit']] },
  { op: 'ending', fields: [['NUM', 'signal'], ['NUM', 'force_kill_after']] },
  { op: 'keep', fields: [['NUM', 'auto_remove'], ['SLOT', 'at'], ['STR', 'path'], ['STEPS', 'removal']] },
  { op: 'leaves_tree', fields: [] },
  { op: 'with_clients', fields: [] },
  { op: 'hands_over', fields: [] },
  { op: 'tells_end_first', fields: [] },
  { op: 'trace', fields: [] },
  { op: 'again', fields: [['NUM', 'on'], ['NUM', 'most'], ['NUM', 'first'], ['NUM', 'longest'], ['NUM', 'lasting'], ['NUM', 'stop_signal'], ['STEPS', 'prepare']] },
  { op: 'again_stage', fields: [['NUM', 'flags'], ['SLOT', 'group'], ['STEPS', 'steps']] },
  { op: 'health', fields: [['NUM', 'then'], ['NUM', 'retries'], ['NUM', 'interval'], ['NUM', 'start_period'], ['NUM', 'start_interval'], ['SLOT', 'at'], ['STR', 'frozen'], ['PLAN', 'check']] },
  { op: 'words', fields: [['BYTES', 'bytes']] },
  { op: 'denials', fields: [['SLOT', 'listener'], ['BYTES', 'answers'], ['BYTES', 'looks'], ['NUM', 'told']] },
];
