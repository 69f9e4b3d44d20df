// Tries the attacks of test/security in root's containers and then, when run by root, in those of an ordinary user. Arguments go to vitest.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execPath, geteuid } from 'node:process';
import { run, skip } from './shared.mjs';
import { REPORT, vitestAsUser } from './vitest-as-user.mjs';

const VITEST = [execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'security'];

function asUser(args) {
  const target = args.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
  if (target === undefined) return vitestAsUser('security', args);
  const report = `${target}.user`;
  const passed = vitestAsUser('security', [...args.filter((arg) => !arg.startsWith(REPORT)), `${REPORT}${report}`]);
  addUp(target, report);
  rmSync(report, { force: true });
  return passed;
}

/** One report of both runs. */
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

const args = process.argv.slice(2);
const [command, ...words] = VITEST;
let passed = run(command, [...words, ...args]);
const updates = args.some((arg) => arg === '-u' || arg === '--update');
if (geteuid() !== 0) passed = skip("the attacks in root's containers", 'needs root') && passed;
else if (!updates) {
  console.log('--- as an ordinary user');
  passed = asUser(args) && passed;
}
process.exitCode = passed ? 0 : 1;
