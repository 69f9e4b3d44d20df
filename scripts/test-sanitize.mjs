// Runs integration tests on an addon and a shim built with AddressSanitizer and UndefinedBehaviorSanitizer.
// Arguments go to vitest; files among them run instead of those below. Needs g++ and its libasan.
import { mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { linkSources, output, root, run, skip } from './shared.mjs';

const folder = `${root}build-sanitize`;
const reports = `${folder}/reports`;

function build() {
  linkSources(folder);
  return run('npx', [
    '--no-install',
    'node-gyp',
    'configure',
    'build',
    '-C',
    folder,
    '-j',
    'max',
    '--nacelle_sanitize=1',
    '--loglevel=warn',
  ]);
}

/** Of Node, which frees nothing when it ends; the shim's options are compiled in (addon/shim/sanitize). */
function environment(runtime) {
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  return {
    NACELLE_BUILD_DIR: `${folder}/build/Release`,
    NACELLE_SANITIZE: '1',
    // the moments differ from run to run, and what runs then is the same code
    NACELLE_KILLS: process.env.NACELLE_KILLS ?? '5',
    LD_PRELOAD: runtime,
    ASAN_OPTIONS: `detect_leaks=0:log_path=${reports}/asan`,
    UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:log_path=${reports}/ubsan`,
  };
}

/** The shims of this build that run. */
function shims() {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`) === '/nacelle-shim' && readFileSync(`/proc/${pid}/maps`).includes('/libasan.so');
    } catch {
      return false; // not a process, or one that has ended
    }
  });
}

/** A shim ends after its Node process, and looks for leaks last of all. */
async function shimsEnded() {
  for (const guard = Date.now() + 60_000; shims().length > 0; await setTimeout(50)) {
    if (Date.now() < guard) continue;
    console.error(`test:sanitize: these shims don't end: ${shims().join(' ')}`);
    return false;
  }
  return true;
}

/** A report may come from a process whose end no test looks at, so the files are what counts. */
function noReports() {
  // the runtime is preloaded into every program that a test starts, and dd(1) of coreutils misuses aligned_alloc
  const files = readdirSync(reports).filter((file) => readFileSync(`${reports}/${file}`, 'utf8').includes('nacelle'));
  for (const file of files) console.error(`--- ${file}\n${readFileSync(`${reports}/${file}`, 'utf8')}`);
  return files.length === 0;
}

const integration = (folder, names) => names.split(' ').map((name) => `test/integration/${folder}${name}.test.ts`);

/**
 * What leads the native code where it can go, by its folders: streams, failures, deaths and hostile input rather than each option. Left out
 * are tests of what TypeScript decides and the kernel does, of deaths at many moments (those steps are in half-made and undo), and of
 * processes whose filter lets no sanitizer's runtime work.
 */
const INSTRUMENTED = [
  // addon
  ...integration('', 'cgroup early-end events host-work namespace shim two-copies workers wrong-side'),
  ...integration('overlay/', 'changes mount'),
  // addon/shim/child and addon/shim/steps
  ...integration(
    'container/',
    'basics causes copy copy-files copy-out copy-paths denials exec exec-attacks exec-streams faults filesystem',
  ),
  ...integration(
    'container/',
    'group-add hostile-image hostile-program limits links-between-mounts mounts namespaces regressions security',
  ),
  ...integration('container/', 'undo untrusted update userns ways-out'),
  ...integration('', 'below forged-answers forged-netlink landlock leaks network nftables owner rootless seccomp veth-owner'),
  ...integration('image/', 'commit disk host-changes rootless'),
  ...integration('volume/', 'first-use in-containers'),
  ...integration('', 'build-mounts'),
  // addon/shim/supervisor
  ...integration('container/', 'cancel ended exec-tree health lifecycle pool prewarm pump restart streams tty wait-for'),
  ...integration('detached/', 'connect detached events faults half-made logs lying-shim note spare-shim stdin terminal two-handles'),
  'test/integration/reap.test.ts',
  // addon/shim/front
  ...integration('oci/', 'await-start oci-front'),
  // addon/shim/relay, addon/shim/modes and addon/shim/names
  ...integration('', 'loopback-ports rootless-ports'),
  ...integration('container/', 'connect host-ports later-mounts'),
  'test/integration/names/containers.test.ts',
];

/** What is tried by a program of the test's own: the layers, the answers to names, and what egress decides. */
const DRIVEN = [
  'test/integration/layer',
  'test/integration/names/answers.test.ts',
  ...integration('egress/', 'policy name-answers openings resolved'),
];

async function main() {
  const runtime = output('g++', ['-print-file-name=libasan.so']);
  if (process.platform !== 'linux' || !runtime?.startsWith('/')) return skip('test:sanitize', 'g++ with libasan is not installed');
  if (!build() || !run('npm', ['run', '--silent', 'build:lib'])) return false;
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'integration'];
  // code that is tested by itself is built with clang's runtime, which can't be beside the preloaded one
  const drivers = run('node', [...vitest, ...DRIVEN], { env: { NACELLE_SANITIZE: '1' } });
  const given = process.argv.slice(2);
  const files = given.some((argument) => argument.startsWith('test/')) ? given : [...INSTRUMENTED, ...given];
  const passed = run('node', [...vitest, ...files], { env: environment(realpathSync(runtime)) });
  const ended = await shimsEnded();
  // a report or a shim that stays is worse than a test that fails
  return noReports() && ended ? passed && drivers : null;
}

const result = await main();
process.exitCode = result === null ? 2 : result ? 0 : 1;
