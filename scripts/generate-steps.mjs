// Writes lib/plan/steps.ts from addon/shim/steps/steps.def, the one source of the opcodes.
// `--check` fails when the file is out of date instead of writing it.
import { readFileSync, writeFileSync } from 'node:fs';

const source = new URL('../addon/shim/steps/steps.def', import.meta.url);
const target = new URL('../lib/plan/steps.ts', import.meta.url);

const types = {
  SLOT: 'Slot',
  OUT: 'Slot',
  NUM: 'number | bigint',
  STR: 'string',
  BYTES: 'Uint8Array',
  LIST: 'readonly string[]',
  SLOTS: 'readonly Slot[]',
};

export function parseSteps(text) {
  const steps = [];
  for (const line of text.split('\n')) {
    const match = /^STEP\((\w+), "([^"]*)"(?:, (.*?))?\)\s*(?:\/\/.*)?$/.exec(line);
    if (!match) {
      if (line.startsWith('STEP')) throw new Error(`steps.def: cannot read: ${line}`);
      continue;
    }
    const [, name, what, fields = ''] = match;
    steps.push({ name, what, fields: [...fields.matchAll(/([A-Z]+)\((\w+)\)/g)].map(([, kind, field]) => ({ kind, field })) });
  }
  return steps;
}

export function renderSteps(steps) {
  const lines = [
    '// Generated from addon/shim/steps/steps.def by scripts/generate-steps.mjs. Change that file, not this one.',
    '',
    '/** A numbered file descriptor of a plan; -1 is none. */',
    'export type Slot = number;',
    '',
    "export type FieldKind = 'SLOT' | 'OUT' | 'NUM' | 'STR' | 'BYTES' | 'LIST' | 'SLOTS';",
    '',
    '/** A step of a plan: a serialised system call. `host: true` has the shim run it instead of the child. */',
    'export type Step =',
  ];
  steps.forEach(({ name, fields }, index) => {
    const members = fields.map(({ kind, field }) => ` readonly ${field}${kind === 'OUT' ? '?' : ''}: ${types[kind]};`).join('');
    lines.push(`  | { readonly op: '${name}'; readonly host?: boolean;${members} }${index === steps.length - 1 ? ';' : ''}`);
  });
  lines.push(
    '',
    "export type Op = Step['op'];",
    '',
    '/** In the order of the opcodes: the name, the words for errors, the fields as they travel. */',
  );
  lines.push(
    'export const stepTable: readonly { readonly op: Op; readonly what: string; readonly fields: readonly (readonly [FieldKind, string])[] }[] = [',
  );
  for (const { name, what, fields } of steps) {
    lines.push(
      `  { op: '${name}', what: '${what.replaceAll("'", "\\'")}', fields: [${fields.map(({ kind, field }) => `['${kind}', '${field}']`).join(', ')}] },`,
    );
  }
  lines.push('];', '');
  return lines.join('\n');
}

const text = renderSteps(parseSteps(readFileSync(source, 'utf8')));
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('lib/plan/steps.ts is out of date: run npm run generate');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
