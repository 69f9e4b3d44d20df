// Bundles the library and its types, unless the bundles are newer than all that they are made of.
import { existsSync, statSync } from 'node:fs';
import { filesBelow, root, run } from './shared.mjs';

const parts = ['index', 'api', 'core', 'run', 'more', 'build', 'networks', 'images', 'load', 'oci', 'rest', 'zod'].map(
  (name) => `dist/${name}.cjs`,
);
const outputs = [...parts, ...['index.js', 'nacelle-oci.cjs', 'index.d.ts', 'index.d.cts'].map((name) => `dist/${name}`)];
/** Folders too: they tell of a file that was removed. */
const sources = [
  'lib',
  ...filesBelow('lib', /./),
  'tsup.config.ts',
  'scripts/bundle.mjs',
  'scripts/lazy-module.mjs',
  'scripts/first-run.txt',
  'tsconfig.json',
  'package.json',
  'package-lock.json',
];
const changed = (file) => statSync(`${root}${file}`).mtimeMs;

const isDone =
  outputs.every((file) => existsSync(`${root}${file}`)) && Math.min(...outputs.map(changed)) > Math.max(...sources.map(changed));
process.exitCode = isDone || (run('npx', ['--no-install', 'tsup', '--silent']) && run(process.execPath, ['scripts/bundle.mjs'])) ? 0 : 1;
