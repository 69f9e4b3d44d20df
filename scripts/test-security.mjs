// Tries the attacks of test/security in root's containers and then, when run by root, in those of an ordinary user. Arguments go to vitest.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, geteuid } from 'node:process';
import { tsImport } from 'tsx/esm/api';
import { root, run, skip } from './shared.mjs';
import { bundlePrograms } from './test-programs.mjs';

/** @type {typeof import('../test/fixtures/become-user.js')} */
const { throughUser } = await tsImport('../test/fixtures/become-user.ts', import.meta.url);

const VITEST = [execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'security'];
const REPORT = '--outputFile.json=';
const PROGRAMS = 'build/test-programs-of-user';

/** Places where vitest may write. */
const SCRATCH = `
for folder in node_modules/.vite node_modules/.vite-temp node_modules/.vitest; do
  mkdir -p $folder
  mount -t tmpfs -o mode=777 none $folder
done
`;

function asUser(args) {
  if (!bundlePrograms(PROGRAMS)) return false;
  const scratch = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
  try {
    const target = args.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
    const report = join(scratch, 'report.json');
    writeFileSync(report, '', { mode: 0o666 });
    const others = args.filter((arg) => !arg.startsWith(REPORT));
    // the file is there already, and stays the same one: the user may write to it, and not to its folder
    const where = target === undefined ? [] : [`${REPORT}/mnt/report.json`];
    const bound = `install -m 666 /dev/null /mnt/report.json; mount --bind ${report} /mnt/report.json; chmod 666 ${report}`;
    const [command, ...words] = throughUser(target === undefined ? SCRATCH : SCRATCH + bound);
    const env = { NACELLE_TEST_AS_USER: '1', NACELLE_TEST_PROGRAMS: `${root}${PROGRAMS}` };
    const passed = run(command, [...words, ...VITEST, ...others, ...where], { env });
    if (target !== undefined) addUp(target, report);
    return passed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    rmSync(`${root}${PROGRAMS}`, { recursive: true, force: true });
  }
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
