// Runs integration tests in a virtual machine with a Debian kernel and pure cgroup v2: as root, then as a user with a
// delegated group. Arguments go to vitest and choose what root runs; after --user, what the user runs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { skip } from './shared.mjs';
import { missing, quote, runInMachine } from './vm/machine.mjs';

/** What depends on the kernel and on its cgroups. The rest behaves as on the host, and would take emulation too long. */
const AS_ROOT = ['test/integration/cgroup.test.ts', 'test/integration/container/basics.test.ts'];
/** What works without root. */
const AS_USER = [];

const REPORT = '--outputFile.json=';

function runs(args) {
  const user = args.indexOf('--user');
  if (args.length === 0) return { root: AS_ROOT, user: AS_USER };
  return user < 0 ? { root: args } : { root: args.slice(0, user), user: args.slice(user + 1) };
}

/** Each runs, whether or not the one before it failed. */
function script(wanted) {
  const before = { root: '', user: 'install -o 1000 /dev/null /run/vm/user.json; scripts/vm/as-user ' };
  const lines = Object.entries(wanted)
    .filter(([, args]) => args.length > 0)
    .map(([who, args]) => `echo "--- as ${who}"; ${before[who]}${vitest(who, args)} || status=1`);
  return ['status=0', ...lines, 'exit $status'].join('\n');
}

/** One process for all files: loading the library anew for each takes half a minute here. */
function vitest(who, args) {
  const options = ['--project', 'integration', '--no-isolate', '--reporter=default', '--reporter=json', `${REPORT}/run/vm/${who}.json`];
  return ['node', 'node_modules/vitest/vitest.mjs', 'run', ...options, ...args].map(quote).join(' ');
}

/** What is read of vitest's JSON reports, in one. */
function merged(reports) {
  const sum = (field) => reports.reduce((total, report) => total + report[field], 0);
  return {
    numPassedTests: sum('numPassedTests'),
    numFailedTests: sum('numFailedTests'),
    testResults: reports.flatMap(({ testResults }) => testResults),
  };
}

async function main() {
  const reason = missing();
  if (reason !== null) return skip('test:vm', reason);
  const args = process.argv.slice(2).filter((arg) => !arg.startsWith(REPORT) && !arg.startsWith('--reporter='));
  const output = process.argv.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
  const wanted = runs(args);
  const collect = (folder) => {
    const paths = Object.keys(wanted).map((who) => `${folder}/${who}.json`);
    const reports = paths.filter((path) => existsSync(path)).map((path) => JSON.parse(readFileSync(path, 'utf8')));
    if (output) writeFileSync(output, JSON.stringify(merged(reports)));
  };
  return (await runInMachine(script(wanted), { collect })) === 0;
}

process.exitCode = (await main()) ? 0 : 1;
