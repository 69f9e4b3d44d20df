// Tries the attacks of test/security in root's containers and then, when run by root, in those of an ordinary user. Arguments go to vitest.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, geteuid } from 'node:process';
import { root, run, skip } from './shared.mjs';
import { bundlePrograms } from './test-programs.mjs';

const VITEST = [execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', 'security'];
const REPORT = '--outputFile.json=';
/** A user whom no file of the machine knows. */
const USER = 61_234;
const PROGRAMS = 'build/test-programs-of-user';

/** What root makes ready for the user, in a mount namespace that goes with the run: a home, and places where vitest may write. */
const SCRIPT = `
mount -t tmpfs -o mode=755 none /mnt
mkdir -m 700 /mnt/home /mnt/run /mnt/tmp
chown ${USER}:${USER} /mnt/home /mnt/run /mnt/tmp
for folder in node_modules/.vite node_modules/.vite-temp node_modules/.vitest; do
  mkdir -p $folder
  mount -t tmpfs -o mode=777 none $folder
done
exec env -u NACELLE_RUNROOT -u NACELLE_ROOT HOME=/mnt/home XDG_DATA_HOME=/mnt/home XDG_RUNTIME_DIR=/mnt/run TMPDIR=/mnt/tmp \\
  setpriv --reuid=${USER} --regid=${USER} --clear-groups --inh-caps=-all "$@"
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
    const script =
      target === undefined
        ? SCRIPT
        : SCRIPT.replace(
            '\nmkdir',
            `\ninstall -m 666 /dev/null /mnt/report.json; mount --bind ${report} /mnt/report.json; chmod 666 ${report}\nmkdir`,
          );
    const env = { NACELLE_TEST_AS_USER: '1', NACELLE_TEST_PROGRAMS: `${root}${PROGRAMS}` };
    const passed = run('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', ...VITEST, ...others, ...where], {
      env,
    });
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
