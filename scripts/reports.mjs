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
  const [first, second] = [target, report].map(read);
  if (first === null || second === null) return;
  for (const [name, value] of Object.entries(second)) if (typeof value === 'number' && name.startsWith('num')) first[name] += value;
  first.testResults.push(...second.testResults);
  first.success &&= second.success;
  writeFileSync(target, JSON.stringify(first));
}

function read(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text === '' ? null : JSON.parse(text);
}
