// Generated from addon/shim/front/front_steps.def by scripts/generate.mjs. Change that file, not this one.

/** What the front of the command does without Node. */
export type FrontStep =
  | { readonly op: 'print'; readonly text: string; }
  | { readonly op: 'refuse'; readonly text: string; }
  | { readonly op: 'signal'; readonly number: number; }
  | { readonly op: 'send_on'; readonly go: string; readonly going: string; readonly told: string; readonly ended: string; }
  | { readonly op: 'freeze'; }
  | { readonly op: 'thaw'; }
  | { readonly op: 'kill_group'; readonly path: string; }
  | { readonly op: 'remove_group'; readonly path: string; }
  | { readonly op: 'remove_state'; };

/** The fields of each step, in the order in which they are written. */
export const frontFields: Readonly<Record<FrontStep['op'], readonly string[]>> = {
  print: ['text'],
  refuse: ['text'],
  signal: ['number'],
  send_on: ['go', 'going', 'told', 'ended'],
  freeze: [],
  thaw: [],
  kill_group: ['path'],
  remove_group: ['path'],
  remove_state: [],
};
