// Runs the integration tests on an addon and a shim built with AddressSanitizer and UndefinedBehaviorSanitizer.
// Arguments go to vitest. Needs g++ and its libasan.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { output, root, run, skip } from './shared.mjs';

// A folder of its own with the same binding.gyp, as node-gyp always builds into ./build.
const folder = `${root}build-sanitize`;
const reports = `${folder}/reports`;

function build() {
  mkdirSync(folder, { recursive: true });
  for (const name of ['binding.gyp', 'addon', 'tsconfig.json', 'package.json']) {
    if (!existsSync(`${folder}/${name}`)) symlinkSync(`../${name}`, `${folder}/${name}`);
  }
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

/** What tries nothing of the native code that others don't, and takes long or looks for the addon elsewhere. */
const TYPESCRIPT_ALONE = [
  'test/integration/test-runners.test.ts',
  'test/integration/bundled.test.ts',
  // Node's and the shim's deaths at many moments: the code that runs then is in half-made and detached
  'test/integration/detached/killed.test.ts',
  'test/integration/image/killed.test.ts',
  'test/integration/volume/killed-while-filling.test.ts',
  ...['networks-killed', 'veth-owner'].map((name) => `test/integration/${name}.test.ts`),
  // what grows with the number of containers: LeakSanitizer sees what one of them leaves, and its allocator has areas of memory of its own
  ...['endurance', 'plan-memory'].map((name) => `test/integration/${name}.test.ts`),
  // a Node of its own in a terminal: the native side of a terminal is in tty.test.ts
  'test/integration/container/connect-terminal.test.ts',
  // whose files, limits and groups are looked at: the plans behind them are those of the other files
  ...['own-folders', 'freeze', 'features', 'every-limit', 'container/scheduler', 'container/memory'].map(
    (name) => `test/integration/${name}.test.ts`,
  ),
  // whose processes have a filter under which no sanitizer's runtime can work: what they read of others is in names/answers, and fuzzed
  'test/integration/names/server.test.ts',
  'test/integration/relay/connector.test.ts',
  // what egress decides is in DRIVEN, and its streams are those of host-ports; whole, its containers take minutes there
  ...['containers', 'networks'].map((name) => `test/integration/egress/${name}.test.ts`),
  // what is refused before anything is made, and what the kernel does by rules: sending these is in nftables
  ...['container/refused', 'container/exec-refused', 'network-rules'].map((name) => `test/integration/${name}.test.ts`),
  // what plugins of others do, or others' engines beside: the steps are those of connected and networks
  ...['cni', 'netavark'].map((name) => `test/integration/${name}.test.ts`),
  // containers and layers, whose own tests are here; what mounts leave out of a layer is tried
  ...[
    'build',
    ...['add', 'cache', 'contexts', 'debug', 'events', 'fetch', 'limits', 'output', 'stages', 'steps'].map((of) => `build-${of}`),
  ].map((name) => `test/integration/${name}.test.ts`),
  // a socket that is connected, and otherwise TypeScript
  'test/integration/dbus.test.ts',
  // what a program under Landlock and a filter may do is the kernel's: setting these up is in landlock and denials
  ...['landlock-user', 'landlock-attacks', 'container/seccomp-profile'].map((name) => `test/integration/${name}.test.ts`),
  ...['pull', 'push', 'pull-faults', 'push-faults', 'credentials', 'transport', 'interchange', 'config', 'open', 'bounds', 'names'].map(
    (name) => `test/integration/image/${name}.test.ts`,
  ),
];

/** What is tried by a program of the test's own, as the layers are: the answers to names, and what egress decides. */
const DRIVEN = ['names/answers', ...['policy', 'name-answers', 'openings', 'resolved'].map((name) => `egress/${name}`)].map(
  (name) => `test/integration/${name}.test.ts`,
);

async function main() {
  const runtime = output('g++', ['-print-file-name=libasan.so']);
  if (process.platform !== 'linux' || !runtime?.startsWith('/')) return skip('test:sanitize', 'g++ with libasan is not installed');
  if (!build() || !run('npm', ['run', '--silent', 'build:lib'])) return false;
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'integration'];
  // code that is tested by itself is built with clang's runtime, which can't be beside the preloaded one
  const drivers = run('node', [...vitest, 'test/integration/layer', ...DRIVEN], { env: { NACELLE_SANITIZE: '1' } });
  const others = ['test/integration/layer/**', ...DRIVEN, ...TYPESCRIPT_ALONE].flatMap((file) => ['--exclude', file]);
  const arguments_ = [...vitest, ...others, ...process.argv.slice(2)];
  const passed = run('node', arguments_, { env: environment(realpathSync(runtime)) });
  const ended = await shimsEnded();
  // a report or a shim that stays is worse than a test that fails
  return noReports() && ended ? passed && drivers : null;
}

const result = await main();
process.exitCode = result === null ? 2 : result ? 0 : 1;
