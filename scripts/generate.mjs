// Writes what TypeScript shares with the shim: lib/plan/steps.ts from steps.def, the one list of steps, lib/plan/plan-parts.ts from plan.def,
// the one list of a plan's parts, lib/runtime-cli/front/front-steps.ts from front_steps.def, and lib/native/protocol.ts from the numbers of protocol.h and channel.h; and lib/security/ready-filters.ts, compiled
// from TypeScript. `--check` fails when a file is out of date instead of writing it.
import { readFileSync, writeFileSync } from 'node:fs';
import { renderReadyFilters } from './ready-filters.mjs';
import { root } from './shared.mjs';

const types = {
  SLOT: 'Slot',
  OUT: 'Slot',
  NUM: 'number | bigint',
  STR: 'string',
  BYTES: 'Uint8Array',
  LIST: 'readonly string[]',
  SLOTS: 'readonly Slot[]',
  STEPS: 'readonly Step[]',
};

/** The kinds of fields that only parts of a plan have, beside the others. */
const partTypes = {
  ...types,
  FILES: 'readonly { readonly at: Slot; readonly path: string }[]',
  PLAN: 'Uint8Array',
};

/** Who runs a step: `host: true` has the shim do so. */
const hosts = {
  child: ' readonly host?: never;',
  host: ' readonly host: true;',
  both: ' readonly host?: boolean;',
  flow: ' readonly host?: never;',
};

function parseSteps(text) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('STEP')) return [];
    const match = /^STEP\((\w+), (child|host|both|flow), (\w+), "([^"]*)", (.*?)\)\s*(?:\/\/.*)?$/.exec(line);
    if (!match) throw new Error(`steps.def: cannot read: ${line}`);
    const [, name, side, call, what, fields] = match;
    return [{ name, side, call, what, fields: fieldsIn(fields) }];
  });
}

function fieldsIn(text) {
  return [...text.matchAll(/([A-Z]+)\((\w+)\)/g)].map(([, kind, field]) => ({ kind, field }));
}

function parseParts(text) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('PART')) return [];
    const match = /^PART\((\w+), (.*?)\)\s*(?:\/\/.*)?$/.exec(line);
    if (!match) throw new Error(`plan.def: cannot read: ${line}`);
    return [{ name: match[1], fields: fieldsIn(match[2]) }];
  });
}

/** The fields as TypeScript's members, and as rows of a table. */
const membersOf = (fields, kinds) =>
  fields.map(({ kind, field }) => ` readonly ${field}${kind === 'OUT' ? '?' : ''}: ${kinds[kind]};`).join('');
const rowsOf = (fields) => `[${fields.map(({ kind, field }) => `['${kind}', '${field}']`).join(', ')}]`;

function renderSteps(steps) {
  const members = ({ side, fields }) => hosts[side] + membersOf(fields, types);
  const row = ({ name, call, what, fields }) =>
    `  { op: '${name}', call: '${call}', what: '${what.replaceAll("'", "\\'")}', fields: ${rowsOf(fields)} },`;
  return `// Generated from addon/shim/steps/steps.def by scripts/generate.mjs. Change that file, not this one.

/** A numbered file descriptor of a plan; -1 is none. */
export type Slot = number;

export type FieldKind = ${Object.keys(types)
    .map((kind) => `'${kind}'`)
    .join(' | ')};

/** A step of a plan: a serialised system call. \`host: true\` has the shim run it instead of the child. */
export type Step =
${steps.map((step) => `  | { readonly op: '${step.name}';${members(step)} }`).join('\n')};

export type Op = Step['op'];

/** Of a step: the system call that fails most, the words for errors, the fields as they travel. */
export interface StepRow {
  readonly op: Op;
  readonly call: string;
  readonly what: string;
  readonly fields: readonly (readonly [FieldKind, string])[];
}

/** In the order of the opcodes. */
export const stepTable: readonly StepRow[] = [
${steps.map(row).join('\n')}
];
`;
}

function renderParts(parts) {
  return `// Generated from addon/shim/wire/plan.def by scripts/generate.mjs. Change that file, not this one.
import type { FieldKind, Slot, Step } from './steps.js';

/** A part of a plan as it travels. Times are in ns. */
export type PlanPart =
${parts.map(({ name, fields }) => `  | { readonly op: '${name}';${membersOf(fields, partTypes)} }`).join('\n')};

export interface PartRow {
  readonly op: PlanPart['op'];
  readonly fields: readonly (readonly [FieldKind | 'FILES' | 'PLAN', string])[];
}

/** In the order of the numbers. */
export const partTable: readonly PartRow[] = [
${parts.map(({ name, fields }) => `  { op: '${name}', fields: ${rowsOf(fields)} },`).join('\n')}
];
`;
}

function parseFrontSteps(text) {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('FRONT_STEP')) return [];
    const match = /^FRONT_STEP\((\w+), (.*?)\)\s*(?:\/\/.*)?$/.exec(line);
    if (!match) throw new Error(`front_steps.def: cannot read: ${line}`);
    return [{ name: match[1], fields: fieldsIn(match[2]) }];
  });
}

function renderFrontSteps(steps) {
  const kinds = { STR: 'string', NUM: 'number' };
  return `// Generated from addon/shim/front/front_steps.def by scripts/generate.mjs. Change that file, not this one.

/** What the front of the command does without Node. */
export type FrontStep =
${steps.map(({ name, fields }) => `  | { readonly op: '${name}';${membersOf(fields, kinds)} }`).join('\n')};

/** The fields of each step, in the order in which they are written. */
export const frontFields: Readonly<Record<FrontStep['op'], readonly string[]>> = {
${steps.map(({ name, fields }) => `  ${name}: [${fields.map(({ field }) => `'${field}'`).join(', ')}],`).join('\n')}
};
`;
}

/** 'kWallTime' is 'wallTime'; 'wall-time' with a hyphen. */
function lowered(name, hyphen = '') {
  const words = name.replace(/^k(?:In)?/, '').split(/(?=[A-Z])/);
  return words.map((word, index) => (index > 0 && hyphen === '' ? word : word.toLowerCase())).join(hyphen);
}

/** The names of an enum, with their numbers. */
function enumIn(header, name) {
  const body = new RegExp(`enum class ${name} : \\w+ \\{([^}]*)\\}`).exec(header)?.[1];
  if (body === undefined) throw new Error(`there is no enum ${name}`);
  let next = 0;
  return body.split(',').map((item) => {
    const [constant, number] = item.split('=').map((part) => part.trim());
    const value = number === undefined ? next : Number(number);
    next = value + 1;
    return [constant, value];
  });
}

/** A constant: a number, or a product of numbers. */
function constantIn(header, name) {
  const value = new RegExp(`\\b${name} = (-?\\d[\\d' *]*)[;,]`).exec(header)?.[1];
  if (value === undefined) throw new Error(`there is no constant ${name}`);
  return value.split('*').reduce((product, factor) => product * Number(factor.replaceAll("'", '')), 1);
}

function renderProtocol(protocol, channel) {
  const object = (name) =>
    enumIn(protocol, name)
      .map(([constant, value]) => `\n  ${lowered(constant)}: ${value},`)
      .join('');
  const places = [
    'kInPrepare',
    'kInCall',
    'kInUndo',
    'kInClone',
    'kInPlan',
    'kInEnd',
    'kInRemoval',
    'kInPrepareAgain',
    'kInRun',
    'kInStagesAgain',
  ];
  return `// Generated from protocol.h and channel.h in addon/shim/wire by scripts/generate.mjs. Change these files, not this one.

export const Request = {${object('Request')}
} as const;

export const Event = {${object('Event')}
} as const;

/** What a task is at, as others than its starter see it. */
export const TaskState = {${object('TaskState')}
} as const;

/** What a notice tells of a task. */
export const NoticeKind = {${object('NoticeKind')}
} as const;

/** Why a tree was killed, as the shim or the caller knew it when it sent the kill. The first one stands. */
export const causes = [${enumIn(protocol, 'Cause')
    .map(([constant]) => `'${lowered(constant, '-')}'`)
    .join(', ')}] as const;

/** Where a step failed: the number of its stage, or one of these. */
export const Where = { ${places.map((name) => `${lowered(name)}: ${constantIn(protocol, name)}`).join(', ')} } as const;

/** Bytes of one message. Past it the shim would take the connection for broken. */
export const MAX_BODY = ${constantIn(protocol, 'kMaxBody')};

/** Bytes that a client may have told to those who watch. */
export const MAX_WORDS = ${constantIn(protocol, 'kMaxWords')};

/** Of one message between Node and the shim: SCM_MAX_FD of the kernel. */
export const MAX_DESCRIPTORS = ${constantIn(protocol, 'kMaxDescriptors')};

/** Of one message between the shim and the container's process. */
export const MAX_CHANNEL_DESCRIPTORS = ${constantIn(channel, 'kMaxChannelFds')};
`;
}

const read = (name) => readFileSync(`${root}addon/shim/${name}`, 'utf8');
const generated = {
  'lib/plan/steps.ts': renderSteps(parseSteps(read('steps/steps.def'))),
  'lib/plan/plan-parts.ts': renderParts(parseParts(read('wire/plan.def'))),
  'lib/runtime-cli/front/front-steps.ts': renderFrontSteps(parseFrontSteps(read('front/front_steps.def'))),
  'lib/native/protocol.ts': renderProtocol(read('wire/protocol.h'), read('wire/channel.h')),
  'lib/security/ready-filters.ts': await renderReadyFilters(),
};
for (const [file, text] of Object.entries(generated)) {
  if (!process.argv.includes('--check')) writeFileSync(root + file, text);
  else if (readFileSync(root + file, 'utf8') !== text) {
    console.error(`${file} is out of date: run npm run generate`);
    process.exitCode = 1;
  }
}
