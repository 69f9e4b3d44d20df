import { UnsupportedError } from '../errors.js';
import { partTable } from '../plan/plan-parts.js';
import { stepTable } from '../plan/steps.js';

interface Row {
  readonly op: string;
  readonly fields: readonly (readonly [string, string])[];
}

function lineOf(what: 'step' | 'part', { op, fields }: Row): string {
  return `${what} ${op} ${fields.map(([kind, name]) => `${kind}(${name})`).join(' ') || 'NONE'}`;
}

export const stepLine = (row: Row): string => lineOf('step', row);
export const partLine = (row: Row): string => lineOf('part', row);

/**
 * The steps and parts of plans that a shim knows: their names and fields, in the order of their numbers (addon/shim/steps/shim_table.cc
 * writes it). A shim that another version of this library has started numbers them its own way.
 */
export class ShimTable {
  readonly text: string;
  /** Of the library that the shim belongs to, '0.1.0'. */
  readonly version: string;
  #numbers: ReadonlyMap<string, number> | null = null;

  constructor(text: string, version: string) {
    this.text = text;
    this.version = version;
  }

  /** @throws UnsupportedError: the shim has no such line */
  numberOf(line: string): number {
    this.#numbers ??= numbered(this.text);
    const number = this.#numbers.get(line);
    if (number !== undefined) return number;
    const reason = `this container's supervisor is of version ${this.version} of nacelle, which lacks that`;
    const fix = 'Let a newer one take over with container.upgrade(), or use the version of nacelle that made the container';
    throw new UnsupportedError(wordsOf(line), reason, fix);
  }
}

/** What the caller wants that a line stands for: the words of errors of a step, else the name of the part. */
function wordsOf(line: string): string {
  const step = stepTable.find((row) => stepLine(row) === line);
  return step === undefined ? `the part '${line.split(' ')[1]}' of a plan` : `to ${step.what.replaceAll(/ ?\{\w+\}/g, '')}`;
}

function numbered(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '');
  const counts = new Map<string, number>();
  return new Map(
    lines.map((line) => {
      const what = line.slice(0, 4);
      const number = counts.get(what) ?? 0;
      counts.set(what, number + 1);
      return [line, number];
    }),
  );
}

const ownText = [...stepTable.map(stepLine), ...partTable.map(partLine), ''].join('\n');

/** That of the shim which was built with this library. */
export const ownTable = new ShimTable(ownText, '');

/** The table of a shim that has told it. */
export function tableOf(text: string, version: string): ShimTable {
  return text === ownText ? ownTable : new ShimTable(text, version);
}
