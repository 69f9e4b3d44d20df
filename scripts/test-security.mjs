// Tries the attacks of test/security in root's containers and then, when run by root, in those of an ordinary user, without subordinate ids
// and with. Arguments go to vitest.
import { execPath, geteuid } from 'node:process';
import { addingReport } from './reports.mjs';
import { run, skip } from './shared.mjs';
import { vitestAsUser, withIds } from './vitest-as-user.mjs';

const VITEST = [execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'security'];

const args = process.argv.slice(2);
const [command, ...words] = VITEST;
let passed = run(command, [...words, ...args]);
const updates = args.some((arg) => arg === '-u' || arg === '--update');
if (geteuid() !== 0) passed = skip("the attacks in root's containers", 'needs root') && passed;
else if (!updates) {
  console.log('--- as an ordinary user');
  passed = (await addingReport(args, (own) => vitestAsUser('security', own))) && passed;
  console.log('--- as an ordinary user with subordinate ids');
  passed = (await addingReport(args, (own) => vitestAsUser('security', own, { before: withIds }))) && passed;
}
process.exitCode = passed ? 0 : 1;
