// vitest's JSON report of several runs of it.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

export const REPORT = '--outputFile.json=';

/** Does one more run, whose report is added to the one that the arguments name, if they name one: what `work` says of its own arguments. */
export async function addingReport(args, work) {
  const target = args.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
  if (target === undefined) return work(args);
  const report = `${target}.more`;
  try {
    return await work([...args.filter((arg) => !arg.startsWith(REPORT)), `${REPORT}${report}`]);
  } finally {
    addUp(target, report);
    rmSync(report, { force: true });
  }
}

function addUp(target, report) {
  const both = [target, report].map(read);
  if (!both.includes(null)) writeFileSync(target, JSON.stringify(merged(both)));
}

/** What is read of several reports, in one. */
export function merged(reports) {
  const sum = (field) => reports.reduce((total, report) => total + report[field], 0);
  return {
    numPassedTests: sum('numPassedTests'),
    numFailedTests: sum('numFailedTests'),
    testResults: reports.flatMap(({ testResults }) => testResults),
  };
}

function read(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text === '' ? null : JSON.parse(text);
}
