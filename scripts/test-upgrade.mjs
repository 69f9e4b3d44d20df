// Runs test/upgrade: this library on the supervisors of an older build, the other way round, and upgrades from one to the other.
// The older builds are those of earlier commits, whose steps and parts of plans get other numbers, and which are told to be older. Where the
// history does not reach so far back, they are those of the files as they are. Arguments go to vitest.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeHeaders } from './node-headers.mjs';
import { output, root, run, skip } from './shared.mjs';

/** Detached containers that these states of the project have made can be taken over; see docs/architecture.md before others are named. */
const BUILDS = [
  { variable: 'NACELLE_OTHER', commit: 'c5a0195afde8c8ece10c7f046d7d1551e42ba0c5', folder: `${root}build-other` },
  // an ordinary user's networks and their ports are there since this one
  { variable: 'NACELLE_OTHER_NETWORKS', commit: 'a4ba4f91f6fc49a0f2a196c859712c44a03cc9ff', folder: `${root}build-other-networks` },
];
const VERSION = '0.0.1';

/** The files of the commit, or those of now. False when git knows neither. */
function takeFiles({ commit, folder }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  if (hasCommit(commit)) return run('sh', ['-c', 'git archive "$0" | tar -x -C "$1"', commit, folder]);
  console.error(`test:upgrade: WARNING: the history here has no commit ${commit}, so this library is crossed with itself`);
  const listed = output('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  if (listed === null) return false;
  for (const file of listed.split('\0').filter((name) => name !== '' && existsSync(root + name))) {
    mkdirSync(dirname(`${folder}/${file}`), { recursive: true });
    cpSync(`${root}${file}`, `${folder}/${file}`);
  }
  return true;
}

function hasCommit(commit) {
  return output('git', ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`]) !== null;
}

/** The lines with this word in the opposite order, so that each has another number. */
const reversed = (word) => (text) => {
  const lines = text.split('\n');
  const those = lines.filter((line) => line.startsWith(word));
  return lines.map((line) => (line.startsWith(word) ? those.pop() : line)).join('\n');
};

function build(folder) {
  const change = (file, by) => writeFileSync(`${folder}/${file}`, by(readFileSync(`${folder}/${file}`, 'utf8')));
  change('package.json', (text) => text.replace(/"version": "[^"]*"/, `"version": "${VERSION}"`));
  change('addon/shim/steps/steps.def', reversed('STEP('));
  change('addon/shim/wire/plan.def', reversed('PART('));
  // what it does counts, not how fast
  change('binding.gyp', (text) => text.replace("'-O2', ", "'-O0', ").replace(", '-D_FORTIFY_SOURCE=2'", ''));
  symlinkSync(`${root}node_modules`, `${folder}/node_modules`);
  const inFolder = (command, args) => run(command, args, { cwd: folder, env: { ...nodeHeaders, ...process.env } });
  return (
    inFolder('node', ['scripts/generate.mjs']) &&
    inFolder('npx', ['--no-install', 'node-gyp', 'configure', 'build', '-j', 'max', '--silent']) &&
    // of before, which has no such script, tsup makes the code too
    (existsSync(`${folder}/scripts/bundle.mjs`)
      ? inFolder('node', ['scripts/bundle.mjs'])
      : inFolder('npx', ['--no-install', 'tsup', '--silent', '--no-dts']))
  );
}

/** The build of a commit is kept until this script changes; that of the files as they are is made anew. */
function isKept({ commit, folder }, source) {
  const stamp = `${folder}/source`;
  return hasCommit(commit) && existsSync(stamp) && readFileSync(stamp, 'utf8') === source;
}

function main() {
  const source = readFileSync(new URL(import.meta.url), 'utf8');
  for (const one of BUILDS.filter((each) => !isKept(each, source))) {
    if (!takeFiles(one)) return skip('test:upgrade', 'git does not know this folder (safe.directory?)');
    if (!build(one.folder)) return false;
    if (hasCommit(one.commit)) writeFileSync(`${one.folder}/source`, source);
  }
  const env = Object.fromEntries(BUILDS.map(({ variable, folder }) => [variable, folder]));
  return run('npx', ['--no-install', 'vitest', 'run', '--project', 'upgrade', ...process.argv.slice(2)], { env });
}

process.exitCode = main() ? 0 : 1;
