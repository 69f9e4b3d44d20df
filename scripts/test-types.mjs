// Compiles test/types as others compile it, who installed the package: in each module system, with every check, of libraries too.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run } from './shared.mjs';

const folder = mkdtempSync(join(tmpdir(), 'nacelle-types-'));
const strict = {
  target: 'ES2022',
  // without what declares AsyncDisposable: @types/node does
  lib: ['ES2022'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
};
const projects = {
  'module.mts': { module: 'NodeNext' },
  'commonjs.cts': { module: 'NodeNext' },
  'bundled.ts': { module: 'ESNext', moduleResolution: 'Bundler' },
  'old.ts': { module: 'CommonJS', moduleResolution: 'Node10' },
};

function compiles([file, options]) {
  copyFileSync(`${root}test/types/options.ts`, join(folder, file));
  writeFileSync(join(folder, `${file}.json`), JSON.stringify({ compilerOptions: { ...strict, ...options }, files: [file] }));
  const ok = run('npx', ['--no-install', 'tsc', '-p', join(folder, `${file}.json`)]);
  console.log(`${ok ? 'ok' : 'FAIL'} types in ${file} (${options.module})`);
  return ok;
}

try {
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'nacelle'));
  for (const name of ['@types/node', 'undici-types']) symlinkSync(`${root}node_modules/${name}`, join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  process.exitCode = Object.entries(projects).map(compiles).every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
