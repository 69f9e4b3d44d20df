// Installs packages as others do, on a PATH with Node, npm and a shell alone, and runs programs with what was installed: the published packages
// (npm run package) from a registry, by npm, without install scripts, without the native part, and by pnpm; that of `npm pack`, with prebuilds in
// it; and in bundles.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { root, run } from './shared.mjs';

const { name, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'nacelle-install-'));
const PNPM = '10';
const BUNDLERS = ['esbuild@0.27', 'rollup@4', 'webpack@5'];
const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];

/** A PATH with these programs and no other. */
function pathWith(...programs) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const program of programs) {
    const found = process.env.PATH.split(delimiter).map((each) => join(each, program));
    const file = found.find((each) => spawnSync('test', ['-x', each]).status === 0);
    if (!file) throw new Error(`${program} is not on the PATH`);
    symlinkSync(realpathSync(file), join(bin, program));
  }
  symlinkSync(process.execPath, join(bin, 'node'));
  return bin;
}

/** Runs a container, and says where the native part is from. */
const program = (load) => `${load}
Container.run({ image: 'host', command: ['echo', 'Hello World'] }).then(({ stdout, reason }) => {
  const addon = readFileSync('/proc/self/maps', 'utf8').split('\\n').find((line) => line.endsWith('/nacelle.node'));
  const places = { packaged: '/nacelle-linux-' + process.arch + '/', prebuilt: '/prebuilds/linux-' + process.arch + '/' };
  const place = Object.keys(places).find((name) => addon?.includes(places[name]));
  console.log(stdout.trim(), '|', reason, '|', place ?? addon);
}, ({ code, message }) => console.log(code, message));
`;
const IMPORTED = "import { readFileSync } from 'node:fs';\nimport { Container } from 'nacelle';";
const REQUIRED = "const { readFileSync } = require('node:fs');\nconst { Container } = require('nacelle');";
const ran = (place) => `Hello World | exited with 0 | ${place}\n`;

/** Whether a command prints just this, or what matches it; what it prints instead is shown. */
function prints(expected, env, cwd, ...words) {
  const { status, stdout, stderr, error } = spawnSync(words[0], words.slice(1), { cwd, env, encoding: 'utf8', timeout: 300_000 });
  const isExpected = typeof expected === 'string' ? stdout === expected : (expected?.test(stdout) ?? true);
  if (status === 0 && isExpected) return true;
  console.error(`${words.join(' ')}: ${error?.message ?? `exited with ${status}`}\n${stdout}${stderr}`);
  return false;
}

function project(title) {
  const at = join(folder, title);
  mkdirSync(at);
  writeFileSync(join(at, 'package.json'), JSON.stringify({ private: true }));
  writeFileSync(join(at, 'program.mjs'), program(IMPORTED));
  writeFileSync(join(at, 'program.cjs'), program(REQUIRED));
  return at;
}

const bin = pathWith('npm', 'sh', 'env', 'mkdir', 'sed', 'dirname', 'uname');
const env = { HOME: folder, PATH: bin, npm_config_cache: process.env.npm_config_cache ?? join(folder, 'cache') };
for (const key of Object.keys(process.env))
  if (/^(npm_config_registry|NODE_EXTRA_CA_CERTS|https?_proxy|no_proxy)$/i.test(key)) env[key] = process.env[key];
const published = `${name}@${version}`;

/** Installs by a command, and runs the program as a module and in CommonJS. */
function installs(title, expected, ...words) {
  const at = project(title);
  const ok = prints(null, env, at, ...words) && ['program.mjs', 'program.cjs'].every((file) => prints(expected, env, at, 'node', file));
  console.log(`${ok ? 'ok' : 'FAIL'} ${title}`);
  return ok;
}

/** What pnpm is run by, or an empty list when it can't be had. */
function pnpm() {
  const at = project('tool-pnpm');
  if (!run('npm', ['install', ...quiet, `pnpm@${PNPM}`], { cwd: at })) return [];
  return ['node', join(at, 'node_modules/pnpm/bin/pnpm.cjs')];
}

/** The package of `npm pack` says what it does when it is installed. */
function packed() {
  if (!run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])) return false;
  return installs(
    'npm install, of npm pack',
    ran('prebuilt'),
    'npm',
    'install',
    ...quiet,
    '--foreground-scripts',
    join(folder, `${name}-${version}.tgz`),
  );
}

const webpackScript = `
import webpack from 'webpack';
const config = { mode: 'production', target: 'node', entry: './program.cjs', externals: { nacelle: 'commonjs nacelle' }, output: { path: process.cwd(), filename: 'webpack.cjs' } };
webpack(config, (error, stats) => { if (error || stats.hasErrors()) throw error ?? new Error(stats.toString()); });
`;

/** Programs that leave the package out of their bundles. */
function bundles() {
  const at = project('bundles');
  writeFileSync(join(at, 'webpack.mjs'), webpackScript);
  const made =
    prints(
      null,
      { ...process.env, npm_config_registry: env.npm_config_registry },
      at,
      'npm',
      'install',
      ...quiet,
      published,
      ...BUNDLERS,
    ) &&
    prints(
      null,
      process.env,
      at,
      'npx',
      'esbuild',
      'program.mjs',
      '--bundle',
      '--platform=node',
      '--external:nacelle',
      '--outfile=esbuild.cjs',
    ) &&
    prints(
      null,
      process.env,
      at,
      'npx',
      'rollup',
      'program.mjs',
      '--external',
      'nacelle,node:fs',
      '--format',
      'es',
      '--file',
      'rollup.mjs',
    ) &&
    prints(null, process.env, at, 'node', 'webpack.mjs');
  const ok = made && ['esbuild.cjs', 'rollup.mjs', 'webpack.cjs'].every((file) => prints(ran('packaged'), env, at, 'node', file));
  console.log(`${ok ? 'ok' : 'FAIL'} in bundles of ${BUNDLERS.join(', ')}`);
  return ok;
}

/** A registry that has the published packages; ended at the end of this process. */
async function startRegistry() {
  const child = spawn(process.execPath, [`${root}scripts/local-registry.mjs`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = await once(createInterface({ input: child.stdout }), 'line');
  return { url, stop: () => child.kill() };
}

const pnpmCommand = pnpm();
const registry = await startRegistry();
try {
  env.npm_config_registry = registry.url;
  const lacks = new RegExp(`^ERR_UNSUPPORTED .*Install ${name}-linux-${process.arch}`, 's');
  const results = [
    installs('npm install', ran('packaged'), 'npm', 'install', ...quiet, published),
    installs('npm install, without scripts', ran('packaged'), 'npm', 'install', ...quiet, '--ignore-scripts', published),
    installs('npm install, without what is optional', lacks, 'npm', 'install', ...quiet, '--omit=optional', published),
    pnpmCommand.length > 0 && installs('pnpm add', ran('packaged'), ...pnpmCommand, 'add', published),
    packed(),
    bundles(),
  ];
  process.exitCode = results.every(Boolean) ? 0 : 1;
} finally {
  registry.stop();
  rmSync(folder, { recursive: true, force: true });
}
