// Writes first-run.txt: the modules that programs evaluate which run a container with the usual options. The bundles have
// them in one file (bundle.mjs), so that such programs read little else. Run it as root, after a build, when test/integration/bundled.test.ts says so.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './shared.mjs';

const LIMITS = { memory: '64m', pidsLimit: 32, cpus: 1, timeout: 10_000 };
/** Options of Container.run. */
const RUNS = [
  {},
  { ...LIMITS, input: 'text', env: { A: 'b' }, cwd: '/tmp', user: '65534:65534' },
  { ...LIMITS, image: 'dir:/', readOnly: true, init: true, mounts: [{ type: 'tmpfs', target: '/tmp' }] },
  { profile: 'untrusted' },
];
/** Some times, for what only the next runs of a shape evaluate: from the third on they may have a container that is parked ahead. */
const program = (options) =>
  `const { Container } = require(${JSON.stringify(root)});
  const run = () => Container.run({ image: 'host', command: ['true'], ...${JSON.stringify(options)} });
  run().then(run).then(run).then(run);`;

/** The modules that a command evaluates: each is a function of a bundle, by its path. */
function evaluated(command, args, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-coverage-'));
  chmodSync(folder, 0o777);
  try {
    const { status } = spawnSync(command, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, NODE_V8_COVERAGE: folder },
      ...options,
    });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}`);
    const reports = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
    const functions = reports.flatMap(({ result }) => result).flatMap((script) => script.functions);
    return functions.filter(({ ranges }) => ranges[0].count > 0).map(({ functionName }) => functionName);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a container as an ordinary user without subordinate ids, and without groups that were handed over. */
const ofUser = () =>
  evaluated('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '-e', program({})], { cwd: '/' });

const names = [...RUNS.flatMap((options) => evaluated(process.execPath, ['-e', program(options)])), ...ofUser()];
const modules = names.flatMap((name) => /^lib:(lib\/.*)$/.exec(name)?.[1] ?? []);
writeFileSync(`${root}scripts/first-run.txt`, [...new Set(modules)].sort().join('\n').concat('\n'));
