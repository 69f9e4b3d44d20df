// Runs integration tests in a virtual machine with a Debian kernel and pure cgroup v2: as root, then as a user with a
// delegated group, and last as root where v1's controllers of networks are mounted too; then, in a second machine, as a user in a
// session of systemd. Arguments go to vitest and choose what root runs; after --user, what the user runs; after --hybrid, what runs
// last; after --systemd, what runs in the second machine, and after --manager, what root runs there. With --kernel, what looks at this other kernel.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { merged, REPORT } from './reports.mjs';
import { run, skip } from './shared.mjs';
import { bundleForTests } from './test-programs.mjs';
import { prepare, quote, runInMachine } from './vm/machine.mjs';

/** What depends on cgroups and on what the host's kernel may lack. The rest would take emulation too long. */
const AS_ROOT = [
  'test/v2',
  'test/integration/cgroup.test.ts',
  'test/integration/events.test.ts',
  'test/integration/every-limit.test.ts',
  'test/integration/freeze.test.ts',
  'test/integration/features-groups.test.ts',
  'test/integration/container/causes.test.ts',
  'test/integration/container/controllers.test.ts',
  'test/integration/container/limits.test.ts',
  'test/integration/container/cpu-shares.test.ts',
  'test/integration/container/update.test.ts',
];
/** What an older kernel may do in another way, which takes as long as all the others: with --kernel, for `npm run soak`. */
const ON_ITS_KERNEL = ['ipvlan', 'namespace', 'network', 'nftables', 'overlay/mount'].map((name) => `test/integration/${name}.test.ts`);
/** What works without root: containers with subordinate ids, in groups that were handed over. */
const AS_USER = [
  'test/integration/cgroup.test.ts',
  'test/integration/every-limit.test.ts',
  'test/integration/here.test.ts',
  'test/integration/container/exec-paused.test.ts',
  'test/integration/container/limits.test.ts',
  'test/integration/detached/health-events.test.ts',
];
/** What v2 has no controllers for. */
const HYBRID = ['test/integration/every-limit.test.ts', '-t', 'on this machine'];
/** What needs the systemd of a user. */
const SYSTEMD = ['test/systemd/scopes.test.ts', 'test/systemd/oci-user-scopes.test.ts'];
/** What needs the systemd of the machine, as root. */
const MANAGER = ['test/systemd/oci-scopes.test.ts', 'test/systemd/oci-selinux.test.ts'];

/** Where the programs that tests start are bundled. */
const PROGRAMS = 'build/test-programs';
/** No process of its own for each file, and none for each wait: loading the library anew takes half a minute in the machine. */
const PROJECTS = ['integration', 'v2', 'systemd'].flatMap((name) => ['--project', name]);
const VITEST = [...PROJECTS, '--no-isolate', '--maxWorkers=2', '--experimental.fsModuleCache'];

function runs(args) {
  if (args.length === 0) return { root: AS_ROOT, user: AS_USER, hybrid: HYBRID, systemd: SYSTEMD, manager: MANAGER };
  if (args.includes('--kernel')) return { root: [...args.filter((arg) => arg !== '--kernel'), ...ON_ITS_KERNEL] };
  const wanted = { root: [] };
  let who = 'root';
  for (const arg of args) {
    const named = /^--(user|hybrid|systemd|manager)$/.exec(arg)?.[1];
    if (named) {
      who = named;
      wanted[who] = [];
    } else {
      wanted[who].push(arg);
    }
  }
  return wanted;
}

/** The command by which each runs another one. */
const BY = { root: [], user: ['scripts/vm/as-user'], hybrid: [], systemd: ['scripts/vm/in-session'], manager: [] };
/** What is done before, as a script. */
const BEFORE = {
  root: 'mount -t securityfs securityfs /sys/kernel/security; ',
  manager: 'mountpoint -q /sys/fs/selinux || mount -t selinuxfs selinuxfs /sys/fs/selinux; ',
  hybrid: 'mkdir /run/networks; mount -t cgroup -o net_cls,net_prio networks /run/networks; ',
};

/** The machines, and who runs in each. A v1 hierarchy stays for good once it has had groups: so the last of a machine has it. */
const MACHINES = [
  { systemd: false, all: ['root', 'user', 'hybrid'] },
  { systemd: true, all: ['manager', 'systemd'] },
];

/** Each runs, whether or not the one before it failed. */
function script(wanted, all) {
  const lines = all
    .filter((who) => wanted[who]?.length > 0)
    .map((who) => `echo "--- as ${who}"; ${BEFORE[who] ?? ''}${vitest(who, wanted[who])} || status=1`);
  return [`export NACELLE_TEST_PROGRAMS=$PWD/${PROGRAMS}`, 'status=0', ...lines, 'exit $status'].join('\n');
}

function vitest(who, args) {
  const command = [...BY[who], 'node', 'node_modules/vitest/vitest.mjs', 'run', ...VITEST, '--reporter=default', '--reporter=json'];
  return ['scripts/vm/and-again', `/run/vm/${who}.json`, ...command, '--', ...args].map(quote).join(' ');
}

/** Has all that the files import transformed, and kept where vitest in the machine looks for it: there it would take ten times as long. */
function transformAhead(wanted) {
  const files = new Set(Object.values(wanted).flatMap((args) => args.filter((arg) => arg.startsWith('test/'))));
  if (files.size === 0) return true;
  // what the files make while they are imported, which is then not used
  const scratch = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
  try {
    const args = ['--no-install', 'vitest', 'list', ...VITEST, `--json=${scratch}/list.json`, ...files];
    return run('npx', args, { env: { TMPDIR: scratch, NACELLE_TEST_PROGRAMS: PROGRAMS } });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main() {
  const { kernel, reason } = prepare();
  if (reason) return skip('test:vm', reason);
  const args = process.argv.slice(2).filter((arg) => !arg.startsWith(REPORT) && !arg.startsWith('--reporter='));
  const output = process.argv.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
  const wanted = runs(args);
  const reports = [];
  const collect = (folder) => {
    const paths = Object.keys(wanted).map((who) => `${folder}/${who}.json`);
    const texts = paths.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'));
    // a machine that was ended in the middle of a run has an empty one
    reports.push(...texts.filter((text) => text !== '').map((text) => JSON.parse(text)));
  };
  await bundleForTests(PROGRAMS);
  if (!transformAhead(wanted)) return false;
  let succeeded = true;
  for (const { systemd, all } of MACHINES) {
    if (!all.some((who) => wanted[who]?.length > 0)) continue;
    succeeded = (await runInMachine(kernel, script(wanted, all), { collect, systemd })) === 0 && succeeded;
  }
  if (output) writeFileSync(output, JSON.stringify(merged(reports)));
  return succeeded;
}

process.exitCode = (await main()) ? 0 : 1;
