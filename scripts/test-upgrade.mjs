// Runs test/upgrade: this library on the supervisors of an older build, the other way round, and upgrades from one to the other.
// The older build is that of an earlier commit, whose steps and parts of plans get other numbers, and which is told to be older. Where the
// history does not reach so far back, it is that of the files as they are. Arguments go to vitest.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeHeaders } from './node-headers.mjs';
import { output, root, run } from './shared.mjs';

/** Detached containers that this state of the project has made can be taken over; see docs/architecture.md before another is named. */
const COMMIT = '918c7bfdd1';
const VERSION = '0.0.1';

const folder = `${root}build-other`;

/** The files of the commit, or those of now. */
function takeFiles() {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const archived = run('sh', ['-c', 'git archive "$0" 2>/dev/null | tar -x -C "$1" 2>/dev/null', COMMIT, folder]);
  if (archived && existsSync(`${folder}/package.json`)) return;
  console.log(`test:upgrade: there is no commit ${COMMIT} here, so the older build is that of the files as they are`);
  for (const file of output('git', ['ls-files', '--cached', '--others', '--exclude-standard']).split('\n')) {
    mkdirSync(dirname(`${folder}/${file}`), { recursive: true });
    cpSync(`${root}${file}`, `${folder}/${file}`);
  }
}

function change(file, by) {
  writeFileSync(`${folder}/${file}`, by(readFileSync(`${folder}/${file}`, 'utf8')));
}

/** The lines with this word in the opposite order, so that each has another number. */
const reversed = (word) => (text) => {
  const lines = text.split('\n');
  const those = lines.filter((line) => line.startsWith(word));
  return lines.map((line) => (line.startsWith(word) ? those.pop() : line)).join('\n');
};

function build() {
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
    inFolder('npx', ['--no-install', 'tsup', '--silent', '--no-dts'])
  );
}

/** What the build is made of: it is kept until that changes. */
function source() {
  const base = output('git', ['rev-parse', '--verify', '--quiet', `${COMMIT}^{commit}`]);
  return `${base ?? output('git', ['rev-parse', 'HEAD'])} ${readFileSync(new URL(import.meta.url), 'utf8')}`;
}

function main() {
  const stamp = `${folder}/source`;
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== source()) {
    takeFiles();
    if (!build()) return false;
    writeFileSync(stamp, source());
  }
  const env = { NACELLE_OTHER: folder };
  return run('npx', ['--no-install', 'vitest', 'run', '--project', 'upgrade', ...process.argv.slice(2)], { env });
}

process.exitCode = main() ? 0 : 1;
