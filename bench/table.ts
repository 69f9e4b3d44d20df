import type { Load } from './load.js';
import type { Summary } from './measure.js';

/** A number that a row is judged by, and what it should be. */
export interface Target {
  readonly bound: 'at most' | 'at least';
  readonly value: number;
}

/** One line of the report. */
export interface Row {
  readonly what: string;
  readonly unit: 'ms' | 'runs/s' | 'MiB/s' | 'KiB' | 'MiB' | '%';
  readonly measured: Summary;
  /** What it is compared with. */
  readonly against?: { readonly name: string; readonly measured: Summary };
  /** `ratio`: of the medians. `difference`: of the medians, in the unit. Else the median itself is judged. */
  readonly compare?: 'ratio' | 'difference';
  readonly target?: Target;
}

/** What could not be measured here, and why. */
export interface Missing {
  readonly what: string;
  readonly reason: string;
}

export type Line = Row | Missing;

export interface Report {
  readonly load: Load;
  readonly node: string;
  readonly kernel: string;
  readonly lines: readonly Line[];
}

/** The number that is judged. */
export function judged({ measured, against, compare }: Row): number {
  if (!against) return measured.median;
  return compare === 'difference' ? measured.median - against.measured.median : measured.median / against.measured.median;
}

export function verdictOf(row: Row): 'pass' | 'MISS' | '' {
  if (!row.target) return '';
  const value = judged(row);
  return (row.target.bound === 'at most' ? value <= row.target.value : value >= row.target.value) ? 'pass' : 'MISS';
}

/** A table for reading. */
export function render({ lines }: Report): string {
  const header = ['what', 'median [quartiles]', 'against', 'its median [quartiles]', 'value', 'target', ''];
  const cells = lines.map((line) => ('reason' in line ? [line.what, `not measured: ${line.reason}`] : rowCells(line)));
  const measured = [header, ...cells.filter((row) => row.length > 2)];
  const widths = header.map((_, column) => Math.max(...measured.map((row) => row[column]?.length ?? 0)));
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [text(header), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(text)].join('\n');
}

function rowCells(row: Row): string[] {
  const { what, unit, measured, against, target } = row;
  const compared = against ? [against.name, summaryText(against.measured, unit)] : ['', ''];
  const suffix = row.compare === 'ratio' ? ' ×' : ` ${unit}`;
  const value = against ? `${round(judged(row))}${suffix}` : '';
  const aim = target ? `${target.bound === 'at most' ? '≤' : '≥'} ${target.value}${suffix}` : '';
  return [what, summaryText(measured, unit), ...compared, value, aim, verdictOf(row)];
}

function summaryText({ median, lower, upper }: Summary, unit: string): string {
  return `${round(median)} [${round(lower)} ${round(upper)}] ${unit}`;
}

/** Three significant digits, and no fraction of what is large. */
function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The same for programs. */
export function toJson(report: Report): string {
  const lines = report.lines.map((line) => ('reason' in line ? line : { ...line, value: judged(line), verdict: verdictOf(line) || null }));
  return `${JSON.stringify({ ...report, lines }, null, 2)}\n`;
}
